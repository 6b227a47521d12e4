"""What RLMRunnable's `with_sources` and `with_structured_output` return, so that each may follow the other.

LangChain's own bindings pass a method on to what they bind, which forgets the binding.
"""

from __future__ import annotations

from typing import Any, NoReturn, Self, TypeVar, cast

from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableSequence
from pydantic import PrivateAttr
from typing_extensions import TypedDict

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain.inputs import RLMInput
from rlm_integrations.langchain.outputs import SourcesOutput
from rlm_integrations.langchain.structured_output import StructuredOutput
from rlm_integrations.langchain.wrapped import GivesNoText

T = TypeVar("T")


class SourcedAnswer(TypedDict):
    """What it gives, as `get_output_jsonschema` tells."""

    answer: Any
    context: list[Document]
    message: AIMessage


class RLMWithSources(GivesNoText[RLMInput, dict[str, Any]], RunnableBinding[RLMInput, dict[str, Any]]):
    """Gives `{"answer": ..., "context": [...], "message": AIMessage}`."""

    @classmethod
    def of(cls, rlm: Runnable[Any, Any], output: SourcesOutput) -> Self:
        return cls(bound=rlm, kwargs={"output": output}, custom_output_type=cast(Any, SourcedAnswer))

    def over(self, rlm: Runnable[Any, Any]) -> Self:
        return self.model_copy(update={"bound": rlm})

    def with_structured_output(self, schema: Any, *, include_raw: bool = False, **kwargs: Any) -> RLMWithSources:
        """The same with a validated value as the "answer"; `include_raw` adds "parsing_error", as RLMRunnable's."""
        typed = cast(Any, self.bound).with_structured_output(schema, include_raw=include_raw, **kwargs)
        return self.model_copy(update={"bound": typed.with_sources(), "kwargs": {}})

    def with_sources(self) -> RLMWithSources:
        return self

    def as_node(self) -> NoReturn:
        """Raises InvalidArgumentError: what a node adds to the state is a message."""
        raise InvalidArgumentError(
            "as_node: a node adds a message alone; use RLMRunnable(...).as_node(), or write one for a state of your "
            'own: lambda state: {"context": rlm.with_sources().invoke(...)["context"]}'
        )


class TypedRLM(GivesNoText[RLMInput, T], RunnableSequence[RLMInput, T]):
    """Gives a validated value, or that beside the message."""

    _rlm: Any = PrivateAttr()
    _structured: StructuredOutput = PrivateAttr()
    _include_raw: bool = PrivateAttr()

    def __init__(self, rlm: Any, structured: StructuredOutput, include_raw: bool) -> None:
        output = structured.output(include_raw=include_raw)
        super().__init__(first=rlm.bind(output=output), last=structured.maker(output), name="RunnableSequence")
        self._rlm, self._structured, self._include_raw = rlm, structured, include_raw

    def over(self, rlm: Runnable[Any, Any]) -> TypedRLM[T]:
        return TypedRLM(rlm, self._structured, self._include_raw)

    def as_node(self) -> NoReturn:
        """Raises InvalidArgumentError: what a node adds to the state is a message."""
        raise InvalidArgumentError(
            "as_node: a node adds a message alone, and this gives a value; use RLMRunnable(...).as_node(), or write "
            'one for a state of your own: lambda state: {"answer": rlm.with_structured_output(...).invoke(...)}'
        )

    def with_sources(self) -> RLMWithSources:
        """As RLMRunnable's, with the validated value as the "answer"."""
        structured = self._structured
        output = SourcesOutput(structured.answer_type, structured.make, self._include_raw)
        return RLMWithSources.of(self._rlm, output)
