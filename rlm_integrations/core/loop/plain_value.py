"""One value that a text means: without marks and a label around it, and apart from the words that explain it. Pure.

Who reads a value here says what is one. Only what can mean one thing is read, in time linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from rlm_integrations.core.loop.later_lines import hedged, hinted_below, named_below, takes_back

_SO = r"(?>(?:(?>(?:sure[,!.] )?)(?:so|thus|therefore|hence)\b,?+\s++|sure[,!.]\s++)?)(?>(?:(?:the|my)\s++)?)"
_ANSWER = (
    r"answer|result|verdict|conclusion|total(?>(?: (?:number|count|amount|value))?)|sum|count|label|classification"
)
_OF = r"(?>(?:\s++of(?>(?:\s++(?!is\b)\w{1,30}+){1,5}))?)"
_LABEL = re.compile(
    rf"{_SO}(?>(?:(?:final|correct)\s++)?)(?:{_ANSWER}){_OF}[\s*_]*+(?:is\b|[:：=])[\s:：]*+"
    r"|(?:die antwort (?:ist|lautet)|la réponse est|la respuesta es|答案是|答えは|الجواب هو)[\s:：]*+",
    re.IGNORECASE,
)
"""What stands before an answer and says that it is one."""
_ANY_LABEL = re.compile(
    r"(?P<words>[^\W\d_][^\n\d:：=→.?]{0,60}+)[:：=→][\s*_]*+|(?:->|=>|[=→•])[\s*_]*+"
    rf"|{_SO}(?:number|value|category|class|status|sentiment|choice|option|score|rating|year|date|price|amount|name)"
    rf"{_OF}[\s*_]*+is\b[\s*_:]*+",
    re.IGNORECASE,
)
"""What the answer is of, in the words of whoever gives it."""
_NO_LABEL = re.compile(
    r"\b(?:no|not|nor|none|never|cannot|without|wrong|incorrect|unlike|except|if|unless|maybe|perhaps|example|format|error"
    r"|confidence|certainty|page|line|source|step|item|question|old|previous|former|earlier|initial|draft)\b|n['’]t\b",
    re.IGNORECASE,
)
_EXPLAINS = re.compile(r"[,;.:!](?=[\s*_])|[，、；。：！]|\s?+[(（]|\s[-–—]++\s|—")
"""What sets an explanation apart from the value before it."""
_NUMBERS_GO_ON = re.compile(r"[\s*_]*+[$€£¥]?+[-+−]?+\d")
_TURNS = r"but|however|wait|actually|although|though|yet|instead|rather|correct(?:ed|ion)"
_WAVERS = re.compile(
    rf"\b(?:{_TURNS}|if|unless|or|maybe|perhaps|possibly|possible|probably|think|guess"
    r"|believe|doubt|unsure|unclear"
    r"|uncertain|sure|certain|depend(?:s|ing)|might|let me|let['’]s|I['’]ll|I (?:will|need|must|should|have to))\b|\?",
    re.IGNORECASE,
)
"""In a label or an explanation: another value may be meant, or is still to be found."""
_WAVERING_LABEL = re.compile(r"\b(?:likely|unlikely|seems?+)\b", re.IGNORECASE)
_EXCEPT = re.compile(r"\bexcept\b", re.IGNORECASE)
"""Behind yes or no alone: of a choice it may say why."""
_PIECES = re.compile(r"[.,;:!?](?!\S)|[，、；。：！？（）()\n]|\s[-–—]++\s|—")
_FIRST_OF_SEVERAL = re.compile(
    r"\s*+(?>(?:(?:and|or|also|then|&)\b\s*+)?)(?P<words>(?>(?:(?!\b(?:and|or)\b|[&/])[^\n])*))", re.IGNORECASE
)
_STOP = re.compile(r"[.,;:!?](?=[\s*_]|$)|\(")
"""What ends a value below a label that more words follow."""
_BLANK_LINE = re.compile(r"\n[ \t]*+\n")
_MOST_PIECES = 50
_WORDS_CHARS, _MOST_WORDS, _MOST_LOOKS = 300, 3, 8
_BOXED = re.compile(r"\\boxed\{(?>(?:\\text\{)?)(?P<value>[^{}\n]*+)\}{1,2}+")
_NOT_BEFORE = re.compile(r"(?:\bnot|n['’]t)[\s$*_({]*+\Z", re.IGNORECASE)
_BEHIND_BOX = re.compile(rf"\b(?:{_TURNS}|so)\b", re.IGNORECASE)
"""What follows may be another value."""
_TAGGED = re.compile(r"<(?P<name>[\w-]{1,30}+)>(?P<value>[^<>]*+)</(?P=name)>")
_TAGGED_ANSWER = re.compile(
    r"<(?P<name>(?>(?:final_)?)answer|result|output|response)>(?P<value>[^<>]*+)</(?P=name)>\s*+\Z", re.IGNORECASE
)
_MARKS = "*_`\"' \n「」“”«»『』【】"
_ENDS = (".", "。", "です")
_HEADING = re.compile(r"#{1,6}+ ++")
_TITLE = re.compile(r"(?:#{1,6}+ ++(?P<heading>[^\n]++)|(?P<words>[^\n\d]{1,80}+)(?<=[:：*]))\n\s*+(?=\S)")
"""A line that says what stands below it."""
_MOST_TITLES = 3
_SUM = re.compile(r"(?=[^=\n+*/×·÷−-]*+[+*/×·÷−-])[\d\s.,'’$€£()+\-−*/×·÷]++=[\s*_]*+")
_DENIED = re.compile(
    r"[\s*_.!]*+(?:no|not|non|nein|nee|nej|nie|nem|não|ne|нет|не|否|不是?+|いいえ|아니요?+|false|wrong|falsch|faux|falso)"
    r"[\s*_.!)）]*+",
    re.IGNORECASE,
)
"""All of an explanation: of one of several choices it says that it is not the one."""
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


def first_paragraph(text: str) -> str:
    """Without what a model adds below an empty line."""
    return _BLANK_LINE.split(text, maxsplit=1)[0].strip()


def unlabelled(text: str) -> str:
    """Without a label for an answer before it."""
    label = _LABEL.match(text)
    return text if label is None else text[label.end() :]


def bare(text: str) -> str:
    """Without the marks, a box, a tag and a label around it."""
    text = text.strip().strip(_MARKS)
    if heading := _HEADING.match(text):
        text = text[heading.end() :].strip(_MARKS)
    boxes = list(islice(_BOXED.finditer(text), 2))
    if len(boxes) == 1 and not _NOT_BEFORE.search(text, 0, boxes[0].start()):
        text = text if _BEHIND_BOX.search(text, boxes[0].end()) else boxes[0]["value"]
    if (tag := _TAGGED.fullmatch(text)) is not None:
        text = tag["value"]
    text = unlabelled(text).strip(_MARKS)
    end = next(filter(text.endswith, _ENDS), "")
    text = text.removesuffix(end).strip(_MARKS)
    return text[:-1] if text.endswith("!") and text[-2:-1].isalpha() else text


def plain_values(text: str, whole_numbers: bool) -> Iterator[str]:
    """What a text may mean as one value: bare, in another case, a number without separators and currency.

    Args:
        text: An answer in words.
        whole_numbers: Whether a comma cannot stand for a decimal point.
    """
    said = bare(text)
    if (number := _number(said, whole_numbers)) is not None:
        yield number
    inner = said.strip("()[]")
    for each in dict.fromkeys((said, inner if inner.replace(" ", "").isalpha() else said)):
        yield from dict.fromkeys((each, each.lower(), each.upper(), each.capitalize(), each.title()))


def _number(text: str, whole_numbers: bool) -> str | None:
    """The number as JSON has it; None where it is none, or may be another: "1,234" and "1.234" are of two kinds."""
    amount = _AMOUNT.fullmatch(text)
    if amount is None or (amount["sign"] and amount["inner"]):
        return None
    group, point, decimals = amount["group"], amount["point"], amount["decimals"] or ""
    first, *groups = amount["whole"].split(group) if group else [amount["whole"]]
    if (groups and (len(first) > 3 or amount["sign"] == "+")) or (point and point in (group, "" if groups else ",")):
        return None  # "3,5" may be two numbers, and "+49 123 456" is a telephone's
    if group in (",", ".") and not (point or len(groups) > 1 or (group == "," and whole_numbers)):
        return None
    sign = "-" if (amount["sign"] or amount["inner"]) in ("-", "−") else ""
    return sign + first + "".join(groups) + (f".{decimals}" if decimals else "")


def value_among(text: str, read: Callable[[str], tuple[object] | None]) -> Found | None:
    """The value that a text gives: alone, on its first lines, below a label of any words, or before an explanation.

    None where it gives none.

    Args:
        text: All of a reply.
        read: Gives the value that a text alone is, in a tuple; None where it is none.
    """
    text = text.strip()
    tagged = next(_TAGGED_ANSWER.finditer(text), None)
    if tagged is not None and text.count(f"<{tagged['name']}>") == 1:
        text = tagged["value"].strip()
    for _ in range(_MOST_TITLES):
        title = _TITLE.match(text)
        if title is None or _is_no_label(title["heading"] or title["words"], read):
            break
        text = text[title.end() :]
    line, _, below = text.partition("\n")
    for head in dict.fromkeys((text, first_paragraph(text), line)):
        if (found := read(head)) is not None:
            others = [*_strictly_below(text[len(head) :]), *_hinted(text[len(head) :], found)]
            return Found(found[0], not takes_back(text) and not _names_another(found, others, read))
    for words, why in _splits(line, read):
        if (found := read(words)) is not None:
            others = [
                *_in_explanation(why, found),
                *(each for each, _ in named_below(below)),
                *_loosely_below(below, read),
                *_hinted(below, found),
            ]
            sure = not _wavers(why, found) and not takes_back(text) and not _names_another(found, others, read)
            return Found(found[0], sure)
    return None


def _names_another(found: tuple[object], texts: Iterable[str], read: Callable[[str], tuple[object] | None]) -> bool:
    return any(other is not None and other != found for other in map(read, filter(None, texts)))


def _splits(line: str, read: Callable[[str], tuple[object] | None]) -> Iterator[tuple[str, str]]:
    """What may be the value in a line that is none as it stands, and what explains it."""
    line = line.strip(_MARKS)
    label = _ANY_LABEL.match(line)
    if label is not None and not (label["words"] and _is_no_label(label["words"], read)):
        below = line[label.end() :]
        yield _computed(below), ""
        yield _explained(_computed(below))
    if (value := _computed(line)) != line:
        yield value, ""
        yield _explained(value)
    yield _explained(unlabelled(line))


def _computed(words: str) -> str:
    """What a sum of numbers comes to; other words as they are."""
    found = _SUM.match(words)
    return words if found is None else words[found.end() :]


def _is_no_label(words: str, read: Callable[[str], tuple[object] | None]) -> bool:
    """Whether words before a value do more than to say what it is of: they hold a value themselves, for instance."""
    if any(each.search(words) for each in (_NO_LABEL, _WAVERS, _WAVERING_LABEL)) or read(words) is not None:
        return True
    words = words.strip(_MARKS)
    if " " in words or words.isascii():
        inner = words.split()[:_MOST_LOOKS]
    else:  # no spaces are written
        inner = [words[at:] for at in range(max(1, len(words) - _MOST_LOOKS), len(words))]
    return any(read(each) is not None for each in inner)


def _explained(line: str) -> tuple[str, str]:
    """The words before the sign that sets an explanation apart, and those behind it. A number is not ended by a point,
    which may be that of a list, nor where another number follows."""
    for sign in islice(_EXPLAINS.finditer(line), _MOST_PIECES):
        words, why = line[: sign.start()], line[sign.end() :]
        is_number = words.rstrip(_MARKS)[-1:].isdigit()
        if is_number and sign[0] in ".:":
            continue
        if is_number and not set("(（") & set(sign[0]) and _NUMBERS_GO_ON.match(why):
            return "", ""
        return words, why
    return "", ""


def _wavers(why: str, found: tuple[object]) -> bool:
    if isinstance(found[0], str) and _DENIED.fullmatch(why):
        return True
    if isinstance(found[0], bool) and _EXCEPT.search(why):
        return True
    return _WAVERS.search(why) is not None or (found[0] is None and any(map(str.isdigit, why)))


def _in_explanation(why: str, found: tuple[object]) -> Iterator[str]:
    """What may be another value in it: for a text any few words of it."""
    pieces = _PIECES.split(why, _MOST_PIECES)
    firsts = map(_FIRST_OF_SEVERAL.match, pieces)
    yield from filter(None, map(hedged, pieces))
    yield from (first["words"].strip() for first in firsts if first)
    yield from (named for named, _ in named_below(why))
    if isinstance(found[0], str):
        yield from _some_words(why[:_WORDS_CHARS])


def _strictly_below(below: str) -> Iterator[str]:
    """What may be another value below one that stands alone: "7 = 3 + 4" and "no doubt" do not."""
    for named, labelled in named_below(below):
        yield named
        if labelled:
            yield _STOP.split(named, maxsplit=1)[0]


def _loosely_below(below: str, read: Callable[[str], tuple[object] | None]) -> Iterator[str]:
    """The same below one that does not: in words as loose."""
    yield from (words for named, _ in named_below(below) for words, _ in _splits(named, read))


def _hinted(below: str, found: tuple[object]) -> list[str]:
    return hinted_below(below, has_figures=str(found[0]).lstrip("-")[:1].isdigit())


def _some_words(text: str) -> Iterator[str]:
    """Up to three words of a text that follow each other."""
    words = text.split()
    for start in range(len(words)):
        yield from (" ".join(words[start:end]) for end in range(start + 1, min(start + _MOST_WORDS, len(words)) + 1))
