"""What the host answers to a call, as frames."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rlm_integrations.sandboxes.channel.frames import encode
from rlm_integrations.sandboxes.channel.long_values import is_long, long_frame
from rlm_integrations.wire import messages
from rlm_integrations.wire.calls import RefusalKind

MAX_REPLY_BYTES = 128 << 20
"""Of one answer. A worker that leaves twice as much unread is killed."""

_not_passed = "the host's reply cannot be handed on: {}"


def hand_over(loop: asyncio.AbstractEventLoop, call_id: int, value: Any, answer: Callable[[int, bytes], None]) -> None:
    """Call `answer` with the call and its frame: at once, or where it is long to write, later on the loop.

    A thread writes it then, and the value is to stay as it is.
    """
    if not is_long(value):
        answer(call_id, reply_frame(call_id, value))
        return

    def write() -> None:
        try:
            frame = _long_reply(call_id, value)
        except BaseException as error:  # memory, for instance: a call that is not answered holds its step up for ever
            frame = refusal_frame(call_id, "failed", _not_passed.format(type(error).__name__))
        with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(answer, call_id, frame)

    try:
        threading.Thread(target=write, name="rlm-reply", daemon=True).start()
    except RuntimeError:  # there can be no more threads
        write()


def reply_frame(call_id: int, value: Any) -> bytes:
    """A refusal where the value is nothing that can be handed on."""
    try:
        return encode(messages.reply(call_id, value))
    except (TypeError, ValueError, RecursionError) as error:
        return refusal_frame(call_id, "type", _not_passed.format(error))


def refusal_frame(call_id: int, kind: RefusalKind, message: str) -> bytes:
    return encode(messages.refusal(call_id, kind, message))


def _long_reply(call_id: int, value: Any) -> bytes:
    try:
        frame = long_frame(messages.reply(call_id, None), messages.VALUE, value, MAX_REPLY_BYTES)
    except (TypeError, ValueError, RecursionError) as error:
        return refusal_frame(call_id, "type", _not_passed.format(error))
    if frame is None:
        words = f"the value has more than {MAX_REPLY_BYTES >> 20} MB as JSON; ask for less at once"
        return refusal_frame(call_id, "value", _not_passed.format(words))
    return frame
