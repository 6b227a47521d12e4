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
_PLACES = (
    r"(?:page|pages|line|lines|row|section|clause|entry|item|chapter|part|step|table|figure|year|note|version|FY|Q[1-4]"
    r"|Seite|Zeile|Abschnitt|Jahr|página|ligne|année|año)\b"
)
_NO_OTHER = (
    rf"(?!{_PLACES}|[^\W\d_]{{1,20}}+ {_PLACES}|(?:of|in|on|at|from|since|until|by|as|out|see|about|up|down|over|under"
    r"|than|versus|compared|previously|formerly)\b)"
)
"""A number behind these says where the value stands, or what it is compared to."""
_FEW_WORDS = re.compile(
    rf"{_NO_OTHER}(?>(?:(?>(?:[^\W\d_]|['’-]){{1,20}}),?+ ){{1,3}})(?P<value>[^\s:：|][^:：\n]*+)"
    r"|(?>(?:(?![A-Za-z])[^\W\d_]){1,4}) ?+(?P<number>[-+−]?+\d[\d.,]*+)",
    re.IGNORECASE,
)
"""Words that only lead up to a value, in whatever language: "no, 41", "eher 41"."""
_HEDGED = re.compile(
    rf"{_NO_OTHER}(?>(?:(?=[^\W\dA-Z_])(?>(?:[^\W\d_]|['’-]){{1,20}}) ){{1,2}})(?P<value>[-+−]?+\d[\d.,'’]*+)"
    r"|(?>(?:(?![A-Za-z])[^\W\d_]){1,4}) ?+(?P<number>[-+−]?+\d[\d.,]*+)"
)
"""The same beside a number: no noun, which may say what another number is of."""
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
    """What else the lines may name, where nothing says that it is meant: by their form alone, in whatever language.

    `has_figures`: whether the value is a number or a date. A label may be that of another.
    """
    lines = [_BULLET.sub("", line, count=1).strip(_ENDS) for line in text.splitlines() if len(line) <= _LINE_CHARS]
    lines = [line for line in lines if line]
    if len(lines) > 2 * _MOST:
        lines = lines[:_MOST] + lines[-_MOST:]
    return [each for line in lines for each in _hinted_in(line, has_figures)]


def hedged(piece: str) -> str | None:
    """The number that a piece of an explanation is, behind a word or two."""
    return _value_of(_HEDGED.fullmatch(piece.strip()))


def _hinted_in(line: str, has_figures: bool) -> Iterator[str]:
    aside = _ASIDE.fullmatch(line)
    pieces = [line] if aside is None else [line, aside["rest"]]
    found = [_FEW_WORDS.fullmatch(piece) for piece in pieces]
    found.append(_SENTENCE.fullmatch(line) if has_figures else _LABELLED.fullmatch(line))
    yield from filter(None, (*pieces, *map(_value_of, found)))
    if _TURN.match(line):
        yield line.rpartition(" ")[2]


def _value_of(found: re.Match[str] | None) -> str | None:
    if found is None:
        return None
    groups = found.groupdict()
    return (groups["value"] or groups.get("number") or "").strip(_SIGNS)


def _named_in(line: str) -> Iterator[tuple[str, bool]]:
    if len(line) <= _LINE_CHARS and line.strip(_SIGNS):
        yield _BULLET.sub("", line, count=1), False
    for label in _LABEL.finditer(line):
        yield line[label.end() : label.end() + _LINE_CHARS], True
    for so in _SO.finditer(line, max(0, len(line) - _LINE_CHARS)):
        yield line[so.end() :], False
