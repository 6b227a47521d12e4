"""RLMChatEngine: a LlamaIndex chat engine whose questions go on in one REPL."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, cast

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.callbacks import trace_method  # pyright: ignore[reportUnknownVariableType]
from llama_index.core.chat_engine.types import AgentChatResponse, BaseChatEngine, StreamingAgentChatResponse
from llama_index.core.chat_engine.utils import aresponse_gen_from_query_engine, response_gen_from_query_engine
from llama_index.core.memory import BaseMemory, ChatMemoryBuffer
from llama_index.core.tools import ToolOutput

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Message, Role
from rlm_integrations.llama_index.arguments import checked_list, checked_text
from rlm_integrations.llama_index.index_nodes import AnyIndex
from rlm_integrations.llama_index.pictures import images_of_message
from rlm_integrations.llama_index.query_engine import RLMQueryEngine
from rlm_integrations.llama_index.response import replay, replay_async

_REMEMBERED_TOKENS = 8_000
_CHAT_ARGUMENTS = ("memory", "chat_history", "system_prompt", "prefix_messages")
_ROLES: dict[str, Role] = {
    "user": "user",
    "system": "system",
    "developer": "system",
}
"""Whatever is of neither is what the assistant said, called or was told by a tool."""


class RLMChatEngine(BaseChatEngine):
    """A chat over a corpus: each message is a run over one REPL, whose variables stay from message to message.

    The root LM sees the chat so far as the memory gives it. `sources` and `source_nodes` of a response are what its
    answer rests on, and `metadata` is that of an RLMQueryEngine's. Messages that come at once wait for each other.
    Between them the REPL rests, bounded by `limits.max_sessions`, `session_idle_s` and `sessions_memory_mb`; it ends
    with `reset`, and when nobody holds the engine any more.

    Args:
        query_engine: What answers: its corpus, models, limits and tools. Streams replay its answers, whatever its
            `streaming` says.
        memory: What keeps the chat. Default: a ChatMemoryBuffer of 8,000 tokens.
        chat_history: How the chat begins. Not with a memory, which has its own.
        system_prompt: A system message before the chat, beside the one of the root LM.
        prefix_messages: Messages before the chat, in place of that.

    Raises:
        InvalidArgumentError: An argument is wrong. Its methods raise as RLMQueryEngine's `query`; a message that failed
            is not kept.
    """

    def __init__(
        self,
        query_engine: RLMQueryEngine,
        *,
        memory: BaseMemory | None = None,
        chat_history: Sequence[ChatMessage] | None = None,
        system_prompt: str | None = None,
        prefix_messages: Sequence[ChatMessage] | None = None,
    ) -> None:
        if not isinstance(query_engine, RLMQueryEngine):  # pyright: ignore[reportUnnecessaryIsInstance]
            given = type(query_engine).__name__
            raise InvalidArgumentError(f"query_engine: {given} given; pass an RLMQueryEngine")
        if memory is not None and not isinstance(memory, BaseMemory):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidArgumentError(f"memory: {type(memory).__name__} given; pass a memory of LlamaIndex")
        if memory is not None and chat_history:
            raise InvalidArgumentError("chat_history: given with a memory, which has its own; pass one of them")
        if system_prompt is not None and prefix_messages:
            raise InvalidArgumentError("prefix_messages: given with system_prompt; put it among them")
        checked_text(system_prompt, "system_prompt")
        begun = _chat_messages(chat_history or (), "chat_history")
        self._query_engine = query_engine
        self.callback_manager = query_engine.callback_manager
        self._memory = memory or _remembering(begun)
        told = [ChatMessage(role=MessageRole.SYSTEM, content=system_prompt)] if system_prompt else []
        self._prefix = told or _chat_messages(prefix_messages or (), "prefix_messages")
        self._chat = query_engine.new_chat()
        self._end = weakref.finalize(self, self._chat.memory.end)

    @classmethod
    def from_index(cls, index: AnyIndex, **options: Any) -> Self:
        """A chat over everything in the index: what `index.as_chat_engine(chat_mode="rlm", ...)` gives.

        Takes the arguments of this class and those of `RLMQueryEngine.from_index`, whose `system_prompt` alone is not
        among them.
        """
        chat = {name: options.pop(name) for name in _CHAT_ARGUMENTS if name in options}
        return cls(RLMQueryEngine.from_index(index, **options), **chat)

    @classmethod
    def from_defaults(cls, query_engine: RLMQueryEngine, **options: Any) -> Self:
        """As chat engines of LlamaIndex are made: the constructor."""
        return cls(query_engine, **options)

    @property
    def query_engine(self) -> RLMQueryEngine:
        return self._query_engine

    @property
    def chat_history(self) -> list[ChatMessage]:
        """All that was said, as the memory keeps it."""
        return self._memory.get_all()

    def reset(self) -> None:
        """Forget the chat, and end its REPL."""
        self._memory.reset()
        self._end()
        self._chat = self._query_engine.new_chat()
        self._end = weakref.finalize(self, self._chat.memory.end)

    @trace_method("chat")
    def chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AgentChatResponse:
        """Answer. `chat_history` stands in place of what the memory gives, for this message."""
        response = self._ask(message, chat_history)
        self._memory.put(_said(MessageRole.USER, message))
        self._memory.put(_said(MessageRole.ASSISTANT, str(response)))
        return _whole(message, response)

    @trace_method("chat")
    async def achat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AgentChatResponse:
        """As `chat`, on the caller's event loop."""
        response = await self._aask(message, chat_history)
        await self._memory.aput(_said(MessageRole.USER, message))
        await self._memory.aput(_said(MessageRole.ASSISTANT, str(response)))
        return _whole(message, response)

    @trace_method("chat")
    def stream_chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> StreamingAgentChatResponse:
        """As `chat`. The run comes first, the stream replays its answer."""
        response = self._ask(message, chat_history)
        self._memory.put(_said(MessageRole.USER, message))
        pieces = response_gen_from_query_engine(replay(str(response)))
        streaming = StreamingAgentChatResponse(
            chat_stream=pieces, sources=[_source(message, response)], source_nodes=response.source_nodes
        )
        streaming.write_response_to_history(self._memory)
        return streaming

    @trace_method("chat")
    async def astream_chat(
        self, message: str, chat_history: list[ChatMessage] | None = None
    ) -> StreamingAgentChatResponse:
        """As `stream_chat`, on the caller's event loop."""
        response = await self._aask(message, chat_history)
        await self._memory.aput(_said(MessageRole.USER, message))
        pieces = aresponse_gen_from_query_engine(replay_async(str(response)))
        streaming = StreamingAgentChatResponse(
            achat_stream=pieces, sources=[_source(message, response)], source_nodes=response.source_nodes
        )
        await streaming.awrite_response_to_history(self._memory)
        streaming.response = str(response)  # where LlamaIndex (0.14.5) has it only once the stream was read
        return streaming

    def _ask(self, message: str, history: Sequence[ChatMessage] | None) -> RESPONSE_TYPE:
        said = _chat_messages(history, "chat_history") if history else self._memory.get(input=message)
        return self._query_engine.query_in(self._chat, self._messages(said, message))

    async def _aask(self, message: str, history: Sequence[ChatMessage] | None) -> RESPONSE_TYPE:
        said = _chat_messages(history, "chat_history") if history else await self._memory.aget(input=message)
        return await self._query_engine.aquery_in(self._chat, self._messages(said, message))

    def _messages(self, said: Sequence[ChatMessage], message: str) -> tuple[Message, ...]:
        if not isinstance(message, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidArgumentError(f"message: {type(message).__name__} given; pass a str")
        return (*_core_messages([*self._prefix, *said]), Message("user", message))


def _remembering(begun: list[ChatMessage]) -> BaseMemory:
    made: BaseMemory = cast(Any, ChatMemoryBuffer).from_defaults(chat_history=begun, token_limit=_REMEMBERED_TOKENS)
    return made


def _core_messages(messages: Sequence[ChatMessage]) -> Iterator[Message]:
    for message in messages:
        content, images = message.content or "", images_of_message(message, "chat_history")
        if content or images:
            yield Message(_ROLES.get(message.role.value, "assistant"), content, images=images)


def _chat_messages(value: object, argument: str) -> list[ChatMessage]:
    messages = checked_list(value, argument, "ChatMessages")
    for message in messages:
        if not isinstance(message, ChatMessage):
            raise InvalidArgumentError(f"{argument}: holds {type(message).__name__}; pass a list of ChatMessages")
    return cast("list[ChatMessage]", messages)


def _said(role: MessageRole, content: str) -> ChatMessage:
    return ChatMessage(role=role, content=content)


def _source(message: str, response: RESPONSE_TYPE) -> ToolOutput:
    raw_input: Mapping[str, Any] = {"query": message}
    return ToolOutput(content=str(response), tool_name="query_engine", raw_input=dict(raw_input), raw_output=response)


def _whole(message: str, response: RESPONSE_TYPE) -> AgentChatResponse:
    return AgentChatResponse(
        response=str(response),
        sources=[_source(message, response)],
        source_nodes=response.source_nodes,
        metadata=response.metadata,
    )
