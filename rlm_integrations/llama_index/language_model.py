"""A LlamaIndex LLM as the core's LanguageModel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from llama_index.core.base.llms.generic_utils import messages_to_prompt
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, MessageRole
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import LLM
from llama_index.core.llms.mock import MockLLM
from llama_index.core.llms.structured_llm import StructuredLLM
from llama_index.core.llms.utils import resolve_llm  # pyright: ignore[reportUnknownVariableType]
from llama_index.core.settings import Settings

from rlm_integrations.core.calls.missing_key import with_key_remedy
from rlm_integrations.core.calls.reply_fields import calls_in, field_of, finish_of, thoughts_in, thoughts_of
from rlm_integrations.core.calls.system_role import without_system
from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Completion, Message, ToolCaller, ToolRound, ToolSpec
from rlm_integrations.llama_index.blocking import holds_loop_up
from rlm_integrations.llama_index.caller_warning import warn_caller
from rlm_integrations.llama_index.pictures import chat_message
from rlm_integrations.llama_index.token_usage import usage_of
from rlm_integrations.llama_index.tool_calling import OfferedTool, round_messages, tool_caller, with_calls

LLMLike = LLM | str
"""An LLM, or a str that `resolve_llm` knows. LangChain models work too, through llama-index-llms-langchain."""

_SMALL_WINDOW = 24_000
"""Tokens. LlamaIndex's own default LLM, gpt-3.5-turbo, has 16,385; twenty iterations of full output are 40,000."""


class LlamaIndexModel:
    """Calls `achat` on the async path and `chat` on the sync path; a completion-only LLM gets one prompt instead.

    An `achat` that would hold up the event loop is replaced by `chat` in a thread.
    An LLM's own `system_prompt` is added to the system message, as LlamaIndex adds it to a prompt; where that is part
    of the user's first message, to that one.
    """

    reports_cost = False
    """Few servers do, and none is known to before it is asked."""

    def __init__(self, llm: LLM) -> None:
        self.llm = self.served_by = llm
        metadata = llm.metadata
        self._is_chat_model = metadata.is_chat_model
        self.holds_loop_up = holds_loop_up(llm, "achat" if metadata.is_chat_model else "acomplete")
        self._system_role = metadata.system_role
        self.name = metadata.model_name
        self.sees_images = None if metadata.is_chat_model else False
        """A prompt to be completed is text; of chat models LlamaIndex does not say."""
        self.max_input_tokens = _max_input_tokens(metadata.context_window, metadata.num_output)

    def with_tools(self, tools: Sequence[ToolSpec]) -> ToolCaller:
        """The LLM with the tools. Raises InvalidArgumentError where it cannot call any."""
        return LlamaIndexToolCaller(self, tool_caller(self.llm), tools)

    async def complete(self, messages: Sequence[Message]) -> Completion:
        if self.holds_loop_up:
            return await in_thread(self.complete_sync, messages)
        sent = self.chat_messages(messages)
        if self._is_chat_model:
            return self.completion(await self.llm.achat(sent))
        return self.completion(await self.llm.acomplete(self._prompt(sent), formatted=True))

    def complete_sync(self, messages: Sequence[Message]) -> Completion:
        sent = self.chat_messages(messages)
        if self._is_chat_model:
            return self.completion(self.llm.chat(sent))
        return self.completion(self.llm.complete(self._prompt(sent), formatted=True))

    def chat_messages(self, messages: Sequence[Message]) -> list[ChatMessage]:
        """The messages as the LLM takes them."""
        roles = {"system": self._system_role, "user": MessageRole.USER, "assistant": MessageRole.ASSISTANT}
        own = self.llm.system_prompt
        if own:
            first, *rest = messages
            pieces = (first.content, own) if first.role == "system" else (own, first.content)
            messages = [replace(first, content="\n\n".join(pieces)), *rest]
        if self._system_role == MessageRole.USER:
            messages = without_system(messages)
        return [chat_message(roles[message.role], message) for message in messages]

    def _prompt(self, messages: Sequence[ChatMessage]) -> str:
        return (self.llm.messages_to_prompt or messages_to_prompt)(messages)

    def completion(self, response: ChatResponse | CompletionResponse) -> Completion:
        """What the LLM replied."""
        raw = cast(Any, response.raw)
        additional = cast(dict[str, Any], response.additional_kwargs)  # pyright: ignore[reportUnknownMemberType]
        blocks: list[Any] = []
        if isinstance(response, ChatResponse):
            text = response.message.content
            additional = {**response.message.additional_kwargs, **additional}
            blocks = response.message.blocks
        else:
            text = response.text
        served = _first(field_of(raw, "choices")) or _first(field_of(raw, "candidates"))
        message = field_of(served, "message")
        refusal = str(field_of(message, "refusal") or additional.get("refusal") or "")
        model = field_of(raw, "model")
        return Completion(
            text or refusal,
            usage_of(raw, additional),
            model if isinstance(model, str) else self.name,
            "refusal" if refusal else finish_of(served, raw, additional),
            _thoughts(blocks) or thoughts_of(message, additional) or thoughts_in(field_of(raw, "content")),
            tool_calls=calls_in(message) or calls_in(additional),
        )


class LlamaIndexToolCaller:
    """Calls `achat_with_tools` on the async path and `chat_with_tools` on the sync path."""

    def __init__(self, model: LlamaIndexModel, llm: FunctionCallingLLM, tools: Sequence[ToolSpec]) -> None:
        self._model = model
        self._llm = llm
        self._tools = [OfferedTool(tool) for tool in tools]

    async def complete(self, messages: Sequence[Message], rounds: Sequence[ToolRound]) -> Completion:
        if self._model.holds_loop_up:
            return await in_thread(self.complete_sync, messages, rounds)
        sent = [*self._model.chat_messages(messages), *round_messages(rounds)]
        response = await self._llm.achat_with_tools(self._tools, chat_history=sent, allow_parallel_tool_calls=True)
        return with_calls(self._model.completion(response), response, self._llm)

    def complete_sync(self, messages: Sequence[Message], rounds: Sequence[ToolRound]) -> Completion:
        sent = [*self._model.chat_messages(messages), *round_messages(rounds)]
        response = self._llm.chat_with_tools(self._tools, chat_history=sent, allow_parallel_tool_calls=True)
        return with_calls(self._model.completion(response), response, self._llm)


def _thoughts(blocks: Sequence[object]) -> str:
    thoughts = (field_of(block, "content") for block in blocks if field_of(block, "block_type") == "thinking")
    return "\n\n".join(thought for thought in thoughts if thought)


def _first(items: object) -> object:
    return cast(list[object], items)[0] if isinstance(items, list) and items else None


def choose_llm(llm: LLMLike | None, argument: str, callback_manager: CallbackManager | None = None) -> LLM:
    """The LLM that was passed, or else `Settings.llm`, with a warning if its window is known to be small.

    Raises InvalidArgumentError, naming the argument, where there is none or it is not an LLM.
    """
    if llm is None:
        try:
            default = Settings.llm
        except (ImportError, ValueError) as error:
            problem = f"{argument}: none given, and Settings.llm has no usable default ({_first_line(error)}); "
            remedy = f"pass {argument}=, or set llama_index.core.Settings.llm"
            raise InvalidArgumentError(with_key_remedy(problem + remedy)) from error
        _warn_of_small_window(default, argument)
        _warn_of_mock(default, argument)
        return default
    try:
        return _resolved(llm, callback_manager)
    except (AssertionError, ImportError, ValueError) as error:
        problem = f"{argument}: {llm!r:.80} cannot be used ({_first_line(error) or 'it is not a LlamaIndex LLM'}); "
        raise InvalidArgumentError(with_key_remedy(problem + _remedy(llm))) from error


def _remedy(no_llm: object) -> str:
    """For what others' query engines take first, too."""
    if hasattr(no_llm, "as_query_engine"):
        return "the engine over an index is RLMQueryEngine.from_index(index, llm=...)"
    if hasattr(no_llm, "retrieve"):
        return "the engine over a retriever is RLMQueryEngine.from_retriever(retriever, llm=...)"
    return "pass an LLM of llama_index, for instance OpenAI(model=...)"


def _resolved(llm: LLMLike, callback_manager: CallbackManager | None) -> LLM:
    """As `resolve_llm`, which imports LangChain where that is installed, whatever it is given: half a second."""
    if not isinstance(llm, LLM):
        return resolve_llm(llm, callback_manager=callback_manager)
    # LlamaIndex's own engines hand the settings' manager to whatever LLM they are given. One without handlers, as each
    # LLM has from the start, hears nothing.
    for manager in (callback_manager, Settings.callback_manager):
        if manager is not None and manager.handlers:
            llm.callback_manager = manager
            break
    return llm


def _warn_of_small_window(llm: LLM, argument: str) -> None:
    metadata = llm.metadata
    left = _max_input_tokens(metadata.context_window, metadata.num_output)
    if left is not None and left < _SMALL_WINDOW:
        warn_caller(
            f"{argument}: none given, so it is Settings.llm ({metadata.model_name}), which takes {left:,} tokens; "
            f"a root LM reads what its code prints, step after step, and soon needs more: pass as {argument}= one that "
            "takes more, or this one itself to keep it"
        )


def _warn_of_mock(llm: LLM, argument: str) -> None:
    if type(llm) is MockLLM and llm.max_tokens is None:  # else it says that word so many times
        warn_caller(
            f"{argument}: none given, so it is MockLLM, as with `Settings.llm = None`: it repeats its prompt, and with "
            "it the examples of code that a root LM is given, whose answer is none to the question; pass an LLM"
        )


def unwrap_structured(llm: LLM) -> tuple[LLM, Any]:
    """The plain LLM in a StructuredLLM and its output class; (llm, None) for any other."""
    if not isinstance(llm, StructuredLLM):
        return llm, None
    return _resolved(llm.llm, llm.callback_manager), llm.output_cls


def _max_input_tokens(context_window: int, num_output: int) -> int | None:
    """None where LlamaIndex's own default stands, which says that nobody knows the window."""
    if context_window == DEFAULT_CONTEXT_WINDOW or context_window <= 0:
        return None
    left = context_window - max(num_output, 0)
    return left if left > 0 else context_window


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip().strip("*")), "")
