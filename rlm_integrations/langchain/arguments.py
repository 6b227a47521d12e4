"""The arguments that the constructors of RLMRunnable and ChatRLM share, and how they are read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

from langchain_core.language_models import LanguageModelLike
from pydantic import BaseModel, ConfigDict, Field, SkipValidation, ValidationError, field_validator

from rlm_integrations.core.calls.prices import PricesOption
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.settings import Journal
from rlm_integrations.core.language_model import CodeProtocol
from rlm_integrations.core.limits import RLMLimits, Route
from rlm_integrations.core.run.checks import Verifier
from rlm_integrations.core.run.plan import OnEvent
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.core.trace.result import TraceDetail
from rlm_integrations.langchain.argument_errors import argument_error
from rlm_integrations.langchain.documents import PreparedContext
from rlm_integrations.langchain.language_model import resolve_model
from rlm_integrations.langchain.reading import UnreadContext, take_context


class EngineOptions(TypedDict, total=False):
    """What checkers and editors know of the keywords beside `llm` and `context`; RLMRunnable says what they mean."""

    sub_llm: LanguageModelLike | str | None
    limits: RLMLimits | Mapping[str, Any] | None
    prices: PricesOption | None
    sandbox: str | Sandbox
    tools: Sequence[Any]
    sub_tools: Sequence[Any]
    protocol: CodeProtocol
    route: Route
    system_prompt: str | None
    instructions: str | None
    trace: TraceDetail
    on_event: OnEvent | None
    on_limit: Literal["answer", "raise"]
    journal: str | os.PathLike[str] | Journal | None
    verify: Verifier | Sequence[Verifier] | None
    name: str | None


class RunnableOptions(EngineOptions, total=False):
    """The keywords beside `llm`."""

    context: object


class SessionOptions(RunnableOptions, total=False):
    """Those of what has sessions."""

    session_by: str | None


class EngineArguments(BaseModel):
    """The fields of a LangChain object that runs the engine; RLMRunnable says what they mean.

    Raises:
        InvalidArgumentError: One is wrong.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    llm: SkipValidation[LanguageModelLike]
    sub_llm: SkipValidation[LanguageModelLike | None] = None
    context: Any = Field(default=None, validate_default=True, repr=False, exclude=True)
    limits: RLMLimits = Field(default_factory=RLMLimits)
    prices: Any = None
    sandbox: SkipValidation[str | Sandbox] = "auto"
    tools: tuple[Any, ...] = ()
    sub_tools: tuple[Any, ...] = ()
    protocol: CodeProtocol = "fence"
    route: Route = "rlm"
    system_prompt: str | None = None
    instructions: str | None = None
    trace: TraceDetail = "summary"
    on_event: SkipValidation[OnEvent | None] = Field(default=None, repr=False, exclude=True)
    on_limit: Literal["answer", "raise"] = "answer"
    journal: SkipValidation[Journal | None] = None
    verify: Any = Field(default=None, repr=False, exclude=True)

    if not TYPE_CHECKING:  # the classes say their signatures; an unknown name gets an error that names the close one

        def __init__(self, *by_place: object, **values: Any) -> None:
            if by_place:
                given = type(by_place[0]).__name__
                raise InvalidArgumentError(
                    f"llm: arguments have names, and {given} was given without one; pass {type(self).__name__}(llm=...)"
                )
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise argument_error(error, type(self).model_fields) from None

    @field_validator("llm", "sub_llm", mode="before")
    @classmethod
    def _read_model(cls, value: object, info: Any) -> object:
        return None if value is None and info.field_name == "sub_llm" else resolve_model(value, info.field_name)

    @field_validator("context", mode="before")
    @classmethod
    def _read_context(cls, value: object) -> PreparedContext | UnreadContext:
        # The field keeps what was read, so that a runnable rebuilt by configurable_fields shares it.
        return take_context(value)

    @field_validator("limits", mode="before")
    @classmethod
    def _read_limits(cls, value: Any) -> RLMLimits:
        return RLMLimits.of(value)

    @field_validator("journal", mode="before")
    @classmethod
    def _read_journal(cls, value: object) -> Journal | None:
        return Journal.of(value)

    @field_validator("tools", "sub_tools", mode="before")
    @classmethod
    def _read_tools(cls, value: Any, info: Any) -> tuple[Any, ...]:
        if isinstance(value, str) or not isinstance(value, Iterable):
            given = type(value).__name__
            raise InvalidArgumentError(f"{info.field_name}: {given} given; pass a list of functions or LangChain tools")
        return tuple(cast(Iterable[Any], value))

    @field_validator("on_event", mode="before")
    @classmethod
    def _check_handler(cls, value: Any) -> Any:
        if value is not None and not callable(value):
            given = type(value).__name__
            raise InvalidArgumentError(f"on_event: {given} given; pass a function(event), or leave it out")
        return cast(OnEvent | None, value)
