"""A LlamaIndex LLM as the core's LanguageModel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from llama_index.core.base.llms.generic_utils import messages_to_prompt
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, MessageRole
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW
from llama_index.core.llms.custom import CustomLLM
from llama_index.core.llms.llm import LLM
from llama_index.core.llms.structured_llm import StructuredLLM
from llama_index.core.llms.utils import resolve_llm  # pyright: ignore[reportUnknownVariableType]
from llama_index.core.settings import Settings

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.llama_index.blocking import defining_class, in_thread
from rlm_integrations.llama_index.token_usage import field_of, usage_of

LLMLike = LLM | str
"""An LLM, or a str that `resolve_llm` knows. LangChain models work too, through llama-index-llms-langchain."""


class LlamaIndexModel:
    """Calls `achat` on the async path and `chat` on the sync path; a completion-only LLM gets one prompt instead.

    An LLM's own `system_prompt` is added to the system message, as LlamaIndex adds it to a prompt.
    """

    def __init__(self, llm: LLM) -> None:
        self.llm = llm
        metadata = llm.metadata
        self._is_chat_model = metadata.is_chat_model
        self._system_role = metadata.system_role
        self._model_name = metadata.model_name
        self.max_input_tokens = _max_input_tokens(metadata.context_window, metadata.num_output)

    async def complete(self, messages: Sequence[Message]) -> Completion:
        if _blocks(self.llm, chat=self._is_chat_model):
            return await in_thread(self.complete_sync, messages)
        sent = self._chat_messages(messages)
        if self._is_chat_model:
            return self._completion(await self.llm.achat(sent))
        return self._completion(await self.llm.acomplete(self._prompt(sent), formatted=True))

    def complete_sync(self, messages: Sequence[Message]) -> Completion:
        sent = self._chat_messages(messages)
        if self._is_chat_model:
            return self._completion(self.llm.chat(sent))
        return self._completion(self.llm.complete(self._prompt(sent), formatted=True))

    def _chat_messages(self, messages: Sequence[Message]) -> list[ChatMessage]:
        roles = {"system": self._system_role, "user": MessageRole.USER, "assistant": MessageRole.ASSISTANT}
        sent = [ChatMessage(role=roles[message.role], content=message.content) for message in messages]
        own = self.llm.system_prompt
        if own:
            if messages and messages[0].role == "system":
                sent[0] = ChatMessage(role=self._system_role, content=f"{messages[0].content}\n\n{own}")
            else:
                sent.insert(0, ChatMessage(role=self._system_role, content=own))
        return sent

    def _prompt(self, messages: Sequence[ChatMessage]) -> str:
        return (self.llm.messages_to_prompt or messages_to_prompt)(messages)

    def _completion(self, response: ChatResponse | CompletionResponse) -> Completion:
        raw = cast(Any, response.raw)
        additional = cast(dict[str, Any], response.additional_kwargs)  # pyright: ignore[reportUnknownMemberType]
        if isinstance(response, ChatResponse):
            text = response.message.content
            additional = {**response.message.additional_kwargs, **additional}
        else:
            text = response.text
        model = field_of(raw, "model")
        return Completion(text or "", usage_of(raw, additional), model if isinstance(model, str) else self._model_name)


def choose_llm(llm: LLMLike | None, argument: str, callback_manager: CallbackManager | None = None) -> LLM:
    """The LLM that was passed, or else `Settings.llm`.

    Raises InvalidArgumentError, naming the argument, where there is none or it is not an LLM.
    """
    if llm is None:
        try:
            return Settings.llm
        except (ImportError, ValueError) as error:
            raise InvalidArgumentError(
                f"{argument}: none given, and Settings.llm has no usable default ({_first_line(error)}); "
                f"pass {argument}=, or set llama_index.core.Settings.llm"
            ) from error
    try:
        return resolve_llm(llm, callback_manager=callback_manager)
    except (AssertionError, ImportError, ValueError) as error:
        raise InvalidArgumentError(
            f"{argument}: {llm!r:.80} cannot be used ({_first_line(error) or 'it is not a LlamaIndex LLM'}); "
            "pass an LLM of llama_index, for instance OpenAI(model=...)"
        ) from error


def unwrap_structured(llm: LLM) -> tuple[LLM, Any]:
    """The plain LLM in a StructuredLLM and its output class; (llm, None) for any other."""
    if not isinstance(llm, StructuredLLM):
        return llm, None
    return resolve_llm(llm.llm, callback_manager=llm.callback_manager), llm.output_cls


def _max_input_tokens(context_window: int, num_output: int) -> int | None:
    """None where LlamaIndex's own default stands, which says that nobody knows the window."""
    if context_window == DEFAULT_CONTEXT_WINDOW or context_window <= 0:
        return None
    left = context_window - max(num_output, 0)
    return left if left > 0 else context_window


def _blocks(llm: LLM, *, chat: bool) -> bool:
    """Whether the async method is the one of CustomLLM, which calls the sync one on the loop."""
    return defining_class(llm, "achat" if chat else "acomplete") is CustomLLM


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip().strip("*")), "")
