"""The trace of a run, as a fold of its events. Nothing else ever changes one."""

from __future__ import annotations

from collections.abc import Iterator

from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.events import (
    Cited,
    CodeEnded,
    CodeStarted,
    ConversationOpened,
    Event,
    HostCallEnded,
    HostCallStarted,
    IterationEnded,
    IterationStarted,
    PromptShortened,
    ReplOpened,
    RootFailed,
    RootReplied,
    RunEnded,
    RunFailed,
    RunStarted,
    SubCallEnded,
    SubCallsReserved,
    SubCallStarted,
    Warned,
)
from rlm_integrations.core.trace.records import (
    CodeExecution,
    HostFunctionCall,
    Iteration,
    ModelCall,
    RLMTrace,
    SubCall,
    TraceMessage,
)

_CUT_OFF = "CancelledError: the run ended first"


class Recorder:
    """Folds events, in their order, into `trace`."""

    def __init__(self, question: str, limits: RLMLimits) -> None:
        self.trace = RLMTrace(question=question, context="", limits=limits)
        self._open: dict[tuple[type, int], IterationStarted | SubCallStarted | HostCallStarted] = {}
        """What has started and not ended: by kind and number."""

    def record(self, event: Event) -> None:
        """Take the event into the trace."""
        trace = self.trace
        match event:  # those first of which a run has most: cases are tried in their order
            case SubCallsReserved():
                pass
            case SubCallStarted():
                self._open[SubCallStarted, event.number] = event
            case SubCallEnded():
                self._open.pop((SubCallStarted, event.call.number), None)
                self._execution(event.iteration).sub_calls.append(event.call)
            case RunStarted():
                trace.question, trace.context = event.question, event.context
            case ConversationOpened():
                trace.opening = [TraceMessage(role=m.role, content=m.content) for m in event.messages]
            case ReplOpened():
                trace.sandbox, trace.isolation = event.sandbox, event.isolation
            case IterationStarted():
                self._open[IterationStarted, event.iteration] = event
                call = ModelCall(prompt_chars=event.prompt_chars, start=event.at)
                trace.iterations.append(
                    Iteration(number=event.iteration, call=call, reply="", last_call=event.last_call)
                )
            case PromptShortened():
                call = self._iteration(event.iteration).call
                call.prompt_chars, call.shortened = event.prompt_chars, call.shortened + 1
            case RootReplied():
                self._end_root_call(event)
                self._iteration(event.iteration).reply = event.reply
            case RootFailed():
                self._end_root_call(event)
            case CodeStarted():
                self._iteration(event.iteration).execution = CodeExecution(blocks=list(event.blocks), start=event.at)
            case HostCallStarted():
                self._open[HostCallStarted, event.number] = event
            case HostCallEnded():
                self._open.pop((HostCallStarted, event.number), None)
                self._execution(event.iteration).host_calls.append(event.call)
            case Cited():
                trace.citations.append(event.citation)
            case CodeEnded():
                self._end_execution(event)
            case IterationEnded():
                self._iteration(event.iteration).observation = event.observation
            case Warned():
                trace.warnings.append(event.message)
            case RunEnded():
                trace.answer, trace.stop_reason = event.result.text, event.result.stop_reason
                trace.seconds = event.at
            case RunFailed():
                trace.answer, trace.stop_reason = event.result.text, event.result.stop_reason
                trace.error, trace.seconds = event.error, event.at

    def cut_off(self, at: float) -> Iterator[Event]:
        """The ends of what is still open when the run ends, for the caller to record."""
        for started in list(self._open.values()):
            seconds = at - started.at
            match started:
                case IterationStarted():
                    yield RootFailed(started.iteration, _CUT_OFF, node=started.node, at=at)
                case SubCallStarted():
                    call = SubCall(
                        number=started.number,
                        batch=started.batch,
                        index=started.index,
                        prompt=started.prompt,
                        error=_CUT_OFF,
                        start=started.at,
                        seconds=seconds,
                    )
                    yield SubCallEnded(started.iteration, call, node=started.node, at=at)
                case HostCallStarted():
                    record = HostFunctionCall(
                        name=started.name,
                        arguments=started.arguments,
                        error=_CUT_OFF,
                        start=started.at,
                        seconds=seconds,
                    )
                    yield HostCallEnded(started.iteration, started.number, record, node=started.node, at=at)

    def _iteration(self, number: int) -> Iteration:
        return self.trace.iterations[number - 1]

    def _execution(self, iteration: int) -> CodeExecution:
        execution = self._iteration(iteration).execution
        assert execution is not None, "a call of code that has not started"
        return execution

    def _end_root_call(self, event: RootReplied | RootFailed) -> None:
        self._open.pop((IterationStarted, event.iteration), None)
        call = self._iteration(event.iteration).call
        call.seconds = event.at - call.start
        if isinstance(event, RootReplied):
            call.model, call.usage, call.cached = event.model, event.usage, event.cached
            call.thoughts, call.finish = event.thoughts, event.finish
        else:
            call.error = event.error

    def _end_execution(self, event: CodeEnded) -> None:
        """Its calls stay as they were recorded: threads that the code left behind may still end some."""
        execution, ended = self._execution(event.iteration), event.execution
        execution.output, execution.error, execution.lost = ended.output, ended.error, ended.lost
        execution.variables, execution.seconds = ended.variables, ended.seconds
