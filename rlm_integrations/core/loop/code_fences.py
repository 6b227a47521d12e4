"""Fences in a reply: which lines open one, and which may close it.

Finding them takes time in proportion to the reply.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal, NamedTuple

_OPENING = re.compile(
    r"(?P<before>(?>(?:[^`~]++|`{1,2}+(?!`)|~{1,2}+(?!~))*))(?P<run>`{3,}+|~{3,}+)[ \t]*+(?P<info>.*+)", re.DOTALL
)
_MARK = re.compile(
    r"[\u200b\u2060\ufeff]*+(?>(?:lang(?>(?:uage)?)[-=:])?)\{?+\.?+(?P<mark>repl|i?+python[\d.]*+|py[23]?+|tool_code|python_repl|(?:code|python)_interpreter"
    r"|(?:run|execute|exec)_python|jupyter-python)\b(?P<rest>.*+)",
    re.IGNORECASE | re.DOTALL,
)
_LIST_MARKER = re.compile(r"[ \t]*+(?:[-*+•]|\d{1,4}+[.)])[ \t]++")
_QUOTED = re.compile(r"(?>(?:[ \t]*+(?:[-*+•]|\d{1,4}+[.)])[ \t])*)[ \t]*+(?:>|\||»|&gt;).*+", re.DOTALL)
"""What quotes stand behind, be it in a list."""
_LEADING = re.compile(r"[ \t\u00a0\u200b\u2060\ufeff]*+(?P<run>`{3,}+|~{3,}+)(?P<after>.*+)", re.DOTALL)
_STOP_TOKENS = re.compile(r"(?>(?:\s*+(?:<[^<>\n]{1,40}+>|\[/INST\]))*)\s*+")
"""What models and servers write at the end of a turn."""
_NEARLY = re.compile(r"[ \t]*+(?:`{1,}+|~{2,}+|</\w{1,20}+>|\[/\w{1,20}+\])[ \t]*+")
"""A line that is meant to close a fence of another kind."""
_WORD = re.compile(r"[\w+#.-]++")


class Opening(NamedTuple):
    """A line that opens a fence."""

    before: str
    """Words before the fence on its line; "" where there is only white space, or the marker of a list item."""
    indent: str
    """The white space before the fence, where it stands on a line of its own."""
    run: str
    """The fence itself: three or more of one character."""
    mark: str
    """The word by which it says that it holds Python for the REPL, in lower case; "" for any other fence."""
    word: str
    """What the fence of another kind is marked with; "" where it is not."""
    rest: str
    """What follows the mark on the line."""
    column: int
    """Where on the line the fence begins."""


def opening_of(line: str) -> Opening | None:
    """The fence that a line of prose opens, if it opens one."""
    if "```" not in line and "~~~" not in line:
        return None
    found = _OPENING.match(line)
    if found is None or _QUOTED.fullmatch(found["before"]):
        return None  # a block quote is no code of the root LM's own
    before, column = found["before"], found.start("run")
    listed = _LIST_MARKER.fullmatch(before)
    words = "" if listed or not before.strip() else before
    indent = "" if before.strip() else before
    marked = _MARK.match(found["info"])
    if marked is None:
        return Opening(words, indent, found["run"], "", found["info"].strip(), "", column)
    rest = marked["rest"].partition("}")[2] if found["info"].startswith("{") else marked["rest"]
    return Opening(words, indent, found["run"], marked["mark"].lower(), "", rest.strip(), column)


def without_closing(rest: str, run: str) -> str | None:
    """What stands on the line between an opening fence and the closing one at its end; None where there is none."""
    before, fence, after = rest.rpartition(run)
    return before.rstrip(run[0]).strip() if fence and _STOP_TOKENS.fullmatch(after) else None


def without_nearly_closing(lines: list[str]) -> list[str]:
    """The lines of a fence that is never closed, without a last one that is meant to close it; else all."""
    last = next((at for at in range(len(lines) - 1, -1, -1) if lines[at].strip()), None)
    return lines if last is None or not _NEARLY.fullmatch(lines[last]) else lines[:last]


class End(NamedTuple):
    """A place where a fence may end."""

    line: int
    kind: Literal["closing", "opening", "glued"]
    """A line that closes it, one that opens another, or a line of code with the closing fence behind it."""
    column: int
    """Where on the line the fence stands."""
    after: str = ""
    """What follows it on the line: no code."""


def _end_of(at: int, line: str) -> tuple[str, int, End] | None:
    """The character and length of the fence on the line, and what it may end."""
    leading = _LEADING.match(line)
    if leading is not None:
        run, after = leading["run"], leading["after"]
        opens = after and not _STOP_TOKENS.fullmatch(after) and (_MARK.match(after.lstrip()) or _WORD.fullmatch(after))
        return run[0], len(run), End(at, "opening" if opens else "closing", leading.start("run"), after.strip())
    for char in "`~":
        before, fence, after = line.rpartition(char * 3)
        if fence and _STOP_TOKENS.fullmatch(after):
            code = before.rstrip(char)
            return char, len(before) - len(code) + 3, End(at, "glued", len(code))
    return None


class Ends:
    """The lines where fences may end. Finding those of one fence looks at no line of the others.

    Args:
        lines: Of a whole reply.
        start: The first of them that can end a fence.
    """

    def __init__(self, lines: Sequence[str], start: int) -> None:
        self._all: dict[str, _Runs] = defaultdict(_Runs)
        self._sure: dict[str, _Runs] = defaultdict(_Runs)
        for at, line in enumerate(islice(lines, start, None), start):
            if "```" not in line and "~~~" not in line:
                continue
            if (found := _end_of(at, line)) is not None:
                char, length, end = found
                self._all[char].add(length, end)
                if end.kind != "glued":
                    self._sure[char].add(length, end)
        for runs in (*self._all.values(), *self._sure.values()):
            runs.link()

    def after(self, at: int, run: str) -> Iterator[End]:
        """Those below line `at` that end a fence like this one: of its character, and at least as long."""
        return self._all[run[0]].after(at, len(run))

    def has_only(self, end: End, at: int, run: str) -> bool:
        """Whether a fence like this one can end there and nowhere else."""
        return list(islice(self.after(at, run), 2)) == [end]

    def first_sure(self, at: int, run: str) -> End | None:
        """The first of them that ends it wherever it stands: one that is not glued to code."""
        return next(self._sure[run[0]].after(at, len(run)), None)


class _Runs:
    """Ends of one character, with their lengths."""

    def __init__(self) -> None:
        self._ends: list[End] = []
        self._lines: list[int] = []
        self._lengths: list[int] = []
        self._longer: list[int] = []
        """For each run the place of the next one that is longer: a fence of n characters skips fewer than n runs."""

    def add(self, length: int, end: End) -> None:
        self._ends.append(end)
        self._lines.append(end.line)
        self._lengths.append(length)

    def link(self) -> None:
        self._longer = [len(self._ends)] * len(self._ends)
        waiting: list[int] = []
        for place, length in enumerate(self._lengths):
            while waiting and self._lengths[waiting[-1]] < length:
                self._longer[waiting.pop()] = place
            waiting.append(place)

    def after(self, at: int, length: int) -> Iterator[End]:
        index = bisect_left(self._lines, at + 1)
        while index < len(self._ends):
            if self._lengths[index] >= length:
                yield self._ends[index]
                index += 1
            else:
                index = self._longer[index]
