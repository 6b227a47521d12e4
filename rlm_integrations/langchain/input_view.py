"""How an input shows in tracers: in its own shape, so that it may be stored and asked again, but small.

Messages stay messages, and a dict keeps its keys. What becomes documents of the corpus is told of, never held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.prompt_values import ChatPromptValue, PromptValue, StringPromptValue

from rlm_integrations.core.corpus.image_blocks import is_image_block
from rlm_integrations.langchain.inputs import HISTORY_KEYS, QUESTION_KEYS, as_messages

CORPUS_KEY = "rlm_corpus"
"""The one key of what stands for a call's own context."""
_HEAD_CHARS = 2_000
"""Characters that are shown of a text that is too long."""
_MESSAGE_KEYS = frozenset({"messages", *QUESTION_KEYS, *HISTORY_KEYS})


def small_view(value: object, message_chars: int, brought: str) -> Any:
    """An input that was read, for tracers.

    Args:
        value: It.
        message_chars: Characters of the longest text that is shown whole, as of RLMLimits: longer ones are documents.
        brought: The context that it brings, in one line.
    """
    if not isinstance(value, Mapping):
        return _asked(value, message_chars)
    view: dict[str, Any] = {}
    for key, part in cast(Mapping[str, Any], value).items():
        if key in _MESSAGE_KEYS:
            view[key] = part and _asked(part, message_chars)
        elif key == "context":
            view[key] = None if part is None else {CORPUS_KEY: brought}
        else:
            view[key] = _told(part)
    return view


def whole_view(value: object) -> Any:
    """The input itself, with its messages as messages: for listeners, which keep it in this process."""
    if not isinstance(value, Mapping):
        return _asked(value, None)
    parts = cast(Mapping[str, Any], value).items()
    return {key: _asked(part, None) if key in _MESSAGE_KEYS and part else part for key, part in parts}


def corpus_line_in(context: object) -> str | None:
    """What a view says in place of a context; None for a context."""
    if not isinstance(context, Mapping) or set(cast(Mapping[Any, Any], context)) != {CORPUS_KEY}:
        return None
    return str(cast(Mapping[str, Any], context)[CORPUS_KEY])


def _asked(value: object, chars: int | None) -> Any:
    """A text, a prompt's value or messages. `chars` None: whole."""
    if isinstance(value, str):
        return value if chars is None else _cut(value, chars)
    if isinstance(value, BaseMessage):
        return _message(value, chars)
    if isinstance(value, StringPromptValue):
        return value if chars is None else StringPromptValue(text=_cut(value.text, chars))
    if isinstance(value, PromptValue):
        return ChatPromptValue(messages=[_message(message, chars) for message in value.to_messages()])
    return [_message(message, chars) for message in as_messages(cast("Sequence[Any]", value), "input")]


def _message(message: BaseMessage, chars: int | None) -> BaseMessage:
    """Without the traces that earlier runs left in it."""
    if chars is None:
        return message
    changed: dict[str, Any] = {}
    if len(message.text) > chars or _has_pictures(message):
        changed["content"] = _cut_content(message.content, chars)
    if isinstance(message, AIMessage) and "rlm" in message.response_metadata:
        changed["response_metadata"] = {k: v for k, v in message.response_metadata.items() if k != "rlm"}
    if isinstance(message, ToolMessage) and message.artifact is not None:
        changed["artifact"] = None
    return message.model_copy(update=changed) if changed else message


def _cut_content(content: str | list[Any], chars: int) -> str | list[Any]:
    """Each of several blocks is cut, for it is all of them together that are too long."""
    if isinstance(content, str):
        return _cut(content, chars)
    return [_cut_block(block) for block in content]


def _cut_block(block: str | dict[str, Any]) -> str | dict[str, Any]:
    if isinstance(block, str):
        return _cut(block, _HEAD_CHARS)
    if is_image_block(block):
        return {"type": "text", "text": f"[a picture: {len(str(block)):,} characters]"}
    return {**block, "text": _cut(block["text"], _HEAD_CHARS)} if isinstance(block.get("text"), str) else block


def _has_pictures(message: BaseMessage) -> bool:
    return not isinstance(message.content, str) and any(is_image_block(block) for block in message.content)


def _told(value: object) -> Any:
    """What the run does not read: whole where it is small, else by its type."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _cut(value, _HEAD_CHARS) if isinstance(value, str) else f"[{type(value).__name__}]"


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[: min(chars, _HEAD_CHARS)]}… [{len(text):,} characters in all]"
