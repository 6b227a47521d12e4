"""What the lines of a reply below its value say: that another one is meant. Pure, and linear in the reply."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlm_integrations.core.loop.second_thoughts import BELOW_A_VALUE

_TAKES_BACK = re.compile(
    rf"^[ \t\r\u00a0\u3000*_>#(\-–—]*+(?>(?:(?:oh|ah|ok|okay|well|but)\b[,.!… ]++)?)(?:{'|'.join(BELOW_A_VALUE)})",
    re.IGNORECASE | re.MULTILINE,
)
"""Words of a document begin so too, but seldom a line below a value."""
_LABEL = re.compile(
    r"(?:\b(?:answer|result|verdict|conclusion|total|sum|label|option|choice|[ck]orr[ei][cçgkz]\w{0,8}+|исправ\w{0,8}+|[更修訂]正|revised|updated|final)"
    r"\b[*_]{0,3}+"
    r"(?>(?: (?:answer|value|count|total|label|result|number|verdict|choice|version)\b[*_]{0,3}+)?)"
    r"[ \t]*+(?:is(?>(?: now)?)|becomes|(?:should|must) be|[:=：]|->|=>|→)"
    r"|\b(?:would|could|should|might|may) (?>(?:(?:also|then|even|well|rather|instead) )?)be"
    r"|^[ \t\r>*_]*+(?:=>?+|->|→|⇒|≈))[\s*_`:]*+",
    re.IGNORECASE | re.MULTILINE,
)
"""What stands before a value that is the last word on it: "correction" in many languages."""
_NO_OTHER = (
    r"(?!(?:of|in|on|at|from|since|until|by|as|out|page|pages|line|lines|row|section|clause|entry|item|chapter|part|step"
    r"|note|see|version|about)\b)"
)
_FEW_WORDS = re.compile(
    rf"{_NO_OTHER}(?P<words>(?>(?:(?>(?:[^\W\d_]|['’-]){{1,20}}),?+ ){{1,3}}))(?P<value>[^\s:：|][^:：\n]*+)",
    re.IGNORECASE,
)
"""Words that only lead up to a value, in whatever language: "Das ist eher neutral". Some say where it stands."""
_NUMBER_BEHIND = re.compile(
    r"(?P<words>(?>(?:(?>(?:[^\W\d_]|['’-]){1,20}),?+ ){1,3})|(?>(?:(?![A-Za-z])[^\W\d_]){1,4}))"
    r"(?P<value>[-+−]?+\d[\d.,'’-]*+)"
)
_DOUBT = re.compile(
    r"\b(?:or|nor|oder|ou|o|eller|lub|или|maybe|perhaps|possibly|vielleicht|eventuell|evtl|peut-être|quizás?+|tal vez"
    r"|forse|talvez|misschien|kanske|może|может|возможно|rather|eher|sondern|vielmehr|plutôt|más bien|piuttosto"
    r"|скорее|liever|no|non|nein|nee|nej|нет|não|nie)\b|或|应该|應該|也许|也許|可能|または|あるいは|たぶん|いや|또는|아마",
    re.IGNORECASE,
)
"""What of these words makes a number another value: else it may be that of a page, a year or whatever they name."""
_ASIDE = re.compile(r"[^\W\d_]{1,20}+(?>(?: [^\W\d_]{1,20}+)?)[,，、]\s*+(?P<rest>\S[^\n]*+)")
_LABELLED = re.compile(r"[^:：\n]{1,60}+[:：][\s*_]*+(?P<value>[^\n]++)")
_SENTENCE = re.compile(r"(?=[^:：\n,，]*+[,，])(?>(?:\w++\W++){3})[^:：\n]*+[:：][\s*_]*+(?P<value>[^\n]++)")
"""What comes to a value, be it that of another line."""
_TURN = re.compile(r"(?:but|however|although|though|yet|rather|instead)\b", re.IGNORECASE)
_SO = re.compile(
    r"(?:\b(?:so|thus|hence|therefore|making|giving),?+"
    r"|^[\s>*_(#•\-–—]*+(?:no[,:]|it['’]s|it is|I meant|make (?:that|it))) "
    r"(?>(?:(?:it['’]s|it is|that is|that makes|that['’]s) )?)",
    re.IGNORECASE,
)
"""What stands before such a value where that ends its line."""
_BULLET = re.compile(r"\A[\s>*•#]*+(?>(?:[-–—]\s++)?)")
_SIGNS = " \t\r*_`\"'“”‘’.,;:|>#•()!-–—"
_ENDS = f"{_SIGNS}。！?？"
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


def hinted_below(text: str, *, has_figures: bool) -> list[str]:
    """What else the lines may name, where nothing says that it is meant: by their form, in whatever language.

    `has_figures`: whether the value is a number or a date. A label may be that of another, and a word before one too.
    """
    lines = [_BULLET.sub("", line, count=1).strip(_ENDS) for line in text.splitlines() if len(line) <= _LINE_CHARS]
    lines = [line for line in lines if line]
    if len(lines) > 2 * _MOST:
        lines = lines[:_MOST] + lines[-_MOST:]
    return [each for line in lines for each in _hinted_in(line, has_figures)]


def hedged(piece: str) -> str | None:
    """The number that a piece of an explanation gives for another one, behind a word or two."""
    found = _NUMBER_BEHIND.fullmatch(piece.strip())
    if found is None or _DOUBT.search(found["words"]) is None:
        return None
    return found["value"].strip(_SIGNS)


def _hinted_in(line: str, has_figures: bool) -> Iterator[str]:
    aside = _ASIDE.fullmatch(line)
    pieces = [line] if aside is None else [line, aside["rest"]]
    yield from pieces
    if has_figures:
        yield from filter(None, map(hedged, pieces))
        found = [_SENTENCE.fullmatch(line)]
    else:
        found = [*map(_FEW_WORDS.fullmatch, pieces), _LABELLED.fullmatch(line)]
    yield from (each["value"].strip(_SIGNS) for each in found if each is not None)
    if _TURN.match(line):
        yield line.rpartition(" ")[2]


def _named_in(line: str) -> Iterator[tuple[str, bool]]:
    if len(line) <= _LINE_CHARS and line.strip(_SIGNS):
        yield _BULLET.sub("", line, count=1), False
    for label in _LABEL.finditer(line):
        yield line[label.end() : label.end() + _LINE_CHARS], True
    for so in _SO.finditer(line, max(0, len(line) - _LINE_CHARS)):
        yield line[so.end() :], False
