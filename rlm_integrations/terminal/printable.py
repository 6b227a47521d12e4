"""Words that a model, a document, a file's name or a server wrote, made fit for a terminal.

Nothing is dropped in silence: what would steer the terminal, turn text round or be invisible is shown as Python
writes it, `\\x1b` or `\\u202e`.
"""

from __future__ import annotations

import re

_UNFIT = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for line breaks and tabs
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # direction and other line breaks
    # Invisible: format characters, and whatever Unicode lists as Default_Ignorable_Code_Point
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\ud800-\udfff"  # halves of characters
)
_unfit = re.compile(f"[{_UNFIT}]")
_after_a_letter = re.compile(f"(?<=[^\x00-\x7f{_UNFIT}])[\u200c\u200d\ufe0e\ufe0f]|([{_UNFIT}])")
"""Group 1 is unfit. Persian and Indic words and emojis need a joiner or a selector after a visible character."""


def printable(text: str) -> str:
    """The text with everything escaped that a terminal obeys, reorders or hides. Line breaks and tabs stay."""
    return _after_a_letter.sub(lambda found: _escaped(found[0]) if found[1] else found[0], text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The same in one line, for a name or an id: line breaks and tabs are escaped as well."""
    return re.sub(r"[\n\t]", lambda found: _escaped(found[0]), printable(text.replace("\r\n", "\\r\n")))


def one_sentence(text: str) -> str:
    """The same in one line, for prose: each run of white space becomes a space."""
    return printable(" ".join(text.split()))


def printable_json(text: str) -> str:
    """JSON in which what is unfit stands as JSON's own escapes, so that it says the same as before."""
    return _unfit.sub(lambda found: _json_escaped(found[0]), text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _json_escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))
