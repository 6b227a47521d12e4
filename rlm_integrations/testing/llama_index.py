"""ScriptedLLM: the doubles as a LlamaIndex LLM, which may call an agent's tools."""

# LlamaIndex's callback decorators carry no types.
# pyright: reportUntypedFunctionDecorator=false, reportUnknownVariableType=false

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from rlm_integrations.core.extras import needed

with needed("llama_index", "llama-index-core", extra="llama-index", what="rlm_integrations.testing.llama_index"):
    from llama_index.core.base.llms.types import (
        ChatMessage,
        ChatResponse,
        ChatResponseAsyncGen,
        ChatResponseGen,
        CompletionResponse,
        CompletionResponseAsyncGen,
        CompletionResponseGen,
        ImageBlock,
        LLMMetadata,
        MessageRole,
        TextBlock,
        ToolCallBlock,
    )
    from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
    from llama_index.core.llms.function_calling import FunctionCallingLLM
    from llama_index.core.llms.llm import ToolSelection
    from llama_index.core.tools.types import BaseTool
from pydantic import BaseModel, Field

from rlm_integrations.core.corpus.image_blocks import image_or_why
from rlm_integrations.core.language_model import Completion, Message, Role
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing.doubles import FrameworkDouble
from rlm_integrations.testing.replaying_model import ReplayingModel
from rlm_integrations.testing.scripted_model import Reply, ReplyFunction, ScriptedModel

_DEFAULT_WINDOW = 128_000
_ROLES: dict[MessageRole, Role] = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "system",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.CHATBOT: "assistant",
}


@dataclass(frozen=True)
class ToolCall(Completion):
    """A reply that calls a tool."""

    name: str = ""
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])


def tool_call(name: str, /, **arguments: Any) -> ToolCall:
    """A reply that calls an agent's tool: `ScriptedLLM([tool_call("contracts", input="Who signed?"), "Ann."])`."""
    return ToolCall("", name=name, arguments=arguments)


class ScriptedLLM(FrameworkDouble, FunctionCallingLLM):
    """An LLM for tests: `ScriptedLLM(["first reply", "second"])`, or `always=function`.

    It behaves as `rlm_integrations.testing.ScriptedModel`, whose requests it records, in every sync, async
    and streamed call (a stream comes word by word; a completion's prompt is one user message).
    `ScriptedLLM.replaying("conversation.jsonl")` answers from a recording. `context_window` is in tokens.

    A FunctionAgent asks for `is_function_calling_model=True`; a reply made with `tool_call` then calls its tool.
    """

    double: Any = Field(repr=False, exclude=True)
    """The ScriptedModel or ReplayingModel that gives the replies."""
    context_window: int
    is_function_calling_model: bool = False

    def __init__(
        self,
        replies: Iterable[Reply] = (),
        *,
        always: ReplyFunction | None = None,
        double: ScriptedModel | ReplayingModel | None = None,
        model: str = "scripted",
        usage: Usage | None = None,
        context_window: int = _DEFAULT_WINDOW,
        **fields: Any,
    ) -> None:
        fields["double"] = double or ScriptedModel(replies, always=always, model=model, usage=usage)
        fields["context_window"] = context_window
        super().__init__(**fields)

    @classmethod
    def replaying(cls, recording: str | Path | ReplayingModel, **fields: Any) -> ScriptedLLM:
        """An LLM that answers from a recording: a file's path, or a ReplayingModel."""
        double = recording if isinstance(recording, ReplayingModel) else ReplayingModel.from_file(recording)
        return cls(double=double, **fields)

    def __getstate__(self) -> dict[str, Any]:
        """All there is: LlamaIndex's own takes what cannot be pickled out of the state, which is this very object's."""
        return BaseModel.__getstate__(self)

    @classmethod
    def class_name(cls) -> str:
        return "ScriptedLLM"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(
            context_window=self.context_window,
            is_chat_model=True,
            is_function_calling_model=self.is_function_calling_model,
            model_name=self.double.model,
        )

    def _complete(self, messages: Sequence[ChatMessage], tools: Sequence[dict[str, Any]] = ()) -> Completion:
        return self.completion([_core_message(message) for message in messages], tools)

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return _chat_response(self._complete(messages, kwargs.get("tools", ())))

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return _chat_response(self._complete(messages, kwargs.get("tools", ())))

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return _completion_response(self._complete([ChatMessage(content=prompt)]))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return _completion_response(self._complete([ChatMessage(content=prompt)]))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        return _chat_stream(self._complete(messages))

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        completion = self._complete(messages)

        async def stream() -> ChatResponseAsyncGen:
            for response in _chat_stream(completion):
                yield response

        return stream()

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        return _completion_stream(self._complete([ChatMessage(content=prompt)]))

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        completion = self._complete([ChatMessage(content=prompt)])

        async def stream() -> CompletionResponseAsyncGen:
            for response in _completion_stream(completion):
                yield response

        return stream()

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        last = ChatMessage(content=user_msg) if isinstance(user_msg, str) else user_msg
        offered = [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools]
        return {"messages": [*(chat_history or ()), *([last] if last else ())], "tools": offered}

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        calls = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
        if error_on_no_tool_call and not calls:
            raise ValueError(f"the reply calls no tool: {response.message.content!r:.200}")
        return [
            ToolSelection(
                tool_id=call.tool_call_id or "", tool_name=call.tool_name, tool_kwargs=cast(Any, call.tool_kwargs)
            )
            for call in calls
        ]


def _core_message(message: ChatMessage) -> Message:
    found = [image_or_why(block.image, block.image_mimetype, block.url, block.path) for block in _pictures(message)]
    images = tuple(image for images, _ in found for image in images)
    return Message(_ROLES.get(message.role, "user"), message.content or "", images=images)


def _pictures(message: ChatMessage) -> list[ImageBlock]:
    return [block for block in message.blocks if isinstance(block, ImageBlock)]


def _counts(completion: Completion) -> dict[str, int]:
    """Token counts under the names that LlamaIndex's token counters read."""
    usage = completion.usage
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }


def _raw(completion: Completion) -> dict[str, Any]:
    usage = completion.usage
    details = {
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
    raw = {"model": completion.model, "usage": {**_counts(completion), **details}}
    return raw if completion.finish is None else {**raw, "finish_reason": completion.finish}


def _reply(completion: Completion, text: str) -> ChatMessage:
    """The assistant's message with so much of its text."""
    if completion.tool_calls:
        blocks = [
            ToolCallBlock(tool_call_id=call.id or None, tool_name=call.name, tool_kwargs=call.arguments)
            for call in completion.tool_calls
        ]
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=[TextBlock(text=text), *blocks])
    if not isinstance(completion, ToolCall):
        extra = {"reasoning_content": completion.thoughts} if completion.thoughts else {}
        return ChatMessage(role=MessageRole.ASSISTANT, content=text, additional_kwargs=extra)
    call = ToolCallBlock(
        tool_call_id=f"call-of-{completion.name}", tool_name=completion.name, tool_kwargs=completion.arguments
    )
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=[TextBlock(text=text), call])


def _chat_response(completion: Completion) -> ChatResponse:
    return ChatResponse(
        message=_reply(completion, completion.text), raw=_raw(completion), additional_kwargs=_counts(completion)
    )


def _completion_response(completion: Completion) -> CompletionResponse:
    return CompletionResponse(text=completion.text, raw=_raw(completion), additional_kwargs=_counts(completion))


def _growing(text: str) -> Iterator[tuple[str, str]]:
    """The text word by word: what is there so far, and the new piece."""
    end = 0
    for piece in re.findall(r"\S*\s+|\S+", text):
        end += len(piece)
        yield text[:end], piece


def _chat_stream(completion: Completion) -> ChatResponseGen:
    for text, delta in [*_growing(completion.text)] or [("", "")]:  # a reply without text may call a tool
        response = _chat_response(completion)
        response.message, response.delta = _reply(completion, text), delta
        yield response


def _completion_stream(completion: Completion) -> CompletionResponseGen:
    for text, delta in _growing(completion.text):
        response = _completion_response(completion)
        response.text, response.delta = text, delta
        yield response
