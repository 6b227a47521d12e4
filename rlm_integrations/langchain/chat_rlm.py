"""ChatRLM: an RLMRunnable for code that demands a chat model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from langchain_core.caches import BaseCache
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun, Callbacks
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput, LanguageModelLike
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import set_config_context
from pydantic import ConfigDict, Field, PrivateAttr, field_validator, model_validator
from typing_extensions import Unpack

from rlm_integrations.core.calls.foreign_code import carrying, carrying_interrupts, delivering_interrupts
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.kept_result import KeptResult
from rlm_integrations.langchain.arguments import EngineArguments, RunnableOptions
from rlm_integrations.langchain.batches import BoundedBatches
from rlm_integrations.langchain.bound_tools import PROFILE, bound_output
from rlm_integrations.langchain.callback_usage import result_with_usage, with_usage, without_usage
from rlm_integrations.langchain.chat_model_run import ChatModelRun, RLMWithinChatModel, handed_on
from rlm_integrations.langchain.language_model import model_name, token_counter
from rlm_integrations.langchain.outputs import MessageOutput, read_output
from rlm_integrations.langchain.response import message_chunks
from rlm_integrations.langchain.structured_output import StructuredOutput, refuse_unknown

T = TypeVar("T")

_RUN, _KEPT = "rlm_run", "rlm_kept"
"""The keyword that carries a ChatModelRun from `stream` to `_stream`."""


class ChatOptions(RunnableOptions, total=False):
    """What checkers and editors know of the constructor's keywords beside `llm`."""

    stop: list[str] | None
    streaming: bool
    callbacks: Callbacks
    tags: list[str] | None
    metadata: dict[str, Any] | None
    verbose: bool
    output_version: str | None
    disable_streaming: bool | Literal["tool_calling"]
    rate_limiter: BaseRateLimiter | None


class ChatRLM(BoundedBatches[LanguageModelInput, AIMessage], EngineArguments, BaseChatModel):
    """A Recursive Language Model where a LangChain chat model is demanded; elsewhere use RLMRunnable.

        ChatRLM(llm=ChatOpenAI(model="gpt-5"), context=documents).invoke("Which contracts end in 2027?")

    It takes messages as a chat model does: the corpus is the constructor's `context`, and a message over
    `limits.message_chars` is a document of it. The message it returns is RLMRunnable's. What it calls are children of
    its run, in streams too. The answer streams once it is there.

    - Usage is counted once: callbacks see it on the inner calls, so the run's own record has none. The message that
      is returned has the sum, and so does `response_metadata["rlm"]["usage"]` everywhere.
    - Stop sequences cut the answer before the first of them. The root LM's own replies, which hold code, are not cut.
    - `bind_tools` refuses tools: pass `tools` to the constructor, and the root LM's code calls them.

    Args:
        llm: The root LM, as of RLMRunnable; so are `sub_llm`, `context`, `limits`, `prices`, `sandbox`, `tools`,
            `sub_tools`, `protocol`, `route`, `system_prompt`, `instructions`, `trace`, `on_event`, `on_limit`,
            `verify`, `journal` and `name`.
        stop: Stop sequences of calls that bring none.
        streaming: Whether `invoke` too tells callbacks of the answer in pieces.
        cache: Must be off: the corpus is no part of a cache's key.
        **options: What every chat model of LangChain has: `callbacks`, `tags`, `metadata`, `verbose`,
            `output_version`, `disable_streaming`, `rate_limiter`.

    Raises:
        InvalidArgumentError: An argument is wrong, of the constructor or of a call.
        RunError: A run failed. RLMRunnable's docstring has the others.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    stop: list[str] | None = None
    streaming: bool = False
    cache: BaseCache | bool | None = Field(default=False, exclude=True)

    _rlm: RLMWithinChatModel = PrivateAttr()

    if TYPE_CHECKING:

        def __init__(self, *, llm: LanguageModelLike | str, **options: Unpack[ChatOptions]) -> None: ...

    @field_validator("cache", mode="before")
    @classmethod
    def _refuse_cache(cls, value: object) -> bool:
        if value is not None and value is not False:
            raise InvalidArgumentError(
                "cache: the corpus is no part of a cache's key, so another corpus would get this one's answers; "
                "leave it out, or give a cache to llm and sub_llm"
            )
        return False

    @model_validator(mode="after")
    def _check_engine(self) -> ChatRLM:
        arguments = {name: getattr(self, name) for name in EngineArguments.model_fields}
        self._rlm = RLMWithinChatModel(**arguments, session_by=None)  # its conversation is its messages
        if self.profile is None:
            self.profile = {**PROFILE}
        return self

    @property
    def _llm_type(self) -> str:
        return "rlm"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        # Names that no model has: LangSmith hands them on to the runs of the inner models.
        names = {"root_llm": model_name(self.llm), "sub_llm": model_name(self.sub_llm or self.llm)}
        return {**names, "context": self.context.describe()}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        params["ls_provider"] = "rlm"
        params.setdefault("ls_model_name", model_name(self.llm))
        return params

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """For an agent without tools: with `response_format`, a model whose content is JSON of that format.

        Raises:
            ToolsNotBoundError: There are tools: the answer of a run is text or an object, never a tool call.
        """
        return self.bind(output=bound_output(tools, kwargs))

    def get_token_ids(self, text: str) -> list[int]:
        """As the root LM counts them, unless `custom_get_token_ids` says how."""
        counter = None if self.custom_get_token_ids is not None else token_counter(self.llm)
        return super().get_token_ids(text) if counter is None else counter.get_token_ids(text)

    def get_num_tokens(self, text: str) -> int:
        """As `get_token_ids`."""
        counter = None if self.custom_get_token_ids is not None else token_counter(self.llm)
        return super().get_num_tokens(text) if counter is None else counter.get_num_tokens(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """As `get_token_ids`."""
        counter = None if self.custom_get_token_ids is not None else token_counter(self.llm)
        if counter is None:
            return super().get_num_tokens_from_messages(messages, tools)
        return counter.get_num_tokens_from_messages(messages, tools)

    @overload
    def with_structured_output(
        self, schema: type[T], *, include_raw: Literal[False] = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, T]: ...

    @overload
    def with_structured_output(
        self, schema: dict[str, Any], *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any]]: ...

    @overload
    def with_structured_output(
        self, schema: object, *, include_raw: Literal[True], **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any]]: ...

    @overload
    def with_structured_output(
        self, schema: object, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]: ...

    def with_structured_output(
        self, schema: Any, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """As RLMRunnable's, but that a run which ends without an answer that fits raises in any case."""
        refuse_unknown(kwargs)
        self._rlm.with_structured_output(schema)  # refuses a schema that cannot be one, now
        structured = StructuredOutput.of(schema)
        told = {"ls_structured_output_format": {"kwargs": kwargs, "schema": schema}} if structured.named else {}
        bound = self.bind(output=structured.output(include_raw=False), **told)
        return bound | structured.parser(include_raw=include_raw)

    def generate(self, *args: Any, **kwargs: Any) -> LLMResult:
        """As every chat model's; the returned messages carry the usage, which callbacks did not see on them."""
        with KeptResult() as kept:
            return result_with_usage(super().generate(*args, **{**kwargs, _KEPT: kept}))

    async def agenerate(self, *args: Any, **kwargs: Any) -> LLMResult:
        """As `generate`."""
        with KeptResult() as kept, delivering_interrupts():
            return result_with_usage(await super().agenerate(*args, **{**kwargs, _KEPT: kept}))

    def invoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Answer, in sync code."""
        with set_config_context(handed_on(config)) as context:
            return context.run(partial(super().invoke, input, config, stop=stop, **kwargs))

    async def ainvoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Answer, on the caller's event loop."""
        asked = carrying(super().ainvoke(input, config, stop=stop, **kwargs))
        with set_config_context(handed_on(config)) as context, delivering_interrupts():
            return await asyncio.create_task(asked, context=context)

    def stream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """The answer in pieces, when the run is over."""
        run, config = ChatModelRun.to_begin(config)
        with KeptResult() as kept:
            for chunk in super().stream(input, config, stop=stop, **{**kwargs, _RUN: run, _KEPT: kept}):
                yield with_usage(chunk)

    async def astream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """As `stream`. A run whose consumer is cancelled ends at once."""
        run, config = ChatModelRun.to_begin(config)
        with KeptResult() as kept:
            async for chunk in super().astream(input, config, stop=stop, **{**kwargs, _RUN: run, _KEPT: kept}):
                yield with_usage(chunk)

    def _should_stream(self, **kwargs: Any) -> bool:
        # `invoke` never goes by way of `_stream`, which LangChain then calls without the run manager.
        return _RUN in kwargs and super()._should_stream(**kwargs)

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        # Neither says anything to a tracer, which is told of a schema in another way.
        shown = {name: value for name, value in kwargs.items() if name not in (_RUN, _KEPT, "output")}
        return super()._get_invocation_params(stop, **shown)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        stop = stop or self.stop
        run = kwargs.get(_RUN) or ChatModelRun.managed_by(run_manager)
        message = self._told(self._rlm.answer(messages, _read_output(kwargs, stop), run, _kept(kwargs)), stop)
        if run_manager and super()._should_stream(async_api=False, run_manager=run_manager, **kwargs):
            for piece in self._pieces(message):
                run_manager.on_llm_new_token(str(piece.text), chunk=ChatGenerationChunk(message=piece))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        stop = stop or self.stop
        run = kwargs.get(_RUN) or ChatModelRun.managed_by(run_manager)
        with carrying_interrupts():  # out of a task of LangChain's
            answer = await self._rlm.aanswer(messages, _read_output(kwargs, stop), run, _kept(kwargs))
        message = self._told(answer, stop)
        if run_manager and super()._should_stream(async_api=True, run_manager=run_manager, **kwargs):
            for piece in self._pieces(message):
                await run_manager.on_llm_new_token(str(piece.text), chunk=ChatGenerationChunk(message=piece))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        # LangChain's `stream` passes no run manager, which is what `_RUN` is for; its `stream_events` does.
        stop = stop or self.stop
        run = kwargs.get(_RUN) or ChatModelRun.managed_by(run_manager)
        message = self._rlm.answer(messages, _read_output(kwargs, stop), run, _kept(kwargs))
        for piece in message_chunks(self._told(message, stop)):
            yield ChatGenerationChunk(message=piece)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        stop = stop or self.stop
        run = kwargs.get(_RUN) or ChatModelRun.managed_by(run_manager)
        for piece in message_chunks(
            self._told(await self._rlm.aanswer(messages, _read_output(kwargs, stop), run, _kept(kwargs)), stop)
        ):
            yield ChatGenerationChunk(message=piece)

    def _told(self, message: AIMessage, stop: list[str] | None) -> AIMessage:
        """The message as callbacks are told of it."""
        text = str(message.text)
        cut = re.split("|".join(map(re.escape, stop)), text, maxsplit=1)[0] if stop else text
        return without_usage(message.model_copy(update={"content": cut}), model_name(self.llm))

    def _pieces(self, message: AIMessage) -> Iterator[AIMessageChunk]:
        """As LangChain's own streams tell handlers of them: in blocks where the output is to be in blocks."""
        for piece in message_chunks(message):
            if self.output_version == "v1":
                text = str(piece.text)
                piece.content = [{"type": "text", "text": text, "index": 0}] if text else []
            yield piece


def _kept(call: Mapping[str, Any]) -> KeptResult:
    """What keeps the result until its caller has it."""
    return call.get(_KEPT) or KeptResult()


def _read_output(call: Mapping[str, Any], stop: list[str] | None) -> MessageOutput:
    """What a call's keywords ask for. Raises InvalidArgumentError for those that a chat model's call cannot have."""
    output = read_output({name: value for name, value in call.items() if name not in ("stream", _RUN, _KEPT)})
    if not isinstance(output, MessageOutput):
        raise InvalidArgumentError("output: a chat model returns a message; use a method of RLMRunnable instead")
    if output.answer_type is not None and stop:
        raise InvalidArgumentError("stop: a typed answer cannot be cut; leave out the stop sequences")
    return output
