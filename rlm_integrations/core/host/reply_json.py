"""JSON of replies, as values: strict where it stands, found where it stands among words. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, cast

from rlm_integrations.core.host.json_values import MOST_LEVELS, MaybeThousands
from rlm_integrations.core.loop.lost_values import THOUSANDS
from rlm_integrations.core.loop.near_json import json_among, unlike_fields, unwrapped


def embedded(words: str, known: tuple[str, ...]) -> Iterator[Any]:
    """The one object or array among words, unless its text is known; of several it is not known which is meant."""
    found = json_among(words)
    if len(found) > 1:
        return
    for text in found:
        if text not in known:
            yield from decoded(text)
        for inner in unwrapped(text):
            yield from decoded(inner)


def decoded(text: str) -> Iterator[Any]:
    """The JSON value of the text, where it is one, and all numbers in it are, and no field stands in it twice."""
    try:
        yield json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=unlike_fields)
    except (ValueError, RecursionError):
        return


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _finite(written: str) -> float:
    value = float(written)
    if not math.isfinite(value):
        raise ValueError(written)
    return MaybeThousands(value) if THOUSANDS.fullmatch(written) else value


def as_floats(value: Any) -> Any:
    """The value with floats that are no more than that."""
    if isinstance(value, list):
        return [as_floats(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: as_floats(inner) for key, inner in cast("dict[str, Any]", value).items()}
    return float(value) if isinstance(value, MaybeThousands) else value


def too_deep(value: Any) -> bool:
    """Whether lists and objects stand in each other in more levels than a schema can have."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [
            inner
            for each in level
            if isinstance(each, (list, dict))
            for inner in (cast("dict[str, Any]", each).values() if isinstance(each, dict) else cast("list[Any]", each))
        ]
    return bool(level)
