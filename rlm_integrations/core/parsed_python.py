"""Python code that others wrote, as a tree. Bounded, for the parser keeps the interpreter locked; never raises."""

from __future__ import annotations

import ast
import re
import unicodedata
from itertools import islice

MOST_CHARS = 50_000
"""Of code that is read."""
_MOST_TOKENS = 10_000
"""They take the parser some 40 ms at worst."""
_MOST_MARKS = 30
"""Marks of one letter, as Unicode's stream-safe form has it. More of them are of no language."""

_TOKEN = re.compile(r"\w++|[^\w\s]")
_FOREIGN = re.compile(rf"[^\x00-\x7f]{{{_MOST_MARKS + 1},}}+")
_MARKS_THAT_ARE_LETTERS = "\uff9e\uff9f"


def parsed(code: str) -> ast.Module | None:
    """None where it is no Python, or too long to tell. Brackets are to be counted by whoever asks."""
    if len(code) > MOST_CHARS or "\0" in code or _has_many_tokens(code) or _piles_marks(code):
        return None
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _has_many_tokens(code: str) -> bool:
    return any(islice(_TOKEN.finditer(code), _MOST_TOKENS, None))


def _piles_marks(code: str) -> bool:
    """Whether the parser would normalize a name in time that is the square of the marks on one of its letters."""
    for run in _FOREIGN.finditer(code):
        marks = 0
        for char in run[0]:
            is_mark = unicodedata.category(char)[0] == "M" or char in _MARKS_THAT_ARE_LETTERS
            marks = marks + 1 if is_mark else 0
            if marks > _MOST_MARKS:
                return True
    return False
