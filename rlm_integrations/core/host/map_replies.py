"""What a reply says of each item of a pack: the words behind its mark. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice

from rlm_integrations.core.host.map_records import MARK, in_records, mark_of

NO_REPLY = "no reply for this item"
STRAY = "more than a line stands below its mark, and it is not plain where the reply ends"
TWICE = "it was answered twice, each time otherwise"

_MOST_NUMBERED = 5
"""Items that a model numbers without leaving one out and making one up."""

_BEFORE = r"[\s,;|>#*_\-•\"'`({\[]{0,40}+"
_MARKED = re.compile(
    rf"(?P<before>{_BEFORE})(?<![0-9A-Za-z]){MARK}(?!-\d)"
    r"[\])}\"'`*_]{0,10}+[ \t]*+(?>(?:->|=>|[:：=|,→]|[-–—.](?=\s))?)[ \t]*+(?>(?:\*\*(?=[ \t]))?)"
)
"""A mark in brackets or quotes, bold or in a list; what stands between it and the words is a dash only before a space,
for else it is the sign of a number. Where that touches the mark itself, nobody knows which it is."""
_ANY_MARK = re.compile(rf"(?<!\d)(?={MARK})")
"""Also those that overlap."""
_SENTENCE_ENDS, _BETWEEN_ITEMS = (".", "!", "?", "。", "！", "？"), ";,|•\t"
_NUMBERED = re.compile(r"[*_]{0,2}+[\[(]?+(?P<number>\d{1,16}+)[\])}.:][\]*_:]{0,4}+\s++(?P<words>\S.*+)")
_FENCE_LINE = re.compile(r"^[ \t]*+```[^\n`]*+$\n?+", re.MULTILINE)
_WORD = re.compile(r"\w")
_DIGITS = re.compile(r"\d++")
_SIGNS = " \t\r\n,;.|*_`"
"""They are no words."""
_HEADING = re.compile(r":[*_]{0,4}+\Z")
_ADJACENT = re.compile(r"[^\n]*+\n[^\n]*+")
"""What stands between a line of words and a mark on the line below it."""
_BREAK = re.compile(r"\n[ \t]*+(?>(?:[-*_=]{3,}+[ \t]*+)?)\n")
_TO_READER = re.compile(
    r"\n[ \t\r*_>#\-–—]*+"
    r"(?:let me know\b|(?>(?:i )?)hope (?:this|that|it)\b|feel free\b|please (?:let me|note|tell me)\b"
    r"|if you(?: need|['’]d like| want| would like| have)\b|(?:would|do) you (?:like|want)\b|is there anything\b)",
    re.IGNORECASE,
)
"""How a model begins to speak to its reader, below what it was to say."""


def marks_in(text: str) -> set[str]:
    """The marks that a text holds, in whatever dress a reply might copy them."""
    return {mark_of(match) for match in _ANY_MARK.finditer(text)}


def lone_reply(reply: str) -> str | None:
    """The words of a reply that is to one item; None where there are none."""
    return reply.strip() or None


def marked_replies(
    reply: str, marks: Mapping[str, int], *, objects: bool = False, texts: bool = False
) -> tuple[dict[int, str], set[int]]:
    """The words for each item, by the place that its mark stands for, and those that were answered twice, differently.

    Words without a mark belong to the mark before. What comes before the first is nobody's, and so is what stands
    behind another mark in brackets at the beginning of a line: it was copied amiss, or is of another pack. Where there
    is no mark at all, the numbers of a few items will do, if the reply is a line for each, in order, and nothing else.
    Marks behind the words say nothing: read as marks before them, each item would have the words of the next. Nor do
    marks that stand in groups, each below a heading: the last of a group would have the next heading.
    `objects`: whether a value may be an object; `texts`: whether it may be any text, which may name another item.
    """
    found: dict[int, str] = {}
    twice: set[int] = set()
    for place, words in _read(reply, marks, objects, texts):
        if words and found.setdefault(place, words) != words:
            twice.add(place)
    return {place: words for place, words in found.items() if place not in twice}, twice


def unfenced(words: str) -> str:
    """Without lines of fences."""
    return _FENCE_LINE.sub("", words).strip()


def whole_text(words: str) -> str:
    """All that a reply says, which may stand in a fence."""
    text = words.strip()
    fences = list(islice(_FENCE_LINE.finditer(text), 3))
    if len(fences) == 2 and fences[0].start() == 0 and fences[1].end() == len(text):
        return text[fences[0].end() : fences[1].start()].strip("\n")
    return text


def marked_text(words: str, *, ends_at_mark: bool = False) -> str | None:
    """The text behind a mark: all of it where another mark follows, and else without a sentence to the reader below it.

    None where more stands below an empty line and nothing follows: it is another paragraph, or words on all of the
    reply.
    """
    text = unfenced(words)
    if ends_at_mark:
        return _without_rules(text)
    if (talk := _TO_READER.search(text)) is not None:
        text = _without_rules(text[: talk.start()])
    return None if _BREAK.search(text) else text


def _without_rules(text: str) -> str:
    """Without empty lines and rules at its end."""
    lines = text.split("\n")
    while lines and not lines[-1].strip(" \t\r*_>#-–—"):
        lines.pop()
    return "\n".join(lines).rstrip()


def stray_end(words: Mapping[int, str]) -> int | None:
    """The place of the item that was spoken of last, if it alone has more than a line: what stands below may be words
    on all of the reply."""
    if len(words) < 2:
        return None
    *others, last = words
    if any("\n" in words[other] for other in others) or "\n" not in (marked_text(words[last]) or ""):
        return None
    return last


def _read(reply: str, marks: Mapping[str, int], objects: bool, texts: bool) -> list[tuple[int, str]]:
    records = in_records(reply, marks, objects=objects)
    return (_marked(reply, marks, texts) or _numbered(reply, marks)) if records is None else records


def _marked(reply: str, marks: Mapping[str, int], texts: bool) -> list[tuple[int, str]]:
    every = [(match, marks.get(mark_of(match))) for match in _MARKED.finditer(reply)]
    heads = [(match, place) for match, place in every if place is not None or _begins_line(match)]
    if _stand_behind([match for match, place in heads if place is not None], reply):
        return []
    ends = [*(_end(match) for match, _ in heads[1:]), len(reply)]
    spans = [
        (match, place, _own(reply[match.end() : end], after))
        for (match, place), end, after in zip(heads, ends, [*(match for match, _ in heads[1:]), None], strict=False)
        if place is not None and not (texts and _runs_on(reply, match, after))
    ]
    grouped = _grouped(reply, [(match, words) for match, _, words in spans])
    return [
        (place, words.strip()) for _, place, words in spans if words.strip(_SIGNS) and not (grouped and _below(words))
    ]


def _own(words: str, after: re.Match[str] | None) -> str:
    """The words between two marks, without those that begin the line of the second: its number in a list, for
    instance."""
    return words.rpartition("\n")[0] if after and "\n" in words and "\n" not in after["before"] else words


def _runs_on(reply: str, match: re.Match[str], after: re.Match[str] | None) -> bool:
    """Whether the words of a mark go on to another in the same line, as a sentence does that names both."""
    if after is None:
        return False
    words, between = reply[match.end() : after.start()].rstrip(" \t*_`"), after["before"]
    if "\n" in words + between or words.endswith(_SENTENCE_ENDS) or set(_BETWEEN_ITEMS) & set(between):
        return False
    return _WORD.search(words) is not None


def _grouped(reply: str, spans: Sequence[tuple[re.Match[str], str]]) -> bool:
    """Whether the words below a mark may be the heading of the next marks: some mark has none, or words end in a
    colon, or the line above the first mark is like them."""
    below = [words for _, words in spans if _below(words)]
    if not below:
        return False
    if any(not words.strip(_SIGNS) for _, words in spans) or any(_HEADING.search(words.rstrip()) for words in below):
        return True
    first = spans[0][0]
    above = reply[max(0, first.start() - 1) : first.start()]
    return len(below) == len(spans) and above not in ("", ":") and _ADJACENT.fullmatch(first["before"]) is not None


def _below(words: str) -> bool:
    """Whether the words of a mark begin on a line below it."""
    return "\n" in words and not words.partition("\n")[0].strip(_SIGNS) and words.strip(_SIGNS) != ""


def _stand_behind(heads: Sequence[re.Match[str]], reply: str) -> bool:
    """Whether the words of each item seem to stand before its mark: on a line of their own with it, and not alike."""
    starts = [0, *(match.end() for match in heads)]
    between = [reply[start : match.start("number")] for start, match in zip(starts, heads, strict=False)]
    before = [text.rpartition("\n")[2] for text in between]
    if not before or not all(map(_WORD.search, before)):
        return False
    if any(map(_WORD.search, (line for text in between[1:] for line in text.split("\n")[1:-1]))):
        return False  # a head for each item, its words below
    below = reply[heads[-1].end() :]
    if not _WORD.search(below if len(heads) == 1 else below.partition("\n")[0]):
        return True
    return any("\n" in text for text in between[1:]) and len({_DIGITS.sub("", text).strip() for text in before}) > 1


def _numbered(reply: str, marks: Mapping[str, int]) -> list[tuple[int, str]]:
    """Of a reply to a few items that has all their numbers, in order, without the tags, and no other line."""
    if len(marks) > _MOST_NUMBERED:
        return []
    lines = [line.strip() for line in _FENCE_LINE.sub("", reply).splitlines() if line.strip()]
    found = [_NUMBERED.fullmatch(line) for line in lines]
    if [match and match["number"] for match in found] != [mark.partition("-")[0] for mark in marks]:
        return []
    return [(place, match["words"]) for match, place in zip(found, marks.values(), strict=True) if match]


def _begins_line(match: re.Match[str]) -> bool:
    """Whether it is in brackets, and nothing but signs stands before it in its line."""
    before = match["before"]
    return "[" in before.rpartition("\n")[2] and ("\n" in before or match.start() == 0)


def _end(match: re.Match[str]) -> int:
    """Where the words before a mark end: with their line, or where what surrounds the mark begins."""
    return match.start() + max(0, match["before"].find("\n"))
