"""Code as models write it who show a session, or whose text lost its shape on the way: as they mean it.

Only what is no Python as it stands is changed, and nothing is guessed. Linear in the code.
"""

from __future__ import annotations

import re
import textwrap
from typing import NamedTuple

from rlm_integrations.core.loop.handed_over import called_in_a_space
from rlm_integrations.core.loop.lexing import translated
from rlm_integrations.core.loop.session_code import read_python

_SPACES, _NOTHING = "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", "\u200b\u2060\ufeff"
_ODD = {**dict.fromkeys(map(ord, _SPACES), " "), **dict.fromkeys(map(ord, _NOTHING))}
"""White space that Python does not know, and characters that nobody sees."""
_PROMPT = re.compile(r"[ \t]*+(?:>>>|\.\.\.)(?: |$)|In ?+\[\d{0,5}+\]:(?: |$)|[ \t]{2,}+\.{3,6}+:(?: |$)")
_FIRST_PROMPT = re.compile(r"\s*+(?:>>> |In ?+\[\d{0,5}+\]:)")
_BLANK_LINES = re.compile(r"(?>(?:[ \t]*+\n)+)")
_OUT = re.compile(r"Out ?+\[\d{0,5}+\]:")
_PRINTS = re.compile(
    r"(?P<before>^[ \t]*+(?>(?:(?:for|if|elif|else|while|try)\b[^\n:]{0,200}+:[ \t]*+)?))"
    r"print[ \t]++(?P<printed>[^\s=(][^\n]*+)$",
    re.MULTILINE,
)
_GOES_ON = re.compile(r"[:,(\[{\\]\s*+(?>(?:#.*+)?)$")


class WrittenCode(NamedTuple):
    code: str
    cut: bool = False
    """Whether more code stood below an output that the session is said to have printed."""


def as_meant(code: str) -> WrittenCode:
    """The code without a session's prompts and what it printed, at the margin, with spaces that Python knows.

    A call of a tool alone is what that would run, and `print x` of Python 2 a call.
    """
    cut = False
    if not code.isascii():
        code = translated(code, _ODD)
    if _FIRST_PROMPT.match(code):
        code, cut = _without_prompts(code)
    return WrittenCode(_with_calls_of_print(called_in_a_space(outdented(code))), cut)


def outdented(code: str) -> str:
    """Code without the indentation that its lines share (a fence in a list item is indented as a whole).

    Code that begins further in is no Python as it stands; and where its first line alone lost or won an indentation,
    that line is moved to the others.
    """
    blank = _BLANK_LINES.match(code)
    body = code if blank is None else code[blank.end() :]
    first, _, below = body.partition("\n")
    next_blank = _BLANK_LINES.match(below)
    second = _indentation(below if next_blank is None else below[next_blank.end() :])
    if body[:1] in (" ", "\t"):
        if below.strip() and len(second) < len(_indentation(first)):
            return f"{code[: len(code) - len(body)]}{first.lstrip()}\n{textwrap.dedent(below)}"
        return textwrap.dedent(code)
    if second and first and not _GOES_ON.search(first) and read_python(body) is None:
        moved = f"{code[: len(code) - len(body)]}{first}\n{textwrap.dedent(below)}"
        return moved if read_python(moved) is not None else code
    return code


def _with_calls_of_print(code: str) -> str:
    """Code of Python 2 that prints, with calls for that; other code as it is."""
    if "print " not in code or _PRINTS.search(code) is None or read_python(code) is not None:
        return code
    calling = _PRINTS.sub(r"\g<before>print(\g<printed>)", code)
    return code if read_python(calling) is None else calling


def _indentation(text: str) -> str:
    return text[: len(text) - len(text.lstrip(" \t"))]


def _without_prompts(code: str) -> tuple[str, bool]:
    """The lines behind prompts down to the first that was printed, and whether there are others below it."""
    kept: list[str] = []
    printed = cell = False
    for line in code.split("\n"):
        prompt = _PROMPT.match(line)
        if prompt is not None and printed:
            return "\n".join(kept), True
        if prompt is not None:
            kept.append(line[prompt.end() :])
            cell = line.startswith("In") and not line[prompt.end() :].strip()  # its code stands below
        elif cell and not _OUT.match(line):
            kept.append(line)
        elif line.strip():
            printed = True
    return "\n".join(kept), False
