"""Replies to a pack that are not lines of a mark and words, but JSON, tables or tags with the marks in them. Pure.

Each reader gives None for a reply that has another form, and leaves out what it cannot make out: that is asked again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import cast

from rlm_integrations.core.loop.near_json import json_among

MARK = r"(?P<number>\d{1,16}+)\s?+[-–—‐‑]\s?+(?P<tag>[0-9a-fA-F]{4}+(?>(?:[0-9a-fA-F]{4}+)?))(?![0-9A-Za-z])"

_WHOLE = re.compile(rf"[\s\[\](){{}}*_`\"'#]*+{MARK}[\s\[\](){{}}*_`\"':.]*+")
"""A text that is a mark, and signs around it."""
_TABLE_ROW = re.compile(r"^[ \t]*+\|(?P<cells>[^\n]*+)$", re.MULTILINE)
_TAG = re.compile(rf"<(?!/)(?P<name>[^<>\n\d]{{0,60}}+){MARK}[\s\]\"']*+>")
_IN_A_TAG = re.compile(rf">\s*+{MARK}\s*+</")
_REPLY_KEYS = ("reply", "answer", "value", "result", "response", "output", "label", "verdict", "choice")


def mark_of(match: re.Match[str]) -> str:
    return f"{match['number']}-{match['tag'].lower()}"


def in_records(reply: str, marks: Mapping[str, int], *, objects: bool) -> list[tuple[int, str]] | None:
    """(place, words) of each item in a reply that has one of these forms; None for any other.

    `objects`: whether a value may be an object, so that the fields beside a mark are it.
    """
    found = _json(reply, marks, objects)
    if found is None:
        found = _table(reply, marks)
    return _tags(reply, marks) if found is None else found


def _json(reply: str, marks: Mapping[str, int], objects: bool) -> list[tuple[int, str]] | None:
    """Of an object with marks for keys, or of objects that have one for a value."""
    if "{" not in reply:
        return None
    found: list[tuple[int, str]] = []
    is_form = False
    for record in _objects(json_among(reply)):
        keys = {key: place for key, _ in record if (place := _place(key, marks)) is not None}
        if keys:
            is_form = True
            found += [(keys[key], _words(value)) for key, value in record if key in keys]
            continue
        named = [(key, place) for key, value in record if (place := _place(value, marks)) is not None]
        is_form = is_form or bool(named)
        if len(named) == 1:
            ((key, place),) = named
            words = _beside([field for field in record if field[0] != key], objects)
            found += [] if words is None else [(place, words)]
    return found if is_form else None


def _objects(texts: Iterable[str]) -> list[_Pairs]:
    """The objects that these are, those of lists too, and of a list that is the only field of one."""
    found: list[_Pairs] = []
    for text in texts:
        try:
            value: object = json.loads(text, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):
            continue
        found += [each for each in _items(value) if isinstance(each, _Pairs)]
    return found


def _items(value: object) -> list[object]:
    """Those of a list, alone or as the only field of an object; else the value."""
    only = value[0][1] if isinstance(value, _Pairs) and len(value) == 1 else value
    return cast("list[object]", only) if isinstance(only, list) and not isinstance(only, _Pairs) else [value]


def _place(value: object, marks: Mapping[str, int]) -> int | None:
    match = _WHOLE.fullmatch(value) if isinstance(value, str) else None
    return None if match is None else marks.get(mark_of(match))


def _beside(fields: list[tuple[str, object]], objects: bool) -> str | None:
    """What the fields beside a mark say: the only one, or the one that is named so; None where nobody can tell."""
    named = [value for key, value in fields if key.lower() in _REPLY_KEYS]
    if len(named) == 1:
        return _words(named[0])
    if objects:
        return _words(_Pairs(fields)) if fields else None
    return _words(fields[0][1]) if len(fields) == 1 else None


def _table(reply: str, marks: Mapping[str, int]) -> list[tuple[int, str]] | None:
    """Of a table with a row for each item: its mark in one cell, and one more that is not empty."""
    found: list[tuple[int, str]] = []
    is_form = False
    for row in _TABLE_ROW.finditer(reply):
        cells = [cell.strip() for cell in row["cells"].strip().removesuffix("|").split("|")]
        placed = [(cell, _place(cell, marks)) for cell in cells]
        places = [place for _, place in placed if place is not None]
        is_form = is_form or bool(places)
        others = [cell for cell, place in placed if cell and place is None]
        if len(places) == len(others) == 1 and "\\|" not in row["cells"]:
            found.append((places[0], others[0]))
    return found if is_form else None


def _tags(reply: str, marks: Mapping[str, int]) -> list[tuple[int, str]] | None:
    """Of tags that have the mark in them, or for their name, around the words; one alone in a tag is not read."""
    if any(mark_of(found) in marks for found in _IN_A_TAG.finditer(reply)):
        return []
    openings = [tag for tag in _TAG.finditer(reply) if mark_of(tag) in marks]
    if not openings:
        return None
    found: list[tuple[int, str]] = []
    for tag, below in zip(openings, [*openings[1:], None], strict=True):
        closing = reply.find("</", tag.end(), len(reply) if below is None else below.start())
        if closing >= 0:
            found.append((marks[mark_of(tag)], reply[tag.end() : closing].strip()))
    return found


class _Pairs(list[tuple[str, object]]):
    """An object of JSON, with keys that stand there twice."""


def _words(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: object) -> object:
    if isinstance(value, _Pairs):
        return {key: _plain(inner) for key, inner in value}
    if isinstance(value, list):
        return [_plain(inner) for inner in cast("list[object]", value)]
    return value
