"""What a run does, as events of LlamaIndex's instrumentation."""

from __future__ import annotations

from llama_index_instrumentation.base import BaseEvent
from pydantic import Field

from rlm_integrations.core.trace import events
from rlm_integrations.core.trace.records import Agreement

_TEXT_CHARS = 8_000


class _RLMEvent(BaseEvent):
    node: list[int] = Field(default_factory=list[int])
    """The RLM in the tree of the run: [] is the root's, [2] that of its second sub-call."""


class RLMIterationStartEvent(_RLMEvent):
    """The root LM is asked."""

    iteration: int
    max_iterations: int

    @classmethod
    def class_name(cls) -> str:
        return "RLMIterationStartEvent"


class RLMRootReplyEvent(_RLMEvent):
    """The root LM replied. The text is cut at 8,000 characters."""

    iteration: int
    reply: str
    replayed: bool = False
    """Whether it came from the journal: nothing was sent, or paid for."""

    @classmethod
    def class_name(cls) -> str:
        return "RLMRootReplyEvent"


class RLMCodeExecutionEvent(_RLMEvent):
    """The REPL ran the code of a reply. Texts are cut at 8,000 characters."""

    iteration: int
    code: str
    output: str
    error: str | None
    sub_calls: int

    @classmethod
    def class_name(cls) -> str:
        return "RLMCodeExecutionEvent"


class RLMSubCallEvent(_RLMEvent):
    """A sub-LM answered a call of the root's code, or failed. Texts are cut at 8,000 characters."""

    iteration: int
    number: int
    prompt: str
    reply: str | None
    error: str | None
    replayed: bool = False
    """Whether it came from the journal: nothing was sent, or paid for."""

    @classmethod
    def class_name(cls) -> str:
        return "RLMSubCallEvent"


class RLMToolCallEvent(_RLMEvent):
    """A sub-LM called a tool of its own. Texts are cut at 2,000 characters."""

    iteration: int
    sub_call: int
    name: str
    arguments: str
    result: str | None
    error: str | None
    replayed: bool = False
    """Whether it came from the journal: nothing was sent, or paid for."""

    @classmethod
    def class_name(cls) -> str:
        return "RLMToolCallEvent"


class RLMAnswerCheckEvent(_RLMEvent):
    """A check of `verify` looked at an answer. Texts are cut at 8,000 characters."""

    iteration: int
    name: str
    objection: str | None
    error: str | None

    @classmethod
    def class_name(cls) -> str:
        return "RLMAnswerCheckEvent"


class RLMAgreementEvent(_RLMEvent):
    """Two blind runs (`verify=Twice()`) were compared: told once, when the answer is there."""

    agreement: Agreement
    attempt: int
    """Whose answer was taken: that of the first run, the second, or the third, which reconciled them."""

    @classmethod
    def class_name(cls) -> str:
        return "RLMAgreementEvent"


class RLMWarningEvent(_RLMEvent):
    """Something that the user should know and that ends nothing."""

    kind: str
    """That of the core's `Warned`, or "nothing_selected": no node passes the engine's `filters` or ids."""
    message: str

    @classmethod
    def class_name(cls) -> str:
        return "RLMWarningEvent"


def instrumentation_event(event: events.Event) -> BaseEvent | None:
    """The event as LlamaIndex's handlers get it; None for one that LlamaIndex has an event of its own for."""
    node = list(event.node)
    match event:
        case events.IterationStarted():
            return RLMIterationStartEvent(node=node, iteration=event.iteration, max_iterations=event.max_iterations)
        case events.RootReplied():
            return RLMRootReplyEvent(
                node=node, iteration=event.iteration, reply=event.reply[:_TEXT_CHARS], replayed=event.replayed
            )
        case events.CodeEnded():
            execution = event.execution
            return RLMCodeExecutionEvent(
                node=node,
                iteration=event.iteration,
                code="\n\n".join(execution.blocks)[:_TEXT_CHARS],
                output=execution.output[:_TEXT_CHARS],
                error=execution.error or execution.lost,
                sub_calls=execution.sub_call_count,
            )
        case events.SubCallEnded():
            call = event.call
            return RLMSubCallEvent(
                node=node,
                iteration=event.iteration,
                number=call.number,
                prompt=call.prompt[:_TEXT_CHARS],
                reply=None if call.reply is None else call.reply[:_TEXT_CHARS],
                error=call.error,
                replayed=call.replayed == call.requests > 0,
            )
        case events.CheckEnded(check=check):
            return RLMAnswerCheckEvent(
                node=node,
                iteration=event.iteration,
                name=check.name,
                objection=None if check.objection is None else check.objection[:_TEXT_CHARS],
                error=check.error,
            )
        case events.HostCallEnded(sub_call=int(sub_call), call=made):
            return RLMToolCallEvent(
                node=node,
                iteration=event.iteration,
                sub_call=sub_call,
                name=made.name,
                arguments=made.arguments,
                result=made.result,
                error=made.error,
                replayed=made.replayed,
            )
        case events.Warned():
            return RLMWarningEvent(node=node, kind=event.kind, message=event.message)
        case events.RunEnded(result=result) if result.agreement is not None:
            return RLMAgreementEvent(node=node, agreement=result.agreement, attempt=result.trace.attempt)
        case _:
            return None
