"""The variable `answer`: what it holds after a block, and whether that ends the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from rlm_integrations.repl.json_text import VALUES, as_text, listed, write_json
from rlm_integrations.repl.placeholders import MARKED_PLACEHOLDER
from rlm_integrations.repl.sub_calls import FailedSubCall
from rlm_integrations.wire.steps import MAX_ANSWER_CHARS, AnswerState

_DRAFT_CHARS = 10_000
_HOW_TO_FINISH = 'set answer["ready"] = True to finish'
_NOT_READY = ("false", "no", "0", "none", "null", "not ready", "")
_PLACE_CHARS = 120
"""Of a text that may only hold the place of an answer."""

_get: Callable[[dict[str, Any], str], Any] = dict[str, Any].get
_update: Callable[..., None] = dict[str, Any].update


def fresh_answer() -> dict[str, Any]:
    return {"content": "", "ready": False}


def read_answer(namespace: dict[str, Any], *, raised: bool, null: bool = False) -> AnswerState:
    """Read `answer` after a block, which `raised` or not; where it cannot be taken, ready is taken back.

    `null`: whether None is an answer, not an empty one.

    Puts a dict in its place where the model deleted it or bound something else. May run the model's code (a
    `__bool__`, a `__str__`) and raise what that raises.
    """
    refused = _make_dict(namespace)
    answer: dict[str, Any] = namespace["answer"]
    content = _get(answer, "content")
    if isinstance(content, Iterator):  # it cannot be read again
        content = listed(content)  # pyright: ignore[reportUnknownArgumentType]
        _update(answer, content=content)
    if not _is_ready(_get(answer, "ready")):
        return _draft(content, refused)
    reading = AnswerState(refused="the block raised") if raised else _final(content, null)
    if reading.refused is None:
        return reading
    _update(answer, ready=False)
    return _draft(content, reading.refused)


def plain_draft(namespace: dict[str, Any]) -> AnswerState | None:
    """What `read_answer` gives for an answer that is not ready and a short text; None for whatever else there may be.

    Runs no code of the model's, and takes no time: most steps leave such a one.
    """
    value = namespace.get("answer")
    if type(value) is not dict:
        return None
    answer = cast("dict[object, object]", value)
    if len(answer) != 2 or any(type(name) is not str for name in answer):  # one may say that it equals "content"
        return None
    content = answer.get("content")
    if answer.get("ready") is not False or type(content) is not str or len(content) > _DRAFT_CHARS:
        return None
    return AnswerState(content=content)


def set_answer(namespace: dict[str, Any], content: Any) -> None:
    """Set the content and ready, as FINAL does. `answer` itself stands for the content that it has."""
    if not isinstance(namespace.get("answer"), dict):
        namespace["answer"] = fresh_answer()
    answer = namespace["answer"]
    _update(answer, content=_get(answer, "content") if content is answer else content, ready=True)


def _is_ready(ready: Any) -> bool:
    """As models write it: "true" is, and so is 1; "false" is not."""
    return ready.strip().lower() not in _NOT_READY if type(ready) is str else bool(ready)


def _make_dict(namespace: dict[str, Any]) -> str | None:
    """Why the root must know that `answer` was replaced, if it was by something that is not a dict."""
    if "answer" not in namespace:
        namespace["answer"] = fresh_answer()
        return None
    value = namespace["answer"]
    if isinstance(value, dict):
        return None
    namespace["answer"] = fresh_answer()
    kind = type(value).__name__
    if isinstance(value, VALUES):
        namespace["answer"]["content"] = value
        return f'`answer` was replaced by a {kind}; it is now answer["content"]; {_HOW_TO_FINISH}'
    return f'`answer` was replaced by a {kind}; it is an empty dict again: set answer["content"], and {_HOW_TO_FINISH}'


def _final(content: Any, null: bool) -> AnswerState:
    """Content that is said to be ready: taken, or refused with the reason."""
    if (content is None and not null) or (isinstance(content, str) and not content.strip()):
        return AnswerState(refused='answer["content"] is empty')
    if content is ... or (
        isinstance(content, str) and len(content) < _PLACE_CHARS and MARKED_PLACEHOLDER.fullmatch(content.strip())
    ):
        return AnswerState(refused='answer["content"] only holds the place of an answer')
    if isinstance(content, FailedSubCall):
        return AnswerState(refused=f'answer["content"] is a sub-call that failed ({content.error[:200]})')
    try:
        text = as_text(content)
        is_json = text is None
        text = write_json(content, MAX_ANSWER_CHARS) if text is None else text
    except (TypeError, ValueError, RecursionError) as error:
        return AnswerState(refused=f'answer["content"] cannot be written as JSON: {type(error).__name__}: {error}')
    if len(text) > MAX_ANSWER_CHARS:
        return AnswerState(refused=f'answer["content"] has more than {MAX_ANSWER_CHARS:,} characters')
    return AnswerState(ready=True, content=text, is_json=is_json)


def _draft(content: Any, refused: str | None) -> AnswerState:
    """The content as far as it has come; cut, it is no JSON any more. What is no number is null."""
    if content is None:
        return AnswerState(refused=refused)
    try:
        text = as_text(content)
        if text is not None:
            return AnswerState(content=text[:_DRAFT_CHARS], refused=refused)
        text = write_json(content, _DRAFT_CHARS, no_number_is_null=True)
    except (TypeError, ValueError, RecursionError):
        return AnswerState(refused=refused)
    if text == "null":  # the whole of it is no number
        return AnswerState(refused=refused)
    whole = len(text) <= _DRAFT_CHARS
    return AnswerState(content=text[:_DRAFT_CHARS], is_json=whole, refused=refused)
