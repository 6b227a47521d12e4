"""FINAL(...) and FINAL_VAR(...) that stand in the prose of a reply, as models that were taught so write them."""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass

from rlm_integrations.core.loop.lexing import without_strings
from rlm_integrations.core.loop.session_code import read_python

_FINAL_VAR = re.compile(r"^[^\S\n]*+[*`_]*+FINAL_VAR\(\s*+[\"']?+(\w++)[\"']?+\s*+\)[*`_]*+[^\S\n]*+$", re.MULTILINE)
FINAL = re.compile(r"^[ \t]*+[*`_]*+FINAL\(", re.MULTILINE)
_FINAL_END = re.compile(r"\)[*`_]*+[ \t]*+$", re.MULTILINE)
_TRIPLE = re.compile(r"\s*+[rRuUfF]{0,2}+('''|\"\"\")")
_EMPTY_TO_END = re.compile(r"\s*+\)[*`_]*+[ \t]*+$", re.MULTILINE)
_F_STRING = re.compile(r"[rR]?+[fF][rR]?+['\"]")
_LITERALS = re.compile(r"(?:[rRfFuU]{0,2}+''\s*+)++")


@dataclass(frozen=True, slots=True)
class Final:
    """What prose says is the answer."""

    text: str | None
    """The text that it gives; None for a variable alone."""
    code: str | None = None
    """What the REPL makes the answer of, where it can."""
    names: frozenset[str] | None = None
    """Names of which the REPL must hold one, for the code to be more than words; None where that is sure."""
    written: str = ""
    """All of it, as it was written."""


def final_of(prose: str, own: str) -> Final | None:
    """FINAL_VAR(...) or else FINAL(...) in the prose. `own` is as long, with what does not count blotted out."""
    if "FINAL" not in own:
        return None
    if variable := _FINAL_VAR.search(own):
        return Final(None, f"FINAL_VAR({variable[1]!r})", None, variable[0].strip())
    opening = FINAL.search(own)
    if opening is None:
        return None
    argument = _argument(prose, opening.end())
    if argument is None:
        return None
    argument = argument.strip()
    written = f"FINAL({argument})"
    if argument.isidentifier() and not keyword.iskeyword(argument):
        return Final(argument, written, None, written)
    if _F_STRING.match(argument) and _has_fields(argument):
        return Final(argument, written, None, written)
    if (code := read_python(argument)) is not None and code.looks_up:
        return Final(argument, written, code.free_names, written)
    return Final(_unquoted(argument), None, None, written)


def final_end(text: str, start: int) -> int | None:
    """Where the argument that begins at `start` ends for certain: at a line's end, by its quotes or parentheses."""
    if triple := _TRIPLE.match(text, start):
        closing = text.find(triple[1], triple.end())
        if closing >= 0 and _EMPTY_TO_END.match(text, closing + 3):
            return text.index(")", closing + 3)
    end, even = _even_end(text, start)
    return end if even else None


def _argument(prose: str, start: int) -> str | None:
    """What FINAL(...) holds: up to its certain end, else up to the last parenthesis at a line's end."""
    end = final_end(prose, start)
    if end is None:
        end, _ = _even_end(prose, start)
    return None if end is None else prose[start:end]


def _even_end(text: str, start: int) -> tuple[int | None, bool]:
    """The first parenthesis at a line's end where all are even, else the last, and whether they are even."""
    counted, end, depth = start, None, 0
    for closing in _FINAL_END.finditer(text, start):
        end = closing.start()
        depth += text.count("(", counted, end) - text.count(")", counted, end)
        counted = end
        if depth == 0:
            return end, True
    return end, False


def _has_fields(argument: str) -> bool:
    """Whether the text is an f-string alone, with more in it than text."""
    bare = without_strings(argument, most_depth=1)
    return bare is not None and bool(_LITERALS.fullmatch(bare[0])) and "{" in argument.replace("{{", "")


def _unquoted(argument: str) -> str:
    """The str that FINAL("...") means; anything else is text as it stands."""
    try:
        value = ast.literal_eval(argument)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return argument
    return value if isinstance(value, str) else argument
