"""What a call gives back: an Output for each kind of it.

`RLMRunnable` binds one as the keyword `output`; without it a call gives the answer's message.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import AddableDict, RunnableConfig

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.trace.run_errors import LimitReachedError
from rlm_integrations.frozen import frozen
from rlm_integrations.langchain.argument_errors import SESSION_ID
from rlm_integrations.langchain.arguments import SessionOptions
from rlm_integrations.langchain.documents import RunContext
from rlm_integrations.langchain.graph_node import progress_writer, read_state, state_update
from rlm_integrations.langchain.response import bounded_report, message_chunks, text_pieces

_METHODS = {
    "answer_type": "with_structured_output(...)",
    "include_raw": "with_structured_output(..., include_raw=True)",
    "with_sources": "with_sources()",
    "as_node": "as_node()",
    "as_tool": "as_tool()",
}
"""Keywords that a user may guess, and the methods that are meant."""


@frozen
class EndedRun:
    """A run, as outputs are made of it."""

    result: RLMResult[Any]
    message: AIMessage
    context: RunContext
    misfit: LimitReachedError | None = None
    """Why there is no answer of the type that was asked for; the result then holds the draft."""


class Output(ABC):
    """One kind of output. It holds nothing of a run, so it may be bound, shared, copied and pickled."""

    answer_type: Any = None
    """What answers are validated against; None for text."""

    def read(self, value: object) -> object:
        """The input of a call, in a form that `read_run_input` knows."""
        return value

    def progress_writer(self) -> Callable[[Any], None] | None:
        """What is told of each iteration, beside the callbacks."""
        return None

    def let_pass(self, misfit: LimitReachedError) -> None:
        """Raises it, unless a run that ended without an answer of the type is an output all the same."""
        raise misfit

    @abstractmethod
    def whole(self, run: EndedRun) -> Any:
        """What `invoke` returns. Called in a thread where there is an event loop, for it may take a while."""

    @abstractmethod
    def pieces(self, run: EndedRun) -> Iterator[Any]:
        """What `stream` yields: they add up to the whole."""


@dataclass(frozen=True)
class MessageOutput(Output):
    """The answer's message."""

    def whole(self, run: EndedRun) -> AIMessage:
        return run.message

    def pieces(self, run: EndedRun) -> Iterator[AIMessageChunk]:
        return message_chunks(run.message)


@dataclass(frozen=True)
class ToolOutput(MessageOutput):
    """The answer's message as the artifact of a tool's, which checkpoints keep for good: bounded, with a summary."""

    def progress_writer(self) -> Callable[[Any], None] | None:
        return progress_writer()

    def whole(self, run: EndedRun) -> AIMessage:
        had = run.message.response_metadata["rlm"]["trace"]
        report = bounded_report(run.result, "none" if had is None else "summary")
        return run.message.model_copy(update={"response_metadata": {"rlm": report}})

    def pieces(self, run: EndedRun) -> Iterator[AIMessageChunk]:
        return message_chunks(self.whole(run))


@dataclass(frozen=True)
class TypedOutput(MessageOutput):
    """The message of a validated answer, which is its `additional_kwargs["parsed"]`."""

    answer_type: Any


class _InOnePiece(Output):
    def pieces(self, run: EndedRun) -> Iterator[AddableDict]:
        yield AddableDict(self.whole(run))


@dataclass(frozen=True)
class RawTypedOutput(_InOnePiece):
    """The message beside the validated answer, or beside why there is none, as chat models give it."""

    answer_type: Any

    def let_pass(self, misfit: LimitReachedError) -> None:
        """It is the output's parsing error."""

    def whole(self, run: EndedRun) -> dict[str, Any]:
        return {"raw": run.message, "parsed": run.message.additional_kwargs.get("parsed"), "parsing_error": run.misfit}


@dataclass(frozen=True)
class SourcesOutput(Output):
    """The answer, the user's own documents that it rests on, cited ones first, and the message.

    `make` makes the user's value of a validated answer. `include_raw`: a run without one is an output too.
    """

    answer_type: Any = None
    make: Callable[[Any], Any] | None = None
    include_raw: bool = False

    def let_pass(self, misfit: LimitReachedError) -> None:
        if not self.include_raw:
            raise misfit

    def whole(self, run: EndedRun) -> dict[str, Any]:
        documents = run.context.rests_on(run.result)
        whole = {"answer": self._answer(run), "context": documents, "message": run.message}
        return {**whole, "parsing_error": run.misfit} if self.include_raw else whole

    def pieces(self, run: EndedRun) -> Iterator[AddableDict]:
        """As those of a streamed retrieval chain: the documents, then the answer, bit by bit where it is text."""
        whole = self.whole(run)
        answer = whole.pop("answer")
        yield AddableDict(context=whole.pop("context"))
        for piece in text_pieces(answer) if self.make is None else [answer]:
            yield AddableDict(answer=piece)
        yield AddableDict(whole)

    def _answer(self, run: EndedRun) -> Any:
        if self.make is None:
            return str(run.message.text)
        return None if run.misfit else self.make(run.message.additional_kwargs["parsed"])


@dataclass(frozen=True)
class NodeOutput(_InOnePiece):
    """What a node adds to the state of a LangGraph graph."""

    def read(self, value: object) -> object:
        return read_state(value)

    def progress_writer(self) -> Callable[[Any], None] | None:
        return progress_writer()

    def whole(self, run: EndedRun) -> dict[str, Any]:
        return state_update(run.message, run.result)


def read_output(keywords: Mapping[str, Any]) -> Output:
    """The output that a call's keywords ask for.

    Raises InvalidArgumentError for any other keyword: what is meant for a model is refused, not lost.
    """
    # Classic chains bind `stop=None` to whatever they are given.
    others = sorted(name for name, value in keywords.items() if name != "output" and (name, value) != ("stop", None))
    if others:
        name = others[0]
        if name in _METHODS:
            remedy = f"use RLMRunnable(...).{_METHODS[name]}"
        elif name == "context":
            remedy = 'it goes into the input: {"question": ..., "context": ...}, or to the constructor'
        elif name == "session_id":
            remedy = SESSION_ID
        elif name in RunnableConfig.__annotations__:
            remedy = f'it goes into the config: rlm.invoke(question, {{"{name}": ...}})'
        elif name in SessionOptions.__annotations__:
            remedy = f"it is the constructor's: RLMRunnable({name}=...)"
        elif name in RLMLimits.model_fields:
            remedy = f'it is a limit, and the constructor\'s: RLMRunnable(limits={{"{name}": ...}})'
        else:
            remedy = f"bind what is meant for the model to the model: llm=llm.bind({name}=...)"
        raise InvalidArgumentError(f"{name}: a call takes no such keyword; {remedy}")
    output = keywords.get("output", MessageOutput())
    if not isinstance(output, Output):
        kinds = ", ".join(f"{method}" for method in dict.fromkeys(_METHODS.values()))
        raise InvalidArgumentError(f"output: {output!r:.80} is none; use a method of RLMRunnable: {kinds}")
    return output
