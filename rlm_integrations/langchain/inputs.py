"""What a call brings: the question's messages and, in some forms, a context of its own.

Forms: a str, a prompt's value, messages, `{"question" | "input" | "query": ..., "context": ...}` as a RAG
chain passes it, and `{"messages": [...]}` as agent states are. Pure: nothing is read, run or rendered.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from langchain_core.documents import Document as LangChainDocument
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)
from langchain_core.prompt_values import PromptValue

from rlm_integrations.core.corpus.image_blocks import image_of_block, is_image_block, named
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.image import Image
from rlm_integrations.core.language_model import Message, Role
from rlm_integrations.frozen import frozen

RLMInput = LanguageModelInput | Mapping[str, Any]

QUESTION_KEYS = ("question", "input", "query")
"""Where a dict holds the question; the first of them that it has counts."""
HISTORY_KEYS = ("chat_history", "history")
"""Where a dict holds what was said before; the first of them that it has counts."""

_FORMS = (
    'pass a str, a prompt value, messages, {"question": ..., "context": ...} or {"messages": [...]}'
    ' (the question may also be under "input" or "query")'
)
_CHAT_ROLES: dict[str, Role] = {
    "user": "user",
    "human": "user",
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
    "ai": "assistant",
}
_TEXT_BLOCKS = frozenset({"text", "text-plain"})
_SILENT_BLOCKS = frozenset(
    {
        "reasoning",
        "tool_call",
        "tool_call_chunk",
        "invalid_tool_call",
        "server_tool_call",
        "server_tool_call_chunk",
        "server_tool_result",
        "non_standard",
    }
)
"""Blocks of a model's own message that say nothing to the root LM beyond its text and tool calls."""


@frozen
class CallInput:
    """An input, taken apart. `context` is as it was passed, None where the call brings none."""

    question: str | tuple[Message, ...]
    context: object | None = None


def read_input(value: object) -> CallInput:
    """Take an input apart. Raises InvalidArgumentError for a form that holds no question."""
    if not isinstance(value, Mapping):
        return CallInput(_question(value, "input"))
    given = cast(Mapping[str, Any], value)
    key = next((key for key in QUESTION_KEYS if given.get(key) is not None), None)
    if "messages" in given:
        if key is not None:
            raise InvalidArgumentError(f'input: has both "messages" and {key!r}; pass the question in one of them')
        return CallInput(_messages(given["messages"], 'input["messages"]'), given.get("context"))
    if key is None:
        raise InvalidArgumentError(f"input: no question in a dict with the keys {list(given)[:10]}; {_FORMS}")
    question = _question(given[key], f"input[{key!r}]")
    past = next((key for key in HISTORY_KEYS if given.get(key)), None)
    if past is not None:
        asked = (Message("user", question),) if isinstance(question, str) else question
        question = (*_messages(given[past], f"input[{past!r}]"), *asked)
    return CallInput(question, given.get("context"))


def _question(value: object, name: str) -> str | tuple[Message, ...]:
    return value if isinstance(value, str) else _messages(value, name)


def _messages(value: object, name: str) -> tuple[Message, ...]:
    if isinstance(value, str):
        return (Message("user", value),)
    if isinstance(value, PromptValue):
        found = value.to_messages()
    elif isinstance(value, BaseMessage):
        found = [value]
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        found = as_messages(cast(Sequence[Any], value), name)
    else:
        raise InvalidArgumentError(f"{name}: {type(value).__name__} is not a question; {_FORMS}")
    return tuple(_message(message, place, name) for place, message in enumerate(found, 1))


def as_messages(values: Sequence[Any], name: str) -> list[BaseMessage]:
    """Messages, in any of the forms that chat models take. Raises InvalidArgumentError with `name` for others."""
    if any(isinstance(value, LangChainDocument) for value in values):
        raise InvalidArgumentError(
            f'{name}: Documents are context, not a question; pass {{"question": ..., "context": documents}}'
        )
    try:
        return convert_to_messages(values)
    except (ValueError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidArgumentError(f"{name}: not a list of messages: {reason}; {_FORMS}") from error


def _message(message: BaseMessage, place: int, name: str) -> Message:
    """A message as text in its role, with its pictures.

    Text parts are kept. What an assistant called and what a tool returned becomes text of the assistant,
    so that the last message of the user stays the question. A file or a sound is refused, and a picture by its URL.
    """
    role, (text, images) = _role(message, place, name), _parts(message, place, name)
    if isinstance(message, AIMessage) and message.tool_calls:
        calls = [f"[called {call['name']}({json.dumps(call['args'], default=str)})]" for call in message.tool_calls]
        text = "\n".join([text, *calls] if text else calls)
    if isinstance(message, ToolMessage):
        text = f"[{message.name or 'the tool'} returned]\n{text}"
    return Message(role, text, images=images)


def _role(message: BaseMessage, place: int, name: str) -> Role:
    if isinstance(message, HumanMessage):
        return "user"
    if isinstance(message, SystemMessage):
        return "system"
    if isinstance(message, (AIMessage, ToolMessage)):
        return "assistant"
    if isinstance(message, ChatMessage) and message.role in _CHAT_ROLES:
        return _CHAT_ROLES[message.role]
    kind = f"role {message.role!r}" if isinstance(message, ChatMessage) else type(message).__name__
    raise InvalidArgumentError(
        f"{name}: message {place} ({kind}) is neither of the user, the system, the assistant nor a tool; leave it out"
    )


def _parts(message: BaseMessage, place: int, name: str) -> tuple[str, tuple[Image, ...]]:
    """Its text, and its pictures."""
    if isinstance(message.content, str):
        return message.content, ()
    texts: list[str] = []
    images: list[Image] = []
    for block in cast(Iterable[dict[str, Any]], message.content_blocks):
        kind = block.get("type")
        if kind in _TEXT_BLOCKS and isinstance(block.get("text"), str):
            texts.append(block["text"])
            continue
        own: dict[str, Any] = block["value"] if kind == "non_standard" else block
        if is_image_block(own):
            images.append(_image(own, place, name))
        elif not (isinstance(message, AIMessage) and kind in _SILENT_BLOCKS):
            raise InvalidArgumentError(
                f"{name}: message {place} holds a block of type {own.get('type', kind)!r}; RLMRunnable reads text and "
                "pictures: leave the block out, or put its text in"
            )
    return "\n\n".join(texts), named(images)


def _image(block: Mapping[str, Any], place: int, name: str) -> Image:
    try:
        return image_of_block(block)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"{name}: message {place} holds a block of type {block.get('type')!r} that cannot be taken: {error}"
        ) from None
