"""What the lines of a reply below its value say: that another one is meant. Pure, and linear in the reply."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlm_integrations.core.loop.second_thoughts import BELOW_A_VALUE

_TAKES_BACK = re.compile(rf"^[ \t\r\u00a0\u3000*_>#(\-–—]*+(?:{'|'.join(BELOW_A_VALUE)})", re.IGNORECASE | re.MULTILINE)
"""Words of a document begin so too, but seldom a line below a value."""
_LABEL = re.compile(
    r"(?:\b(?:answer|result|verdict|conclusion|total|sum|label|corrected|correction|revised|updated|final)\b[*_]{0,3}+"
    r"(?>(?: (?:answer|value|count|total|label|result|number|verdict|choice|version)\b[*_]{0,3}+)?)"
    r"[ \t]*+(?:is(?>(?: now)?)|becomes|(?:should|must) be|[:=]|->|=>|→)|^[ \t\r>*_]*+(?:=>?+|->|→|⇒|≈))[\s*_`:]*+",
    re.IGNORECASE | re.MULTILINE,
)
"""What stands before a value that is the last word on it."""
_SO = re.compile(
    r"(?:\b(?:so|thus|hence|therefore|making|giving),?+"
    r"|^[\s>*_(#•\-–—]*+(?:no[,:]|it['’]s|it is|I meant|make (?:that|it))) "
    r"(?>(?:(?:it['’]s|it is|that is|that makes|that['’]s) )?)",
    re.IGNORECASE,
)
"""What stands before such a value where that ends its line."""
_BULLET = re.compile(r"\A[\s>*•#]*+(?>(?:[-–—]\s++)?)")
_SIGNS = " \t\r*_`\"'“”‘’.,;:|>#•()!-–—"
_MOST = 25
_LINE_CHARS = 200


def takes_back(words: str) -> bool:
    """Whether a line below the first says that what stands above it is wrong."""
    below = words.find("\n") + 1
    return below > 0 and _TAKES_BACK.search(words, below) is not None


def named_below(text: str) -> list[tuple[str, bool]]:
    """What the lines of a text may name as the value, and whether more words may follow that.

    Of many, the first and the last.
    """
    named = list(dict.fromkeys(each for line in text.splitlines() for each in _named_in(line)))
    return named if len(named) <= 2 * _MOST else named[:_MOST] + named[-_MOST:]


def _named_in(line: str) -> Iterator[tuple[str, bool]]:
    if len(line) <= _LINE_CHARS and line.strip(_SIGNS):
        yield _BULLET.sub("", line, count=1), False
    for label in _LABEL.finditer(line):
        yield line[label.end() : label.end() + _LINE_CHARS], True
    for so in _SO.finditer(line, max(0, len(line) - _LINE_CHARS)):
        yield line[so.end() :], False
