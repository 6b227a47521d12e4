"""The trace of a run, as a fold of its events. Nothing else ever changes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.call_records import ModelCall, TraceMessage
from rlm_integrations.core.trace.cut_off import Continued, Started, cut_off
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
from rlm_integrations.core.trace.records import CodeExecution, Iteration, RLMTrace


class Recorder:
    """Folds events, in their order, into `trace`."""

    def __init__(self, question: str, limits: RLMLimits, attempt: int = 1) -> None:
        self.trace = RLMTrace(question=question, context="", limits=limits, attempt=attempt)
        self._traces: dict[tuple[int, ...], RLMTrace] = {(): self.trace}
        """By the node: that of the run, and those of child RLMs."""
        self._open: dict[tuple[tuple[int, ...], type, int], Started] = {}
        """What has started and not ended: by node, kind and number."""
        self._continued: dict[tuple[tuple[int, ...], int], Continued] = {}
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
        self._TAKERS[type(event)](self, self._traces[event.node], event)

    # --- sub-calls and calls of the host

    def _sub_calls_reserved(self, trace: RLMTrace, event: SubCallsReserved) -> None:
        """The trace has those that are sent."""

    def _sub_call_started(self, trace: RLMTrace, event: SubCallStarted) -> None:
        self._open[event.node, SubCallStarted, event.number] = event
        if event.is_rlm:
            child = RLMTrace(question=event.prompt, context="", limits=trace.limits)
            self._traces[*event.node, event.number] = child

    def _sub_call_continued(self, trace: RLMTrace, event: SubCallContinued) -> None:
        self._of_sub_call(event.node, event.number).take(event)

    def _sub_call_ended(self, trace: RLMTrace, event: SubCallEnded) -> None:
        self._open.pop((event.node, SubCallStarted, event.call.number), None)
        continued = self._continued.pop((event.node, event.call.number), None)
        if continued is not None:
            event.call.tool_calls = continued.tool_calls
        if len(self._traces) > 1:  # there are child RLMs
            self._end_child(event)
        _execution(trace, event.iteration).sub_calls.append(event.call)

    def _host_call_started(self, trace: RLMTrace, event: HostCallStarted) -> None:
        self._open[event.node, HostCallStarted, event.number] = event

    def _host_call_ended(self, trace: RLMTrace, event: HostCallEnded) -> None:
        self._open.pop((event.node, HostCallStarted, event.number), None)
        if event.sub_call is None:
            _execution(trace, event.iteration).host_calls.append(event.call)
        else:
            self._of_sub_call(event.node, event.sub_call).tool_calls.append(event.call)

    def _cited(self, trace: RLMTrace, event: Cited) -> None:
        where = {"iteration": event.iteration, "child": ".".join(map(str, event.node)) or None}
        self.trace.citations.append(event.citation.model_copy(update=where))  # a child's is evidence of the run

    # --- iterations

    def _iteration_started(self, trace: RLMTrace, event: IterationStarted) -> None:
        self._open[event.node, IterationStarted, event.iteration] = event
        call = ModelCall(prompt_chars=event.prompt_chars, model=event.model, start=event.at)
        trace.iterations.append(Iteration(number=event.iteration, call=call, reply="", last_call=event.last_call))

    def _prompt_shortened(self, trace: RLMTrace, event: PromptShortened) -> None:
        call = _iteration(trace, event.iteration).call
        call.prompt_chars, call.shortened = event.prompt_chars, call.shortened + 1

    def _root_replied(self, trace: RLMTrace, event: RootReplied) -> None:
        self._open.pop((event.node, IterationStarted, event.iteration), None)
        iteration = _iteration(trace, event.iteration)
        iteration.reply = event.reply
        iteration.call.note(
            model=event.model or iteration.call.model,
            usage=event.usage,
            thoughts=event.thoughts,
            finish=event.finish,
            cached=event.cached,
            replayed=event.replayed,
            seconds=event.at - iteration.call.start,
        )

    def _root_failed(self, trace: RLMTrace, event: RootFailed) -> None:
        self._open.pop((event.node, IterationStarted, event.iteration), None)
        call = _iteration(trace, event.iteration).call
        call.error, call.seconds = event.error, event.at - call.start

    def _code_started(self, trace: RLMTrace, event: CodeStarted) -> None:
        execution = CodeExecution(blocks=list(event.blocks), start=event.at)
        _iteration(trace, event.iteration).execution = execution

    def _code_ended(self, trace: RLMTrace, event: CodeEnded) -> None:
        """Its calls stay as they were recorded: threads that the code left behind may still end some."""
        ended = event.execution
        _execution(trace, event.iteration).note(
            output=ended.output, error=ended.error, lost=ended.lost, variables=ended.variables, seconds=ended.seconds
        )

    def _iteration_ended(self, trace: RLMTrace, event: IterationEnded) -> None:
        _iteration(trace, event.iteration).observation = event.observation

    def _fold_started(self, trace: RLMTrace, event: FoldStarted) -> None:
        self._open[event.node, FoldStarted, event.iteration] = event

    def _fold_ended(self, trace: RLMTrace, event: FoldEnded) -> None:
        self._open.pop((event.node, FoldStarted, event.iteration), None)
        _iteration(trace, event.iteration).folds.append(event.fold)

    def _folded(self, trace: RLMTrace, event: Folded) -> None:
        iteration = _iteration(trace, event.iteration)
        iteration.folds[-1].taken = True
        if (event.node, IterationStarted, event.iteration) in self._open:
            iteration.call.prompt_chars = event.prompt_chars

    def _check_started(self, trace: RLMTrace, event: CheckStarted) -> None:
        self._open[event.node, CheckStarted, event.number] = event

    def _check_ended(self, trace: RLMTrace, event: CheckEnded) -> None:
        self._open.pop((event.node, CheckStarted, event.number), None)
        _iteration(trace, event.iteration).checks.append(event.check)

    # --- the run

    def _run_started(self, trace: RLMTrace, event: RunStarted) -> None:
        trace.note(
            question=event.question,
            context=event.context,
            shown_whole=event.shown_whole,
            session=event.session,
            question_number=event.question_number,
            journal=event.journal,
        )

    def _routed(self, trace: RLMTrace, event: Routed) -> None:
        trace.route, trace.route_why = event.way, event.why
        trace.shown_whole |= event.way == "direct"

    def _conversation_opened(self, trace: RLMTrace, event: ConversationOpened) -> None:
        trace.opening = [TraceMessage(role=m.role, content=m.content) for m in event.messages]

    def _repl_opened(self, trace: RLMTrace, event: ReplOpened) -> None:
        trace.note(sandbox=event.sandbox, isolation=event.isolation)

    def _warned(self, trace: RLMTrace, event: Warned) -> None:
        self.trace.warnings.append(event.message)

    def _run_ended(self, trace: RLMTrace, event: RunEnded | RunFailed) -> None:
        trace.note(answer=event.result.text, stop_reason=event.result.stop_reason, seconds=event.at)
        if isinstance(event, RunFailed):
            trace.error = event.error

    def cut_off(self, at: float) -> Iterator[Event]:
        """The ends of what is still open when the run ends, children's first, for the caller to record."""
        return cut_off(tuple(self._open.values()), self._continued, at)

    def _of_sub_call(self, node: tuple[int, ...], number: int) -> Continued:
        return self._continued.setdefault((node, number), Continued())

    def _end_child(self, event: SubCallEnded) -> None:
        """What is known of a child RLM when it ends, as of a run."""
        call = event.call
        child = self._traces.get((*event.node, call.number))
        if child is not None:
            child.answer, child.error, child.seconds = call.reply or "", call.error, call.seconds
            child.stop_reason = event.stop_reason
            call.child = child

    _TAKERS: ClassVar[dict[type[Event], Callable[[Any, RLMTrace, Any], None]]] = {
        RunStarted: _run_started,
        Routed: _routed,
        ConversationOpened: _conversation_opened,
        ReplOpened: _repl_opened,
        IterationStarted: _iteration_started,
        PromptShortened: _prompt_shortened,
        FoldStarted: _fold_started,
        FoldEnded: _fold_ended,
        Folded: _folded,
        RootReplied: _root_replied,
        RootFailed: _root_failed,
        CodeStarted: _code_started,
        SubCallsReserved: _sub_calls_reserved,
        SubCallStarted: _sub_call_started,
        SubCallContinued: _sub_call_continued,
        SubCallEnded: _sub_call_ended,
        HostCallStarted: _host_call_started,
        HostCallEnded: _host_call_ended,
        Cited: _cited,
        CodeEnded: _code_ended,
        CheckStarted: _check_started,
        CheckEnded: _check_ended,
        IterationEnded: _iteration_ended,
        Warned: _warned,
        RunEnded: _run_ended,
        RunFailed: _run_ended,
    }
    """What takes each kind. A table, for a match tries its cases in their order, and each call has several events."""


def _iteration(trace: RLMTrace, number: int) -> Iteration:
    return trace.iterations[number - 1]


def _execution(trace: RLMTrace, iteration: int) -> CodeExecution:
    execution = _iteration(trace, iteration).execution
    assert execution is not None, "a call of code that has not started"
    return execution
