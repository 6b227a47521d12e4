"""A root reply -> the code blocks in it. Never raises: whatever a model writes is a reply.

A reply may quote a hostile document, so reading it takes time in proportion to its length, whatever it holds. No
pattern here backtracks: every quantifier is possessive.
"""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

_OPENING = re.compile(
    r"^(?P<indent>[ \t]*+)(?P<fence>`{3,}+|~{3,}+)[ \t]*+(?:repl|python3?+|py)\b[^`]*+$", re.IGNORECASE
)
_CLOSING = re.compile(r"^[ \t]*+(`{3,}+|~{3,}+)[ \t]*+$")
_FINAL_VAR = re.compile(r"^[^\S\n]*+FINAL_VAR\(\s*+[\"']?+(\w++)[\"']?+\s*+\)[^\S\n]*+$", re.MULTILINE)
_FINAL = re.compile(r"^[ \t]*+FINAL\(", re.MULTILINE)
_FINAL_END = re.compile(r"\)[ \t]*+$", re.MULTILINE)
_CLOSINGS_TRIED = 8
_READ_BY_TOKENS = 500_000
"""Characters of a reply that are read token by token, for half a second at most. Beyond, a block ends at its first
closing fence."""
_LINE_CHARS = 100  # the tokenizer of Python 3.11 may take the square of a line's length


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """What a root reply asks for."""

    blocks: tuple[str, ...]
    """Code to run, in order. FINAL_VAR(...) as plain text becomes a block of its own."""
    final: str | None = None
    """The text of FINAL(...) outside any fence, in a reply without code."""
    prose: str = ""
    """What stands outside the blocks, quotations included."""
    fence_open: bool = False
    """Whether the last fence was never closed."""
    quoted: int = 0
    """How many fenced blocks are quotations of what the root LM was shown, and so no code."""


def parse_reply(reply: str, is_quotation: Callable[[Sequence[str]], bool] | None = None) -> ParsedReply:
    """Blocks fenced and marked repl, python or py, and FINAL(...) or FINAL_VAR(...) as plain text.

    A block ends at the first closing fence where the code so far is whole, so that a fence inside a
    string does not cut it; where none is, at the first.

    Args:
        reply: What the root LM wrote.
        is_quotation: Told the lines of a block up to the first closing fence, both fences included, says whether they
            are quoted. Then they are prose, and no FINAL in them counts.
    """
    lines = reply.replace("\r\n", "\n").split("\n")  # not splitlines: code may hold U+2028 and the like in a str
    closings, completeness = _Closings(lines), _Completeness()
    blocks: list[str] = []
    prose: list[str] = []
    own: list[str] = []  # the prose as long as it is, but with nothing in its quotations
    fence_open, quoted = False, 0
    at = 0
    while at < len(lines):
        opening = _OPENING.match(lines[at])
        if opening is None:
            prose.append(lines[at])
            own.append(lines[at])
            at += 1
            continue
        ends = list(islice(closings.after(at, opening["fence"]), _CLOSINGS_TRIED))
        if ends and is_quotation is not None and is_quotation(lines[at : ends[0] + 1]):
            quotation = lines[at : ends[0] + 1]
            prose += quotation
            own += ["\0" * len(line) for line in quotation]
            quoted += 1
            at = ends[0] + 1
            continue
        fence_open = not ends
        end = completeness.first_end(lines, at + 1, ends) if ends else len(lines)
        blocks.append(_dedented(lines[at + 1 : end], opening["indent"]))
        at = end + 1
    return _with_final(ParsedReply(tuple(blocks), None, "\n".join(prose), fence_open, quoted), "\n".join(own))


def _with_final(reply: ParsedReply, own: str) -> ParsedReply:
    """The reply with the FINAL_VAR(...) or FINAL(...) in its prose. `own` is the prose, its quotations blotted out."""
    if variable := _FINAL_VAR.search(own):
        return replace(reply, blocks=(*reply.blocks, f"FINAL_VAR({variable[1]!r})"))
    argument = _final_argument(reply.prose, own)
    if argument is None:
        return reply
    content = _unquoted(argument)
    if reply.blocks:
        return replace(reply, blocks=(*reply.blocks, f"FINAL({content!r})"))
    return replace(reply, final=content)


def _final_argument(prose: str, own: str) -> str | None:
    """What FINAL(...) holds: up to the first line's end where the parentheses are even, else up to the last."""
    opening = _FINAL.search(own)
    if opening is None:
        return None
    start = counted = opening.end()
    end, depth = None, 0
    for closing in _FINAL_END.finditer(prose, start):
        end = closing.start()
        depth += prose.count("(", counted, end) - prose.count(")", counted, end)
        counted = end
        if depth == 0:
            break
    return None if end is None else prose[start:end]


class _Closings:
    """The lines that may close a fence. Finding those of one fence looks at no line of the others."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._of = {"`": _Runs(), "~": _Runs()}
        for at, line in enumerate(lines):
            if closing := _CLOSING.match(line):
                self._of[closing[1][0]].add(at, len(closing[1]))
        for runs in self._of.values():
            runs.link()

    def after(self, at: int, fence: str) -> Iterator[int]:
        """The lines after `at` that close a fence like this one: of its character, and at least as long."""
        runs = self._of[fence[0]]
        index = bisect_left(runs.lines, at + 1)
        while index < len(runs.lines):
            if runs.lengths[index] >= len(fence):
                yield runs.lines[index]
                index += 1
            else:
                index = runs.longer[index]


class _Runs:
    """Lines that hold a run of one character and nothing else."""

    def __init__(self) -> None:
        self.lines: list[int] = []
        self.lengths: list[int] = []
        self.longer: list[int] = []
        """For each run the place of the next one that is longer: a fence of n characters skips fewer than n runs."""

    def add(self, line: int, length: int) -> None:
        self.lines.append(line)
        self.lengths.append(length)

    def link(self) -> None:
        self.longer = [len(self.lines)] * len(self.lines)
        waiting: list[int] = []
        for place, length in enumerate(self.lengths):
            while waiting and self.lengths[waiting[-1]] < length:
                self.longer[waiting.pop()] = place
            waiting.append(place)


class _Completeness:
    """Tells whether code is whole, for as many characters of a reply as that may take."""

    def __init__(self) -> None:
        self._left = _READ_BY_TOKENS

    def first_end(self, lines: Sequence[str], start: int, ends: Sequence[int]) -> int:
        """The first of the ends up to which the code is whole; where there is none, the first."""
        if len(ends) > 1:
            for end in ends:
                if self._affords(lines, start, end) and _whole("\n".join(lines[start:end])):
                    return end
        return ends[0]

    def _affords(self, lines: Sequence[str], start: int, end: int) -> bool:
        for at in range(start, end):
            if self._left <= 0:
                break
            length = len(lines[at]) + 1
            self._left -= length + length * length // _LINE_CHARS
        return self._left > 0


def _whole(code: str) -> bool:
    """Whether the code ends outside any string and bracket."""
    if "\0" in code:  # never Python, and a SystemError of the tokenizer from 3.12 on
        return False
    try:
        for _ in tokenize.generate_tokens(io.StringIO(textwrap.dedent(code)).readline):
            pass
    except (tokenize.TokenError, SyntaxError, ValueError):  # ValueError: a lone surrogate, from Python 3.12 on
        return False
    return True


def _dedented(lines: list[str], indent: str) -> str:
    """The block without the indentation of its fence (a fence in a list item is indented as a whole).

    Code that begins further in is no Python as it stands, so what all its lines share is dropped too.
    """
    code = "\n".join(line.removeprefix(indent) for line in lines)
    return textwrap.dedent(code) if code.lstrip("\n")[:1] in (" ", "\t") else code


def _unquoted(argument: str) -> str:
    """The str that FINAL("...") means; anything else is text as it stands."""
    try:
        value = ast.literal_eval(argument.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return argument.strip()
    return value if isinstance(value, str) else argument.strip()
