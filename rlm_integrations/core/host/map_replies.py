"""What a reply says of each item of a pack: the words behind its mark. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import cast

NO_REPLY = "no reply for this item"
TWICE = "it was answered twice, each time otherwise"

_MOST_NUMBERED = 5
"""Items that a model numbers without leaving one out and making one up."""

_MARK = r"(?P<number>\d{1,16}+)\s?+[-–—‐‑]\s?+(?P<tag>[0-9a-fA-F]{4}+(?>(?:[0-9a-fA-F]{4}+)?))(?![0-9A-Za-z])"
_BEFORE = r"[\s,;|>#*_\-•\"'`({\[]{0,40}+"
_MARKED = re.compile(
    rf"(?P<before>{_BEFORE})(?<![0-9A-Za-z]){_MARK}"
    r"[\])}\"'`*_]{0,10}+[ \t]*+(?>(?:[:=|]|->|=>|→|[-–—.](?=\s))?)[ \t]*+(?>(?:\*\*(?=[ \t]))?)"
)
"""A mark in brackets or quotes, bold or in a list; what stands between it and the words is a dash only before a space,
for else it is the sign of a number."""
_ANY_MARK = re.compile(rf"(?<!\d)(?={_MARK})")
"""Also those that overlap."""
_NUMBERED = re.compile(r"[*_]{0,2}+[\[(]?+(?P<number>\d{1,16}+)[\])}.:][\]*_:]{0,4}+\s++(?P<words>\S.*+)")
_FENCE_LINE = re.compile(r"^[ \t]*+```[^\n`]*+$\n?+", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]*+\n")


def marks_in(text: str) -> set[str]:
    """The marks that a text holds, in whatever dress a reply might copy them."""
    return {_mark(match) for match in _ANY_MARK.finditer(text)}


def lone_reply(reply: str) -> str | None:
    """The words of a reply that is to one item; None where there are none."""
    return reply.strip() or None


def marked_replies(reply: str, marks: Mapping[str, int]) -> tuple[dict[int, str], set[int]]:
    """The words for each item, by the place that its mark stands for, and those that were answered twice, differently.

    Words without a mark belong to the mark before. What comes before the first is nobody's, and so is what stands
    behind another mark in brackets at the beginning of a line: it was copied amiss, or is of another pack. Where there
    is no mark at all, the numbers of a few items will do, if the reply is a line for each, in order, and nothing else.
    """
    found: dict[int, str] = {}
    twice: set[int] = set()
    for place, words in _object(reply, marks) or _marked(reply, marks) or _numbered(reply, marks):
        if words and found.setdefault(place, words) != words:
            twice.add(place)
    return {place: words for place, words in found.items() if place not in twice}, twice


def first_paragraph(words: str) -> str:
    """Without lines of fences, and without what a model adds below an empty line."""
    return _BLANK_LINE.split(_FENCE_LINE.sub("", words).strip(), maxsplit=1)[0].strip()


def _marked(reply: str, marks: Mapping[str, int]) -> list[tuple[int, str]]:
    every = [(match, marks.get(_mark(match))) for match in _MARKED.finditer(reply)]
    heads = [(match, place) for match, place in every if place is not None or _begins_line(match)]
    ends = [*(_end(match) for match, _ in heads[1:]), len(reply)]
    return [
        (place, reply[match.end() : end].strip().removeprefix("```").strip())
        for (match, place), end in zip(heads, ends, strict=False)
        if place is not None
    ]


def _numbered(reply: str, marks: Mapping[str, int]) -> list[tuple[int, str]]:
    """Of a reply to a few items that has all their numbers, in order, without the tags, and no other line."""
    if len(marks) > _MOST_NUMBERED:
        return []
    lines = [line.strip() for line in _FENCE_LINE.sub("", reply).splitlines() if line.strip()]
    found = [_NUMBERED.fullmatch(line) for line in lines]
    if [match and match["number"] for match in found] != [mark.partition("-")[0] for mark in marks]:
        return []
    return [(place, match["words"]) for match, place in zip(found, marks.values(), strict=True) if match]


def _mark(match: re.Match[str]) -> str:
    return f"{match['number']}-{match['tag'].lower()}"


def _begins_line(match: re.Match[str]) -> bool:
    """Whether it is in brackets, and nothing but signs stands before it in its line."""
    before = match["before"]
    return "[" in before.rpartition("\n")[2] and ("\n" in before or match.start() == 0)


def _end(match: re.Match[str]) -> int:
    """Where the words before a mark end: with their line, or where what surrounds the mark begins."""
    return match.start() + max(0, match["before"].find("\n"))


def _object(reply: str, marks: Mapping[str, int]) -> list[tuple[int, str]] | None:
    """Of a reply that is one JSON object with marks for keys; None for any other."""
    text = _FENCE_LINE.sub("", reply).strip()
    if not text.startswith("{"):
        return None
    try:
        pairs: object = json.loads(text, object_pairs_hook=_Pairs)
        if not isinstance(pairs, _Pairs):
            return None
        read = [(key.strip().strip("[]").lower(), value) for key, value in cast("list[tuple[str, object]]", pairs)]
        if not all(key in marks for key, _ in read):
            return None
        return [
            (marks[key], value if isinstance(value, str) else json.dumps(_plain(value), ensure_ascii=False))
            for key, value in read
        ]
    except (ValueError, RecursionError):
        return None


class _Pairs(list[tuple[str, object]]):
    """An object of JSON, with keys that stand there twice."""


def _plain(value: object) -> object:
    if isinstance(value, _Pairs):
        return {key: _plain(inner) for key, inner in value}
    if isinstance(value, list):
        return [_plain(inner) for inner in cast("list[object]", value)]
    return value
