"""Models that take no system message: how they say so, how the same is said without one, and which were met."""

from __future__ import annotations

import re
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from rlm_integrations.core.language_model import Message

_REFUSED = (
    r"(system|developer).{0,30}(role|message|prompt|instruction)s?.{0,30}(not|n't|un)\W?"
    r"(supported|support|enabled|allowed|accepted|permitted)"
    r"|((?:not|n't) support|unsupported|not allowed|invalid|only accepts?|unknown|unexpected|unrecognized)\b"
    r".{0,40}\bsystem\b"
    r"|\brole\b.{0,20}\bnot supported\b.{0,10}\bsystem\b"
    r"|\bsystem\b.{0,20}\bnot (one of|an? (valid|allowed|supported)|valid|supported|allowed)\b"
    r"|only\b.{0,50}\broles? (is|are) (supported|allowed|accepted)"
    r"|(should|must) be\W{1,6}user\W{1,6}(or|and)\W{1,6}(assistant|model)\b"
    r"|use a valid role\b"
    r"|(first message|conversation)\b.{0,20}\b(should|must)\b.{0,30}\buser\b"
    r"|\brole\b.{0,90}\buser\b\W{1,8}assistant\b(?!.{0,40}\bsystem\b)|expected\b.{0,40}\brole\b.{0,12}\bgot system\b"
    r"|\bno system role\b|\brole information is incorrect|角色信息不正确|system.{0,12}不支持"
    r"|non-consecutive system message|roles (must )?alternate"
)
"""As chat templates say it (Gemma's, Mistral's), OpenAI's API for o1-mini, Google's, Anthropic's, and servers that
check the roles of messages against a list. For errors alone, so it is left to `re` to compile it then."""
_MOST_CHARS = 4_000
"""Of an error, which may hold a whole page of a server's: each "system" in it makes the pattern look around."""

_met: dict[int, weakref.ref[object]] = {}
"""Models that refused a system message, by their ids: many cannot be hashed."""


def refuses_system_messages(error: BaseException) -> bool:
    """Whether a model's error says that it takes no system message."""
    return re.search(_REFUSED, str(error)[:_MOST_CHARS], re.IGNORECASE | re.DOTALL) is not None


def remember_refusal(model: object) -> None:
    """From now on `has_refused` is true of this very object, as long as it lives."""
    key = id(model)
    with suppress(TypeError):  # an object that no weak reference can be made to is asked anew in each run
        _met[key] = weakref.ref(model, lambda _: _met.pop(key, None))


def has_refused(model: object) -> bool:
    """Whether the model is known to take no system message."""
    held = _met.get(id(model))
    return held is not None and held() is model


def without_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation with its leading system message at the head of the first message, which is the user's."""
    if len(messages) < 2 or messages[0].role != "system":
        return tuple(messages)
    system, first, *rest = messages
    return (replace(first, content=f"{system.content}\n\n{first.content}"), *rest)
