"""The trace of a run, as a fold of its events. Nothing else ever changes one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.call_records import AnswerCheck, Fold, HostFunctionCall, ModelCall, TraceMessage
from rlm_integrations.core.trace.events import (
    CheckEnded,
    CheckStarted,
    Cited,
    CodeEnded,
    CodeStarted,
    ConversationOpened,
    Event,
    Folded,
    FoldEnded,
    FoldStarted,
    HostCallEnded,
    HostCallStarted,
    IterationEnded,
    IterationStarted,
    PromptShortened,
    ReplOpened,
    RootFailed,
    RootReplied,
    Routed,
    RunEnded,
    RunFailed,
    RunStarted,
    SubCallContinued,
    SubCallEnded,
    SubCallsReserved,
    SubCallStarted,
    Warned,
)
from rlm_integrations.core.trace.records import CodeExecution, Iteration, RLMTrace, SubCall
from rlm_integrations.core.usage import Usage

_Started = IterationStarted | FoldStarted | SubCallStarted | HostCallStarted | CheckStarted
"""What ends with an event of its own."""

_CUT_OFF = "CancelledError: the run ended first"


class Recorder:
    """Folds events, in their order, into `trace`."""

    def __init__(self, question: str, limits: RLMLimits) -> None:
        self.trace = RLMTrace(question=question, context="", limits=limits)
        self._traces: dict[tuple[int, ...], RLMTrace] = {(): self.trace}
        """By the node: that of the run, and those of child RLMs."""
        self._open: dict[tuple[tuple[int, ...], type, int], _Started] = {}
        """What has started and not ended: by node, kind and number."""
        self._continued: dict[tuple[tuple[int, ...], int], _Continued] = {}
        """Open sub-calls whose model was asked more than once: by node and number."""

    def of(self, node: tuple[int, ...]) -> RLMTrace:
        """The trace of one RLM of the run."""
        return self._traces[node]

    def take_over(self, trace: RLMTrace) -> None:
        """Go on from the trace of a run that was recorded before. What this one is called by stays."""
        own = self.trace
        kept: dict[str, Any] = {
            "question": own.question,
            "context": own.context,
            "shown_whole": own.shown_whole,
            "journal": own.journal,
            "warnings": [*own.warnings, *trace.warnings],
        }
        self.trace = self._traces[()] = trace.model_copy(update=kept)

    def record(self, event: Event) -> None:
        """Take the event into the trace."""
        trace = self._traces[event.node]
        match event:  # those first of which a run has most: cases are tried in their order
            case SubCallsReserved():
                pass
            case SubCallStarted():
                self._open[event.node, SubCallStarted, event.number] = event
                if event.is_rlm:
                    child = RLMTrace(question=event.prompt, context="", limits=trace.limits)
                    self._traces[*event.node, event.number] = child
            case SubCallEnded():
                self._open.pop((event.node, SubCallStarted, event.call.number), None)
                continued = self._continued.pop((event.node, event.call.number), None)
                if continued is not None:
                    event.call.tool_calls = continued.tool_calls
                self._end_child(event)
                _execution(trace, event.iteration).sub_calls.append(event.call)
            case IterationStarted():
                self._open[event.node, IterationStarted, event.iteration] = event
                call = ModelCall(prompt_chars=event.prompt_chars, start=event.at)
                trace.iterations.append(
                    Iteration(number=event.iteration, call=call, reply="", last_call=event.last_call)
                )
            case RootReplied():
                self._end_root_call(event)
                _iteration(trace, event.iteration).reply = event.reply
            case CodeStarted():
                execution = CodeExecution(blocks=list(event.blocks), start=event.at)
                _iteration(trace, event.iteration).execution = execution
            case CodeEnded():
                _end_execution(trace, event)
            case IterationEnded():
                _iteration(trace, event.iteration).observation = event.observation
            case SubCallContinued():
                self._of_sub_call(event.node, event.number).take(event)
            case RunStarted():
                trace.question, trace.context, trace.shown_whole = event.question, event.context, event.shown_whole
                trace.session, trace.question_number = event.session, event.question_number
                trace.journal = event.journal
            case Routed():
                trace.route, trace.route_why = event.way, event.why
                trace.shown_whole |= event.way == "direct"
            case ConversationOpened():
                trace.opening = [TraceMessage(role=m.role, content=m.content) for m in event.messages]
            case ReplOpened():
                trace.sandbox, trace.isolation = event.sandbox, event.isolation
            case PromptShortened():
                call = _iteration(trace, event.iteration).call
                call.prompt_chars, call.shortened = event.prompt_chars, call.shortened + 1
            case FoldStarted():
                self._open[event.node, FoldStarted, event.iteration] = event
            case FoldEnded():
                self._open.pop((event.node, FoldStarted, event.iteration), None)
                _iteration(trace, event.iteration).folds.append(event.fold)
            case Folded():
                iteration = _iteration(trace, event.iteration)
                iteration.folds[-1].taken = True
                if (event.node, IterationStarted, event.iteration) in self._open:
                    iteration.call.prompt_chars = event.prompt_chars
            case RootFailed():
                self._end_root_call(event)
            case HostCallStarted():
                self._open[event.node, HostCallStarted, event.number] = event
            case HostCallEnded():
                self._open.pop((event.node, HostCallStarted, event.number), None)
                if event.sub_call is None:
                    _execution(trace, event.iteration).host_calls.append(event.call)
                else:
                    self._of_sub_call(event.node, event.sub_call).tool_calls.append(event.call)
            case Cited():  # what a child cited is evidence of the run
                self.trace.citations.append(event.citation)
            case CheckStarted():
                self._open[event.node, CheckStarted, event.number] = event
            case CheckEnded():
                self._open.pop((event.node, CheckStarted, event.number), None)
                _iteration(trace, event.iteration).checks.append(event.check)
            case Warned():
                self.trace.warnings.append(event.message)
            case RunEnded():
                trace.answer, trace.stop_reason = event.result.text, event.result.stop_reason
                trace.seconds = event.at
            case RunFailed():
                trace.answer, trace.stop_reason = event.result.text, event.result.stop_reason
                trace.error, trace.seconds = event.error, event.at

    def cut_off(self, at: float) -> Iterator[Event]:
        """The ends of what is still open when the run ends, children's first, for the caller to record."""
        for started in sorted(self._open.values(), key=_inner_first):
            seconds = at - started.at
            match started:
                case IterationStarted():
                    yield RootFailed(started.iteration, _CUT_OFF, node=started.node, at=at, run=started.run)
                case FoldStarted():
                    call = ModelCall(
                        prompt_chars=started.prompt_chars, error=_CUT_OFF, start=started.at, seconds=seconds
                    )
                    fold = Fold(call=call, up_to=started.up_to)
                    yield FoldEnded(started.iteration, fold, node=started.node, at=at, run=started.run)
                case SubCallStarted():
                    call = SubCall(
                        number=started.number,
                        batch=started.batch,
                        index=started.index,
                        prompt=started.prompt,
                        error=_CUT_OFF,
                        start=started.at,
                        seconds=seconds,
                        **self._so_far(started),
                    )
                    yield SubCallEnded(started.iteration, call, node=started.node, at=at, run=started.run)
                case HostCallStarted():
                    record = HostFunctionCall(
                        name=started.name,
                        arguments=started.arguments,
                        error=_CUT_OFF,
                        start=started.at,
                        seconds=seconds,
                    )
                    ended = HostCallEnded(started.iteration, started.number, record, started.sub_call)
                    ended.happened(at, started.node, started.run)
                    yield ended

                case CheckStarted():
                    check = AnswerCheck(name=started.name, error=_CUT_OFF, start=started.at, seconds=seconds)
                    yield CheckEnded(started.iteration, started.number, check, node=started.node, at=at)

    def _of_sub_call(self, node: tuple[int, ...], number: int) -> _Continued:
        return self._continued.setdefault((node, number), _Continued())

    def _so_far(self, started: SubCallStarted) -> dict[str, Any]:
        """What a sub-call that is cut off has consumed, for its record."""
        continued = self._continued.get((started.node, started.number))
        if continued is None:
            return {}
        calling = any(
            isinstance(each, HostCallStarted) and (each.node, each.sub_call) == (started.node, started.number)
            for each in self._open.values()
        )
        return {"usage": continued.usage, "requests": continued.replies + (not calling)}

    def _end_child(self, event: SubCallEnded) -> None:
        """What is known of a child RLM when it ends, as of a run."""
        call = event.call
        child = self._traces.get((*event.node, call.number))
        if child is not None:
            child.answer, child.error, child.seconds = call.reply or "", call.error, call.seconds
            child.stop_reason = event.stop_reason
            call.child = child

    def _end_root_call(self, event: RootReplied | RootFailed) -> None:
        self._open.pop((event.node, IterationStarted, event.iteration), None)
        call = _iteration(self._traces[event.node], event.iteration).call
        call.seconds = event.at - call.start
        if isinstance(event, RootReplied):
            call.model, call.usage, call.cached = event.model, event.usage, event.cached
            call.thoughts, call.finish = event.thoughts, event.finish
            call.replayed = event.replayed
        else:
            call.error = event.error


@dataclass(slots=True)
class _Continued:
    """What came of a sub-call before the reply that it ends with."""

    replies: int = 0
    usage: Usage = field(default_factory=Usage)
    tool_calls: list[HostFunctionCall] = field(default_factory=list[HostFunctionCall])

    def take(self, event: SubCallContinued) -> None:
        self.replies += 1
        self.usage += event.usage


def _inner_first(started: _Started) -> tuple[int, bool]:
    """Children end before their parents, calls of a sub-LM's tools before its sub-call, and a fold before the call that
    it is made amid."""
    return -len(started.node), isinstance(started, (SubCallStarted, IterationStarted))


def _iteration(trace: RLMTrace, number: int) -> Iteration:
    return trace.iterations[number - 1]


def _execution(trace: RLMTrace, iteration: int) -> CodeExecution:
    execution = _iteration(trace, iteration).execution
    assert execution is not None, "a call of code that has not started"
    return execution


def _end_execution(trace: RLMTrace, event: CodeEnded) -> None:
    """Its calls stay as they were recorded: threads that the code left behind may still end some."""
    execution, ended = _execution(trace, event.iteration), event.execution
    execution.output, execution.error, execution.lost = ended.output, ended.error, ended.lost
    execution.variables, execution.seconds = ended.variables, ended.seconds
