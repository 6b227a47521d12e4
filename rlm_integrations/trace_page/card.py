"""A run in a few lines of HTML, for a notebook's cell: no script, no style sheet, nothing of others but text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

_QUESTION_CHARS = 300
_ANSWER_CHARS = 1_200
_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""What moves or hides other text."""
_MUTED = "opacity:.7"
_PLAIN = "white-space:pre-wrap;unicode-bidi:plaintext"


class _Usage(Protocol):
    @property
    def total_tokens(self) -> int: ...
    @property
    def cost_usd(self) -> float | None: ...


class Run(Protocol):
    """What a card shows of a run: an RLMTrace has all of it."""

    @property
    def question(self) -> str: ...
    @property
    def answer(self) -> str: ...
    @property
    def error(self) -> str | None: ...
    @property
    def stop_reason(self) -> str | None: ...
    @property
    def citations(self) -> Sequence[object]: ...
    @property
    def iteration_count(self) -> int: ...
    @property
    def sub_call_count(self) -> int: ...
    @property
    def failed_sub_call_count(self) -> int: ...
    @property
    def usage(self) -> _Usage: ...
    @property
    def seconds(self) -> float: ...


def card(run: Run, hint: str) -> str:
    """Question, answer, how it ended, what it took, and the hint: code that shows more. Long texts are cut."""
    lines = [
        f'<div style="font-weight:600;{_PLAIN}">{_text(run.question, _QUESTION_CHARS)}</div>',
        f'<div style="{_PLAIN};max-height:16em;overflow:auto;margin:4px 0">{_text(run.answer, _ANSWER_CHARS)}</div>',
        f'<div style="{_MUTED}">{_text(f"{_outcome(run)} · {_figures(run)}", _QUESTION_CHARS)}</div>',
        f'<div style="{_MUTED}"><code>{_text(hint, _QUESTION_CHARS)}</code></div>',
    ]
    return f'<div style="border-left:3px solid #5a67d8;padding:4px 12px">{"".join(lines)}</div>'


def _outcome(run: Run) -> str:
    if run.error is not None:
        return f"failed: {run.error[: _QUESTION_CHARS // 2]}"
    return "not finished" if run.stop_reason is None else f"stop reason: {run.stop_reason}"


def _figures(run: Run) -> str:
    failed = f" ({run.failed_sub_call_count:,} failed)" if run.failed_sub_call_count else ""
    parts = [
        _plural(run.iteration_count, "iteration"),
        _plural(run.sub_call_count, "sub-call") + failed,
        _plural(run.usage.total_tokens, "token"),
        "" if run.usage.cost_usd is None else f"${run.usage.cost_usd:.4f}",
        _plural(len(run.citations), "citation") if run.citations else "",
        f"{run.seconds:.1f} s",
    ]
    return ", ".join(filter(None, parts))


def _plural(n: int, one: str) -> str:
    return f"{n:,} {one}" if n == 1 else f"{n:,} {one}s"


def _text(words: str, chars: int) -> str:
    shown = words if len(words) <= chars else f"{words[:chars]}…"
    return _UNFIT.sub(_escaped, shown.replace("\r\n", "\n")).translate(_MARKUP)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
