"""ScriptedChatModel: the doubles as a LangChain chat model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from rlm_integrations.core.extras import needed

with needed("langchain_core", "langchain-core", extra="langchain", what="rlm_integrations.testing.langchain"):
    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.language_models import BaseChatModel, LanguageModelInput
    from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
    from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
    from langchain_core.messages.tool import invalid_tool_call, tool_call
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
    from langchain_core.runnables import Runnable
    from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from rlm_integrations.core.calls.reply_fields import arguments_of
from rlm_integrations.core.corpus.image_blocks import image_of_block, is_image_block
from rlm_integrations.core.language_model import Completion, Message, Role
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing.doubles import FrameworkDouble
from rlm_integrations.testing.replaying_model import ReplayingModel
from rlm_integrations.testing.scripted_model import Reply, ReplyFunction, ScriptedModel

_ROLES: dict[str, Role] = {"system": "system", "ai": "assistant", "AIMessageChunk": "assistant"}


class ScriptedChatModel(FrameworkDouble, BaseChatModel):
    """A chat model for tests: `ScriptedChatModel(["first reply", "second"])`, or `always=function`.

    It behaves as `rlm_integrations.testing.ScriptedModel`, whose requests it records, in sync, async and
    streamed calls (a stream comes word by word). `ScriptedChatModel.replaying("conversation.jsonl")`
    answers from a recording. Raises what the double raises.
    """

    double: Any = Field(repr=False, exclude=True)
    """The ScriptedModel or ReplayingModel that gives the replies."""

    def __init__(
        self,
        replies: Iterable[Reply] = (),
        *,
        always: ReplyFunction | None = None,
        double: ScriptedModel | ReplayingModel | None = None,
        model: str = "scripted",
        usage: Usage | None = None,
        max_input_tokens: int | None = None,
        **fields: Any,
    ) -> None:
        if double is None:
            double = ScriptedModel(replies, always=always, model=model, usage=usage, max_input_tokens=max_input_tokens)
        if double.max_input_tokens is not None:
            fields.setdefault("profile", {"max_input_tokens": double.max_input_tokens})
        fields["double"] = double
        super().__init__(**fields)

    @classmethod
    def replaying(cls, recording: str | Path | ReplayingModel, **fields: Any) -> ScriptedChatModel:
        """A chat model that answers from a recording: a file's path, or a ReplayingModel."""
        double = recording if isinstance(recording, ReplayingModel) else ReplayingModel.from_file(recording)
        return cls(double=double, **fields)

    @property
    def _llm_type(self) -> str:
        return "rlm-integrations-scripted"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.double.model}

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools, which a reply calls that is a Completion with `tool_calls`."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = [_core_message(message) for message in messages]
        completion = self.completion(request, kwargs.get("tools", ()))
        return ChatResult(generations=[ChatGeneration(message=_ai_message(completion))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._generate(messages, **kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        message = self._generate(messages, **kwargs).generations[0].message
        for piece in re.findall(r"\S*\s+|\S+", str(message.text)):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        last = AIMessageChunk(
            content="",
            additional_kwargs=message.additional_kwargs,
            usage_metadata=_usage_of(message),
            tool_calls=message.tool_calls if isinstance(message, AIMessage) else [],
            response_metadata=message.response_metadata,
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=last)


def _core_message(message: BaseMessage) -> Message:
    blocks: list[Any] = [] if isinstance(message.content, str) else message.content
    images = tuple(image_of_block(block) for block in blocks if is_image_block(block))
    return Message(_ROLES.get(message.type, "user"), str(message.text), images=images)


def _calls(completion: Completion) -> dict[str, list[Any]]:
    """Those with arguments that are JSON objects, and the others, as LangChain's models tell them apart."""
    valid: list[Any] = []
    invalid: list[Any] = []
    for call in completion.tool_calls:
        arguments = arguments_of(call)
        if arguments is None:
            invalid.append(invalid_tool_call(name=call.name, args=call.arguments, id=call.id or None, error=None))
        else:
            valid.append(tool_call(name=call.name, args=arguments, id=call.id or None))
    return {"tool_calls": valid, "invalid_tool_calls": invalid}


def _ai_message(completion: Completion) -> AIMessage:
    usage = completion.usage
    return AIMessage(
        content=completion.text,
        **cast("Any", _calls(completion)),
        usage_metadata=UsageMetadata(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            total_tokens=usage.total_tokens,
            input_token_details=InputTokenDetails(cache_read=usage.cached_tokens),
            output_token_details=OutputTokenDetails(reasoning=usage.reasoning_tokens),
        ),
        additional_kwargs={"reasoning_content": completion.thoughts} if completion.thoughts else {},
        response_metadata={
            **({"model_name": completion.model} if completion.model else {}),
            **({"finish_reason": completion.finish} if completion.finish else {}),
        },
    )


def _usage_of(message: BaseMessage) -> UsageMetadata | None:
    return message.usage_metadata if isinstance(message, AIMessage) else None
