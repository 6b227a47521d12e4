"""A root reply -> the code blocks in it. Never raises: whatever a model writes is a reply."""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
from dataclasses import dataclass

_OPENING = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?:repl|python3?|py)\b[^`]*$", re.IGNORECASE)
_FINAL_VAR = re.compile(r"^\s*FINAL_VAR\(\s*[\"']?(\w+)[\"']?\s*\)\s*$", re.MULTILINE)
_FINAL = re.compile(r"^[ \t]*FINAL\(", re.MULTILINE)
_FINAL_END = re.compile(r"\)[ \t]*$", re.MULTILINE)
_CLOSINGS_TRIED = 8


@dataclass(frozen=True, slots=True)
class Reply:
    """What a root reply asks for."""

    blocks: tuple[str, ...]
    """Code to run, in order. FINAL_VAR(...) as plain text becomes a block of its own."""
    final: str | None = None
    """The text of FINAL(...) outside any fence, in a reply without code."""
    prose: str = ""
    """What stands outside the fences."""
    fence_open: bool = False
    """Whether the last fence was never closed."""


def parse_reply(reply: str) -> Reply:
    """Blocks fenced and marked repl, python or py, and FINAL(...) or FINAL_VAR(...) as plain text.

    A block ends at the first closing fence where the code so far is whole, so that a fence inside a
    string does not cut it; where none is, at the first.
    """
    lines = reply.replace("\r\n", "\n").split("\n")  # not splitlines: code may hold U+2028 and the like in a str
    blocks: list[str] = []
    prose: list[str] = []
    fence_open = False
    at = 0
    while at < len(lines):
        opening = _OPENING.match(lines[at])
        if opening is None:
            prose.append(lines[at])
            at += 1
            continue
        end = _closing(lines, at + 1, opening["fence"])
        fence_open = end is None
        end = len(lines) if end is None else end
        blocks.append(_dedented(lines[at + 1 : end], opening["indent"]))
        at = end + 1
    return _with_final(blocks, "\n".join(prose), fence_open)


def _with_final(blocks: list[str], prose: str, fence_open: bool) -> Reply:
    if variable := _FINAL_VAR.search(prose):
        return Reply((*blocks, f"FINAL_VAR({variable[1]!r})"), None, prose, fence_open)
    argument = _final_argument(prose)
    if argument is None:
        return Reply(tuple(blocks), None, prose, fence_open)
    content = _unquoted(argument)
    if blocks:
        return Reply((*blocks, f"FINAL({content!r})"), None, prose, fence_open)
    return Reply((), content, prose)


def _final_argument(prose: str) -> str | None:
    """What FINAL(...) holds: up to the first line's end where the parentheses are even, else up to the last."""
    opening = _FINAL.search(prose)
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


def _closing(lines: list[str], start: int, fence: str) -> int | None:
    closing = re.compile(rf"^[ \t]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$")
    candidates = [at for at in range(start, len(lines)) if closing.match(lines[at])][:_CLOSINGS_TRIED]
    if len(candidates) > 1:
        for end in candidates:
            if _whole("\n".join(lines[start:end])):
                return end
    return candidates[0] if candidates else None


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
