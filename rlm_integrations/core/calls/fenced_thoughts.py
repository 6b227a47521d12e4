"""Thoughts in a fence of their own, marked ```think or the like: no part of the reply. Linear in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator

_THOUGHTS = (
    r"<?+(?>(?:(?:inner|internal|my|chain[_ -]of)[_ -])?)"
    r"(?:thinking|think|thoughts?+|reasoning|scratchpad|monologue)>?+[ \t]*+"
)
_FENCE = re.compile(
    rf"^[ \t]*+(?P<run>`{{3,}}+|~{{3,}}+)[ \t]*+(?:(?P<thoughts>{_THOUGHTS})|(?P<info>[^\n`]*+))$",
    re.MULTILINE | re.IGNORECASE,
)
_SIGN = re.compile(rf"(?:`(?<![`~]`)`{{2,}}+|~(?<![`~]~)~{{2,}}+)[ \t]*+{_THOUGHTS}$", re.MULTILINE | re.IGNORECASE)
"""The fence's first character is the pattern's, so that `re` skips to it; nothing of a fence stands before it."""


def has_fenced_thoughts(text: str) -> bool:
    """Whether such a fence may stand in the text: a look at it that costs little."""
    return _SIGN.search(text) is not None


def without_fenced_thoughts(text: str) -> tuple[str, list[str]]:
    """The text without such fences, and what stood in them.

    Fences inside of one belong to it. One that is never closed ends where the last fence in it begins.
    """
    said: list[str] = []
    thoughts: list[str] = []
    at = 0
    for opening, closing, below in _fences_of_thoughts(text):
        said.append(text[at : opening.start()])
        thoughts.append(text[opening.end() : closing])
        at = below
    return "".join([*said, text[at:]]), thoughts


def _fences_of_thoughts(text: str) -> Iterator[tuple[re.Match[str], int, int]]:
    """For each the line that opens it, where what it holds ends, and where the text goes on."""
    outer: re.Match[str] | None = None
    last = None
    depth = 0
    for fence in _FENCE.finditer(text):
        if outer is None:
            outer, depth, last = fence, 0, None
        elif fence["thoughts"] or fence["info"].strip():
            depth, last = depth + 1, fence
        elif depth and outer["thoughts"]:
            depth -= 1
        elif fence["run"].startswith(outer["run"]):
            if outer["thoughts"]:
                yield outer, fence.start(), fence.end()
            outer = None
    if outer is not None and outer["thoughts"]:
        end = len(text) if last is None else last.start()
        yield outer, end, end
