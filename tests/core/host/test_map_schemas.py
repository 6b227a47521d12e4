"""Schemas that cannot be checked are refused, and checking a value is bounded work."""

from __future__ import annotations

import cProfile
import json
import re
from typing import Any

import pytest

from rlm_integrations.core.host.answers import RefusedCallError
from rlm_integrations.core.host.map_values import MapValues

from .maps import Maps, upper


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (
            {"type": "string", "pattern": "(a+)+$"},
            'schema: "pattern" cannot be checked here; leave it out, or use check=',
        ),
        ({"type": "date"}, 'schema: type "date" is none of string, integer'),
        ({"properties": {"a": {"not": {}}}}, 'schema: "not" cannot be checked here'),
        ({"$ref": "http://example.com/schema"}, 'schema: $ref "http://example.com/schema" is none of its $defs'),
        ({"enum": []}, "schema: enum is no list of values"),
        ({"minimum": "3"}, "schema: minimum is no number"),
        ({"enum": ["Yes", "yes"]}, "choices: 'yes' differs from another by case or marks alone"),
        ({"enum": ["a", "*"]}, "choices: '*' has no word in it"),
    ],
)
async def test_schemas_that_cannot_be_checked_are_refused(schema: dict[str, Any], why: str) -> None:
    maps = Maps(upper)
    with pytest.raises(RefusedCallError, match=re.escape(why)) as refused:
        await maps.ask(["x"], schema)
    assert str(refused.value).endswith("; nothing was sent")
    assert maps.prompts == []


async def test_huge_schemas_and_values_take_no_time() -> None:
    """As work: what is checked of a value is bounded."""
    branches = [{"items": {"enum": [1, -n]}} for n in range(500)]
    maps = Maps(lambda prompt: json.dumps([[*[1] * 200, 2]]), max_chars=50_000)
    _, left = await maps.ask(["x"], {"type": "array", "items": {"anyOf": branches}})
    assert left[0].endswith("does not fit: there is too much in it to be checked")
    looped = Maps(lambda prompt: "1")
    _, left = await looped.ask(["x"], {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}})
    assert left[0].endswith("there is too much in it to be checked")


WIDE: list[tuple[dict[str, Any], Any]] = [
    ({"type": "array", "items": {"enum": [f"tag {n}" for n in range(1_500)]}}, ["tag 1499"] * 5_000),
    ({"type": "array", "items": {"enum": [[n] for n in range(2_500)]}}, [[2_499]] * 5_000),
    ({"type": "array", "items": {"type": "array", "items": {"enum": ["a", "b"]}}}, [["A"] * 9_000] * 3),
    ({"anyOf": [{"type": "string"}] * 900}, list(range(5_000))),
    ({"allOf": [{"uniqueItems": True}] * 700}, list(range(5_000))),
    ({"allOf": [{"enum": [1, list(range(5_000)), [2]]}] * 400}, list(range(5_000))),
]


@pytest.mark.parametrize(("schema", "value"), WIDE, ids=range(len(WIDE)))
def test_the_work_for_one_value_is_bounded(schema: dict[str, Any], value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As calls of functions, and characters that are written to compare or to show a value."""
    values, words, dumps, done = MapValues(schema), json.dumps(value), json.dumps, 0

    def written(*arguments: Any, **keywords: Any) -> str:
        nonlocal done
        text = dumps(*arguments, **keywords)
        done += len(text)
        return text

    monkeypatch.setattr(json, "dumps", written)
    with cProfile.Profile() as calls:
        values.read(words)
    assert done + sum(entry.callcount for entry in calls.getstats()) < 3_000_000
