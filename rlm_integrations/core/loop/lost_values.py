"""What pydantic takes without a word and is hardly meant: of JSON and the value that was read from it. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

from rlm_integrations.core.wording import one_line

_SHOWN_CHARS = 80
_MOST_LEVELS = 50
THOUSANDS = re.compile(r"[-+]?+[1-9]\d{0,2}+(?>(?:\.000)+)")
"""A number as some write thousands, and others a whole number."""
_BARE_DIGITS = re.compile(r"\s*+[-+]?+\d{1,20}+(?>(?:\.\d{0,20}+)?)\s*+")
_IN_MOMENTS = re.compile(r"[-:]")
_CHARS = 20
_FORMS = {datetime: "2024-01-31T14:30:00", date: "2024-01-31", time: "14:30:00"}
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


def lost_value(given: Any, taken: Any, level: int = 0) -> str | None:
    """Why the value is not what was given; None where it may be.

    true and false count as numbers where the type wants one, bare digits as seconds since 1970 where it wants a date
    or a time, and "12.000" as 12; and of an object without a single field of the type all is left out where each of
    those has a default.

    Args:
        given: What the JSON says.
        taken: What it was read as, as JSON again, without fields that were not given.
        level: How deep it stands.
    """
    if isinstance(given, bool):
        wrong = isinstance(taken, (int, float)) and not isinstance(taken, bool)
        return f"{'true' if given else 'false'} is no number" if wrong else None
    if isinstance(given, (int, float, str)):
        return _other_number(given, taken)
    inner: list[tuple[Any, Any]] = []
    if isinstance(given, dict) and isinstance(taken, dict):
        said, kept = cast("dict[str, Any]", given), cast("dict[str, Any]", taken)
        if said and not kept:
            return f"the schema has none of its fields, which are {one_line(', '.join(said), _SHOWN_CHARS)}"
        inner = [(value, kept[name]) for name, value in said.items() if name in kept]
    elif isinstance(given, list) and isinstance(taken, list):
        items, read = cast("list[Any]", given), cast("list[Any]", taken)
        inner = list(zip(items, read, strict=True)) if len(items) == len(read) else []
    if level > _MOST_LEVELS:
        return None
    return next(filter(None, (lost_value(each, of, level + 1) for each, of in inner)), None)


def _other_number(given: float | str, taken: Any) -> str | None:
    """Why digits are hardly what they were read as."""
    written = str(given)
    if isinstance(taken, int) and isinstance(given, str) and THOUSANDS.fullmatch(given.strip()):
        return f"{one_line(written)} may be thousands, or not; send the number without a point"
    if isinstance(taken, str) and _IN_MOMENTS.search(taken, 1, _CHARS) and _BARE_DIGITS.fullmatch(written):
        kind = _read_as_seconds(float(written), taken)
        return None if kind is None else f"{one_line(written)} is no {kind.__name__}; send one such as {_FORMS[kind]}"
    return None


def _read_as_seconds(number: float, taken: str) -> type[date | time] | None:
    """What the number was read as, if it was as seconds since 1970, or since midnight, or as milliseconds."""
    for kind in (time, date, datetime):
        try:
            value = kind.fromisoformat(taken)
        except ValueError:
            continue
        if isinstance(value, time):
            value = datetime.combine(_BEGIN.date(), value)
        elif not isinstance(value, datetime):
            value = datetime.combine(value, time())
        seconds = (value.replace(tzinfo=UTC) - _BEGIN) / timedelta(seconds=1)
        if min(abs(seconds - number), abs(seconds - number / 1_000)) < 1:
            return kind
    return None
