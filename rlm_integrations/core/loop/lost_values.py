"""What pydantic takes without a word and is hardly meant: of JSON and the value that was read from it. Pure."""

from __future__ import annotations

from typing import Any, cast

from rlm_integrations.core.wording import one_line

_SHOWN_CHARS = 80
_MOST_LEVELS = 50


def lost_value(given: Any, taken: Any, level: int = 0) -> str | None:
    """Why the value is not what was given; None where it may be.

    true and false count as numbers where the type wants one, and of an object without a single field of the type all
    is left out where each of those has a default.

    Args:
        given: What the JSON says.
        taken: What it was read as, as JSON again, without fields that were not given.
        level: How deep it stands.
    """
    if isinstance(given, bool):
        wrong = isinstance(taken, (int, float)) and not isinstance(taken, bool)
        return f"{'true' if given else 'false'} is no number" if wrong else None
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
