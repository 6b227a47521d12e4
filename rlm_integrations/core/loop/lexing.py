"""Strings, comments and brackets of Python code, read once from the left. Never raises, whatever the code is.

The tokenizer of Python 3.11 takes the square of a line's length, and this takes time in proportion to the code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(r"""#|'''|\"\"\"|['"]|[()\[\]{}]|\\\n?+""")
_STRING_ENDS = {
    "'''": re.compile(r"(?>(?:[^'\\]++|\\.|'(?!''))*)'''", re.DOTALL),
    '"""': re.compile(r'(?>(?:[^"\\]++|\\.|"(?!""))*)"""', re.DOTALL),
    "'": re.compile(r"(?>(?:[^'\\\n]++|\\.)*)'", re.DOTALL),
    '"': re.compile(r'(?>(?:[^"\\\n]++|\\.)*)"', re.DOTALL),
}
_F_PREFIX = re.compile(r"(?<!\w)(?:[fF][rR]?+|[rR][fF])$")
_PREFIX_CHARS = 3
_FIELD = re.compile(r"\{([^{}]++)")
_NAME = re.compile(r"(?<![\w.])[^\W\d]\w*+")


class Allowance:
    """Characters that may still be read."""

    def __init__(self, chars: int) -> None:
        self.left = chars


class CodeReader:
    """Tells whether code is whole up to a place: outside of any string, comment and bracket."""

    def __init__(self, text: str, start: int, allowance: Allowance) -> None:
        self._text, self._at, self._allowance = text, start, allowance
        self._depth = 0

    def whole_at(self, place: int) -> bool:
        """For places that only grow. False where reading so far is not allowed."""
        while self._at < place and self._allowance.left > 0:
            began = self._at
            token = _TOKEN.search(self._text, began, place)
            if token is None:
                self._at = place
            else:
                self._depth = _depth_after(self._depth, token[0])
                self._at = _end(self._text, token, token.end() + self._allowance.left)
            self._allowance.left -= self._at - began
        return self._at == place and self._depth == 0


def without_strings(code: str, most_depth: int) -> tuple[str, frozenset[str]] | None:
    """The code with its strings empty and no comments, and the names in fields of its f-strings.

    None where brackets stand deeper in each other than `most_depth`: a parser takes long over those.
    """
    pieces: list[str] = []
    names: set[str] = set()
    at = depth = 0
    while token := _TOKEN.search(code, at):
        pieces.append(code[at : token.start()])
        depth = _depth_after(depth, token[0])
        if depth > most_depth:
            return None
        at = min(_end(code, token, len(code)), len(code))
        if token[0][0] in "'\"":
            pieces.append("''")
            if _F_PREFIX.search(code, max(0, token.start() - _PREFIX_CHARS), token.start()):
                names.update(*(_NAME.findall(field) for field in _FIELD.findall(code[token.end() : at])))
        elif token[0] != "#":
            pieces.append(token[0])
    return "".join([*pieces, code[at:]]), frozenset(names)


def translated(code: str, table: Mapping[int, str | None]) -> str:
    """The code with characters outside of its strings and comments replaced, as `str.translate` does."""
    pieces: list[str] = []
    at = 0
    while token := _TOKEN.search(code, at):
        pieces.append(code[at : token.start()].translate(table))
        at = min(_end(code, token, len(code)), len(code))
        pieces.append(code[token.start() : at])
    return "".join([*pieces, code[at:].translate(table)])


def _depth_after(depth: int, token: str) -> int:
    if token in "([{":
        return depth + 1
    return max(0, depth - 1) if token in ")]}" else depth


def _end(text: str, token: re.Match[str], most: int) -> int:
    """Where what the token begins is over: beyond the text for a long string that is never closed."""
    if token[0] == "#":
        return _line_end(text, token.end())
    if token[0] not in _STRING_ENDS:
        return token.end()
    end = _STRING_ENDS[token[0]].match(text, token.end(), min(len(text), most))
    if end is not None:
        return end.end()
    return _line_end(text, token.end()) if len(token[0]) == 1 else len(text) + 1


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
