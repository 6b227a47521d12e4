"""Why a model's call failed, in words that say what the server sent where its client only stumbled over that. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from json import JSONDecodeError

from rlm_integrations.core.calls.unreachable import asked_url, why_no_reply
from rlm_integrations.core.wording import error_words, one_line

_STUMBLES = (TypeError, IndexError, KeyError, AttributeError)
"""What clients raise that take a reply for a chat completion which is none."""
_READ_CHARS, _SHOWN_CHARS = 3_000, 300
_NAME = "response"
"""What the SDKs and the frameworks call a reply while they read it."""
_READERS = ("openai", "langchain_", "llama_index", "rlm_integrations")
"""How the packages begin whose functions read replies: what others, a user's own model, call so may be anything."""


def failure_words(error: BaseException) -> str:
    """An exception of a model's call in one line, with the start of the reply that could not be read, with what was
    wrong where no reply came, and with the URL that is no such page."""
    words = error_words(error)
    if getattr(error, "status_code", None) == 404:
        asked = f" ({url})" if (url := asked_url(error)) else ""
        return f"{words}{asked}; check the base URL, which usually ends in /v1, and the model's name"
    if said := why_no_reply(error):
        return f"{words} ({said})"
    reply = one_line(_unread(error)[:_READ_CHARS])[:_SHOWN_CHARS]
    if not reply:
        return words
    what = "" if reply in words else f": the server did not reply with a chat completion but with {reply!r}"
    return f"{words}{what}; check the base URL, which usually ends in /v1"


def _unread(error: BaseException) -> str:
    if isinstance(error, JSONDecodeError):
        return error.doc if error.doc.strip() else "(nothing)"
    if not isinstance(error, (*_STUMBLES, ValueError)):
        return ""
    found = _replies(error)
    if not isinstance(error, _STUMBLES):  # a client says a ValueError of a text, or of what is in a reply that it read
        found = (reply for reply in found if isinstance(reply, str))
    return next((text for reply in found if (text := _text(reply))), "")


def _replies(error: BaseException) -> Iterator[object]:
    """What the functions were reading that the exception came through.

    Of no others the locals are looked at: what is shown of them may hold the exception, and so all that its run has.
    """
    step = error.__traceback__
    while step is not None:
        frame, step = step.tb_frame, step.tb_next
        reads = _NAME in (*frame.f_code.co_varnames, *frame.f_code.co_cellvars)
        if reads and str(frame.f_globals.get("__name__")).startswith(_READERS):
            yield frame.f_locals.get(_NAME)


def _text(reply: object) -> str:
    if isinstance(reply, str):
        return reply
    dump = getattr(reply, "model_dump_json", None)
    return str(dump(exclude_none=True)) if callable(dump) and hasattr(reply, "choices") else ""
