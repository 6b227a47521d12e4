"""FINAL(...) and FINAL_VAR(...) that stand in the prose of a reply, as models that were taught so write them."""

from __future__ import annotations

import ast
import builtins
import keyword
import re

from rlm_integrations.core.loop.lexing import without_strings
from rlm_integrations.core.loop.session_code import read_python
from rlm_integrations.frozen import frozen

_WORDS = r"^(?P<words>(?:(?!FINAL)[^\n]){0,100}+)"
_AFTER = r"[*`_]*+[.!]?+[*`_]*+[^\S\n]*+$"
_FINAL_VAR = re.compile(
    _WORDS + r"FINAL_VAR\(\s*+(?:\w{1,40}+\s*+=\s*+)?+[\"']?+(?P<name>\w++)[\"']?+\s*+\)" + _AFTER, re.MULTILINE
)
_FINAL = re.compile(_WORDS + r"FINAL\((?:[^\S\n]*+(?:answer|content|value|result|text)[^\S\n]*+=(?!=))?+", re.MULTILINE)
_FINAL_END = re.compile(r"\)" + _AFTER, re.MULTILINE)
_SPACED = re.compile(r"(?<![\w(])(FINAL(?:_VAR)?+) \(")
_MARKS = " \t*`_#-+"
_NUMBER = re.compile(r"\d{1,4}+[.)]$")
_LEADS_UP = re.compile(r"(?:[:=→]|[-=]>|\b(?:is|be|answer|return))[\s*`_]*+$", re.IGNORECASE)
"""How words end that a call follows on the same line. Other words speak of it."""
_PLACEHOLDER = re.compile(
    r"\.\.\.|…|<?+(?:your|the|final|my)[ _](?:final[ _])?+answer(?: (?:goes )?+here)?+>?+", re.IGNORECASE
)
"""How talk of FINAL names what it will hold."""
_BRACED = re.compile(r"\{{1,2}+\s*+(?P<name>[^\W\d]\w*+)\s*+\}{1,2}+")
_MOST_FINALS = 50
_TRIPLE = re.compile(r"\s*+[rRuUfF]{0,2}+('''|\"\"\")")
_EMPTY_TO_END = re.compile(r"\s*+\)" + _AFTER, re.MULTILINE)
_F_STRING = re.compile(r"[rR]?+[fF][rR]?+['\"]")
_LITERALS = re.compile(r"(?:[rRfFuU]{0,2}+''\s*+)++")


@frozen
class Final:
    """What prose says is the answer."""

    text: str | None
    """The text that it gives; None for a variable alone."""
    code: str | None = None
    """What the REPL makes the answer of, where it can."""
    names: frozenset[str] | None = None
    """Names of which the REPL must hold one, for the code to be more than words; None where that is sure."""
    all_names: frozenset[str] = frozenset()
    """Names of which it must hold all."""
    written: str = ""
    """All of it, as it was written."""


def final_of(prose: str, own: str) -> Final | None:
    """FINAL_VAR(...), or else the last FINAL(...) in the prose.

    `own` is as long, with what does not count blotted out.
    """
    if "FINAL" not in own:
        return None
    if prose.count("\n", 0, len(prose.strip())) == 0 and _SPACED.match(prose.strip(_MARKS + "\n")):
        prose = own = _SPACED.sub(r"\1(", prose)  # "FINAL (2024)" among other lines may be a heading
    if variable := next(filter(_begins, _FINAL_VAR.finditer(own)), None):
        return Final(None, f"FINAL_VAR({variable['name']!r})", None, written=variable[0].strip())
    argument, at = None, 0
    for _ in range(_MOST_FINALS):
        opening = _opening(own, at)
        found = None if opening is None else _argument(prose, opening.end())
        if opening is None or found is None:
            break
        argument, at = found.strip(), opening.end() + len(found)
    return None if argument is None or _PLACEHOLDER.fullmatch(argument) else _final(argument)


def _final(argument: str) -> Final:
    written = f"FINAL({argument})"
    if argument.isidentifier() and not keyword.iskeyword(argument):
        return Final(argument, written, written=written)
    if _F_STRING.match(argument) and _has_fields(argument):
        return Final(argument, written, written=written)
    if braced := _BRACED.fullmatch(argument):
        return Final(argument, f"FINAL({braced['name']})", frozenset((braced["name"],)), written=written)
    code = read_python(argument)
    if code is not None and code.looks_up:
        return Final(argument, written, code.free_names, written=written)
    if code is not None and code.computes:
        return Final(argument, written, code.free_names, code.free_names.difference(dir(builtins)), written)
    return Final(_unquoted(argument), written=written)


def final_opening(line: str) -> re.Match[str] | None:
    """The FINAL( that a line begins with, or that words in it lead up to."""
    return _opening(line, 0) if "FINAL(" in line else None


def _opening(text: str, at: int) -> re.Match[str] | None:
    return next(filter(_begins, _FINAL.finditer(text, at)), None)


def _begins(found: re.Match[str]) -> bool:
    words = found["words"].strip().strip(_MARKS)
    return not words or _NUMBER.match(words) is not None or _LEADS_UP.search(found["words"]) is not None


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
