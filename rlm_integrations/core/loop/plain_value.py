"""One value that a text means: without marks and a label around it, and apart from the words that explain it. Pure.

Who reads a value here says what is one. Only what can mean one thing is read, in time linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from rlm_integrations.core.loop.later_lines import named_below, takes_back

_NOUN = (
    r"(?:answer|result|verdict|conclusion|total(?>(?: (?:number|count|amount|value))?)|sum|count|number|value|label"
    r"|category|class(?>(?:ification)?)|status|sentiment|choice|option|score|rating|year|date|price|amount|name)"
    r"(?>(?:\s++of(?>(?:\s++(?!is\b)\w{1,30}+){1,5}))?)"
)
_LABEL = re.compile(
    r"(?>(?:(?>(?:sure[,!.] )?)(?:so|thus|therefore|hence)\b,?+\s++|sure[,!.]\s++)?)"
    rf"(?:(?>(?:(?:the|my)\s++)?)(?>(?:(?:final|correct)\s++)?){_NOUN}[\s*_]*+(?:is\b|[:：=])"
    r"|die antwort (?:ist|lautet)|la réponse est|la respuesta es|答案是|答えは|الجواب هو)[\s:：]*+",
    re.IGNORECASE,
)
"""What stands before an answer and says that it is one."""
_ANY_LABEL = re.compile(r"(?P<words>[^\W\d_][^\n\d:：=→.?]{0,60}+)[:：=→][\s*_]*+|(?:[=→•]|->|=>)[\s*_]*+")
"""What the answer is of, in the words of whoever gives it."""
_NO_LABEL = re.compile(
    r"\b(?:no|not|nor|never|without|wrong|incorrect|unlike|except|if|unless|maybe|perhaps|example|format|error|confidence"
    r"|certainty|page|line|source|step|item|question)\b|n['’]t\b",
    re.IGNORECASE,
)
_EXPLAINS = re.compile(r"[,;.:!](?=[\s*_])|\s?+\(|\s[-–—]++\s|—")
"""What sets an explanation apart from the value before it."""
_NUMBERS_GO_ON = re.compile(r"[\s*_]*+[$€£¥]?+[-+−]?+\d")
_TURNS = r"but|however|wait|actually|although|though|yet|instead|rather|correct(?:ed|ion)"
_WAVERS = re.compile(
    rf"\b(?:{_TURNS}|if|unless|or|maybe|perhaps|possibly|possible|probably|think|guess|believe|doubt|unsure|unclear"
    r"|uncertain|sure|certain|depend(?:s|ing)|might)\b|\?",
    re.IGNORECASE,
)
"""In a label or an explanation: another value may be meant."""
_PIECES = re.compile(r"[.,;:!?](?!\S)|[()\n]|\s[-–—]++\s|—")
_FIRST_OF_SEVERAL = re.compile(
    r"\s*+(?>(?:(?:and|or|also|then|&)\b\s*+)?)(?P<words>(?>(?:(?!\b(?:and|or)\b|[&/])[^\n])*))", re.IGNORECASE
)
_MOST_PIECES = 50
_WORDS_CHARS, _MOST_WORDS = 300, 3
_BOXED = re.compile(r"\\boxed\{(?>(?:\\text\{)?)(?P<value>[^{}\n]*+)\}{1,2}+")
_NOT_BEFORE = re.compile(r"(?:\bnot|n['’]t)[\s$*_({]*+\Z", re.IGNORECASE)
_BEHIND_BOX = re.compile(rf"\b(?:{_TURNS}|so)\b", re.IGNORECASE)
"""What follows may be another value."""
_TAGGED = re.compile(r"<(?P<name>[\w-]{1,30}+)>(?P<value>[^<>]*+)</(?P=name)>")
_MARKS = "*_`\"' \n「」“”"
_ENDS = (".", "。")
_CURRENCY = (
    r"(?:[$€£¥₹₩₽₺฿]|(?:US|C|A)\$|[円元]"
    r"|\b(?:USD|EUR|GBP|CHF|JPY|CNY|RMB|INR|CAD|AUD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|KRW|TRY|ZAR)\b)"
)
_AMOUNT = re.compile(
    rf"(?P<sign>[-+−]?+)(?>(?:{_CURRENCY}[ \u00a0\u202f]?+)?)(?P<inner>[-+−]?+)"
    r"(?P<whole>\d++(?>(?:(?P<group>[,.'’ \u00a0\u2009\u202f])\d{3}+(?!\d)(?>(?:(?P=group)\d{3}+(?!\d))*))?))"
    rf"(?>(?:(?P<point>[.,])(?P<decimals>\d++))?)(?>(?:[ \u00a0\u202f]?+{_CURRENCY})?)"
)


class Found(NamedTuple):
    """A value that stands among words."""

    value: object
    sure: bool
    """Whether no word beside it names another, or takes it back."""


def unlabelled(text: str) -> str:
    """Without a label for an answer before it."""
    label = _LABEL.match(text)
    return text if label is None else text[label.end() :]


def bare(text: str) -> str:
    """Without the marks, a box, a tag and a label around it."""
    text = text.strip().strip(_MARKS)
    boxes = list(islice(_BOXED.finditer(text), 2))
    if len(boxes) == 1 and not _NOT_BEFORE.search(text, 0, boxes[0].start()):
        text = text if _BEHIND_BOX.search(text, boxes[0].end()) else boxes[0]["value"]
    if (tag := _TAGGED.fullmatch(text)) is not None:
        text = tag["value"]
    text = unlabelled(text).strip(_MARKS)
    return (text[:-1] if text.endswith(_ENDS) else text).strip(_MARKS)


def plain_values(text: str, whole_numbers: bool) -> Iterator[str]:
    """What a text may mean as one value: bare, in another case, a number without separators and currency.

    Args:
        text: An answer in words.
        whole_numbers: Whether a comma cannot stand for a decimal point.
    """
    said = bare(text)
    if (number := _number(said, whole_numbers)) is not None:
        yield number
    yield from dict.fromkeys((said, said.lower(), said.upper(), said.capitalize(), said.title()))


def _number(text: str, whole_numbers: bool) -> str | None:
    """The number as JSON has it; None where it is none, or may be another: "1,234" and "1.234" are of two kinds."""
    amount = _AMOUNT.fullmatch(text)
    if amount is None or (amount["sign"] and amount["inner"]):
        return None
    group, point, decimals = amount["group"], amount["point"], amount["decimals"] or ""
    first, *groups = amount["whole"].split(group) if group else [amount["whole"]]
    if (groups and len(first) > 3) or (point and point in (group, "" if groups else ",")):
        return None  # "3,5" may be two numbers
    if group in (",", ".") and not (point or len(groups) > 1 or (group == "," and whole_numbers)):
        return None
    sign = "-" if (amount["sign"] or amount["inner"]) in ("-", "−") else ""
    return sign + first + "".join(groups) + (f".{decimals}" if decimals else "")


def value_among(text: str, read: Callable[[str], tuple[object] | None]) -> Found | None:
    """The value that a text gives below a label of any words, or before an explanation of it; None where it gives none.

    Args:
        text: All of a reply.
        read: Gives the value that a text alone is, in a tuple; None where it is none.
    """
    line, _, below = text.strip().partition("\n")
    for words, why in _splits(line, read):
        found = read(words)
        if found is None:
            continue
        return Found(found[0], not _another(found, why, below, read) and not takes_back(text))
    return None


def _splits(line: str, read: Callable[[str], tuple[object] | None]) -> Iterator[tuple[str, str]]:
    """What may be the value in a line, and what explains it."""
    yield line, ""
    label = _ANY_LABEL.match(line.strip(_MARKS))
    if label is not None and not (label["words"] and _is_no_label(label["words"], read)):
        below = line.strip(_MARKS)[label.end() :]
        yield below, ""
        yield _explained(below)
    yield _explained(unlabelled(line.strip(_MARKS)))


def _is_no_label(words: str, read: Callable[[str], tuple[object] | None]) -> bool:
    return bool(_NO_LABEL.search(words) or _WAVERS.search(words)) or read(words) is not None


def _explained(line: str) -> tuple[str, str]:
    """The words before the sign that sets an explanation apart, and those behind it. A number is not ended by a point,
    which may be that of a list, nor where another number follows."""
    for sign in islice(_EXPLAINS.finditer(line), _MOST_PIECES):
        words, why = line[: sign.start()], line[sign.end() :]
        is_number = words.rstrip(_MARKS)[-1:].isdigit()
        if is_number and sign[0] in ".:":
            continue
        if is_number and "(" not in sign[0] and _NUMBERS_GO_ON.match(why):
            return "", ""
        return words, why
    return "", ""


def _another(found: tuple[object], why: str, below: str, read: Callable[[str], tuple[object] | None]) -> bool:
    """Whether an explanation wavers, or names another value; so do the lines below, in words as loose as the first."""
    if _WAVERS.search(why) or (found[0] is None and any(map(str.isdigit, why))):
        return True
    firsts = map(_FIRST_OF_SEVERAL.match, _PIECES.split(why, _MOST_PIECES))
    texts: list[str] = [first["words"].strip() for first in firsts if first]
    texts += [named for named, _ in named_below(why)]
    if isinstance(found[0], str):
        texts += _some_words(why[:_WORDS_CHARS])
    texts += [words for named, _ in named_below(below) for words, _ in _splits(named, read)]
    return any(other is not None and other != found for other in map(read, filter(None, texts)))


def _some_words(text: str) -> Iterator[str]:
    """Up to three words of a text that follow each other."""
    words = text.split()
    for start in range(len(words)):
        yield from (" ".join(words[start:end]) for end in range(start + 1, min(start + _MOST_WORDS, len(words)) + 1))
