"""Search patterns: how they are read, and how a slow kind of them is found fast."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import Pattern
from typing import Any

_FLAGS = re.IGNORECASE | re.MULTILINE
_compile, _PatternError = re.compile, re.error
_DOTALL, _VERBOSE, _DEBUG = re.DOTALL, re.VERBOSE, re.DEBUG

# Where a space stays one: character classes and comments; other escapes are passed over. Then a run of spaces, plain or
# escaped as `re.escape` writes them, the last of it quantified or not.
_ESCAPE_CLASS_OR_SPACES = _compile(r"(\\[^ ]|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?\#[^)]*\))|((?:\\? )+)([*+?{]?)", re.DOTALL)

# White space, or line breaks with the margin of a comment, a quotation or a list: "# ", "// ", "* ", "> ", "- ".
# Both begin with one `\s`, which is written before them, so that `re` looks for it alone.
ANY_SPACE = r"\s(?:\s*|(?>(?:\s*(?<=\n)[^\S\n]*+(?:#++|//++|\*++|>(?>(?:[^\S\n]?>)*)|-)(?=\s))+)\s++)"

# A pattern that begins with any text of the line: `.*`, `.{0,80}`, lazy or not, in a group or not.
_ANY_TEXT_FIRST = _compile(r"(?:\((?:\?:|\?P<\w+>)?)?\.(?:\*|\{0?,(?P<reach>\d+)\})\??\)?(?![+*?{])")
_PARENTHESES = _compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()|]", re.DOTALL)
_GROUP_BY_NUMBER = _compile(r"\\\d|\(\?\(", re.DOTALL)


def read_pattern(pattern: Any) -> re.Pattern[str]:
    """A compiled pattern as it is; a str with case ignored, `^ $` at lines, and a space for any run of white space,
    line breaks with the margin of a comment, a quotation or a list included.

    Raises re.error, with its position in the str; TypeError for another type.
    """
    if isinstance(pattern, Pattern):
        if isinstance(pattern.pattern, str):  # pyright: ignore[reportUnknownMemberType]
            return pattern  # pyright: ignore[reportUnknownVariableType]
        raise TypeError("pattern: is for bytes; the corpus is text, so compile it from a str")
    if not isinstance(pattern, str):
        raise TypeError(f"pattern: {type(pattern).__name__} is not a str or a compiled pattern")
    as_written = _compile(pattern, _FLAGS)  # an error is raised here, with the position in what the model wrote
    if " " not in pattern or as_written.flags & _VERBOSE:
        return as_written
    for run in (ANY_SPACE, r"\s+", r"\s"):  # a look-behind takes only what has a fixed width
        try:
            return _compile(_with_any_space(pattern, run), _FLAGS)
        except _PatternError:
            continue
    return as_written


def find_all(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """What `pattern.finditer(text)` yields.

    A pattern that begins with `.*` or `.{0,80}` makes `re` try every place of a line anew, which is quadratic in the
    line's length. Here the rest of the pattern is looked for first, and the whole then tried where it can begin.
    """
    fast = _rest_after_any_text(pattern)
    if fast is None:
        yield from pattern.finditer(text)
        return
    rest, reach = fast
    place = 0
    while (core := rest.search(text, place)) is not None:
        earliest = place if reach is None else max(place, core.start() - reach)
        found = pattern.match(text, max(earliest, text.rfind("\n", place, core.start()) + 1))
        if found is None or found.start() == found.end():  # how to go on after an empty match, only `re` knows
            yield from pattern.finditer(text, place)
            return
        yield found
        place = found.end()


def _with_any_space(pattern: str, run: str) -> str:
    def replace(part: re.Match[str]) -> str:
        kept, spaces, quantifier = part.groups()
        if kept:
            return kept
        if not quantifier:
            return run
        return (run if spaces.count(" ") > 1 else "") + r"\s" + quantifier

    return _ESCAPE_CLASS_OR_SPACES.sub(replace, pattern)


def _rest_after_any_text(pattern: re.Pattern[str]) -> tuple[re.Pattern[str], int | None] | None:
    """The pattern without the any-text at its beginning, and how far that reaches (None: over the line).

    None where there is no such beginning, or where groups that are called by number would be others in the rest.
    """
    source = pattern.pattern
    head = _ANY_TEXT_FIRST.match(source)
    if head is None or pattern.flags & (_DOTALL | _VERBOSE):
        return None
    rest = source[head.end() :]
    if not _balanced(head.group()) or not _balanced(rest) or _GROUP_BY_NUMBER.search(rest):
        return None
    try:
        compiled = _compile(rest, pattern.flags & ~_DEBUG)
    except _PatternError:
        return None
    if compiled.match("") is not None:
        return None
    reach = head["reach"]
    return compiled, None if reach is None else int(reach)


def _balanced(source: str) -> bool:
    """Whether parentheses pair up within the source and no `|` stands outside them."""
    depth = 0
    for part in _PARENTHESES.finditer(source):
        token = part.group()
        depth += (token == "(") - (token == ")")
        if depth < 0 or (token == "|" and not depth):
            return False
    return not depth
