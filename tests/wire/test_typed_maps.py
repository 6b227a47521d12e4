"""What a typed map asks: what is written is what is read, and whatever is not of that form is refused in few words."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.wire import typed_maps
from rlm_integrations.wire.calls import WrongCallError
from rlm_integrations.wire.typed_maps import (
    MAX_ITEMS,
    MAX_SCHEMA_CHARS,
    MapItem,
    MapTask,
    read_items,
    read_map,
    write_items,
    write_map,
)

texts = st.text(st.characters(exclude_categories=()), max_size=8)
items = st.lists(
    st.builds(MapItem, st.integers(0, MAX_ITEMS - 1), texts, texts, texts),
    max_size=6,
    unique_by=lambda item: item.index,
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
schemas = st.none() | st.dictionaries(texts, values, max_size=3)
tasks = st.builds(MapTask, st.sampled_from(["map", "filter", "pairs", "query"]), texts, schemas)


@given(tasks, items)
def test_a_map_that_was_sent_is_read_as_it_was(task: MapTask, asked: list[MapItem]):
    assert read_map(write_map(task, asked)) == (task, asked)
    assert read_items(write_items(asked)) == asked


@given(tasks, items, st.data())
def test_a_map_with_something_cut_out_or_put_in_is_another_or_refused(
    task: MapTask, asked: list[MapItem], data: st.DataObject
):
    """No other exception comes of hostile input."""
    sent = write_map(task, asked)
    start = data.draw(st.integers(0, len(sent)))
    end = data.draw(st.integers(start, len(sent)))
    with suppress(WrongCallError):
        read_map(
            sent[:start] + data.draw(texts | st.sampled_from(["\n", "[", "]", "0", "-1", "1e9", "null"])) + sent[end:]
        )


def _map(lines: str, texts: str = "") -> str:
    return f'["map", "Do it.", "null"]\n{lines}\n{texts}'


MOST = 2_000
"""As many items as a map has at most, where that is tried: to read all that it may have takes most of a second."""


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ("", "a line has no end, or is too long"),
        ("x" * 600_000 + "\n", "a line has no end, or is too long"),
        ("[[[\n\n", "a line that is no JSON"),
        ("[" * 400_000 + "\n\n", "a line that is no JSON"),
        ('["open", "Do it.", "null"]\n\n', "its task is none"),
        ('["map", "Do it.", null]\n\n', "its task is none"),
        ('["map", "Do it.", "[]"]\n\n', "its schema is no object"),
        (f'["map", "Do it.", "{" " * MAX_SCHEMA_CHARS}{{}}"]\n\n', "its task is none"),
        (_map('[0, 1, ""]\n', "a"), "a line that is no item"),
        (_map('[-1, 1, "", ""]\n', "a"), "a line that is no item"),
        (_map(f'[{MOST}, 1, "", ""]\n', "a"), "a line that is no item"),  # could be chosen to fill a dict slowly
        (_map('[true, 1, "", ""]\n', "a"), "a line that is no item"),
        (_map('[0, 1e3, "", ""]\n', "a"), "a line that is no item"),
        (_map('[0, 2, "", ""]\n', "a"), "its texts are not as long as it says"),
        (_map('[0, 1, "", ""]\n', "ab"), "its texts are not as long as it says"),
        (_map('[0, 0, "", ""]\n[0, 0, "", ""]\n'), "an item stands there twice"),
        (_map('[0, 0, "", ""]\n' * (MOST + 1)), "too many items"),
    ],
    ids=range(17),
)
def test_what_is_no_map_is_refused(sent: str, problem: str, monkeypatch: pytest.MonkeyPatch):
    assert typed_maps.MAX_ITEMS == 200_000
    monkeypatch.setattr(typed_maps, "MAX_ITEMS", MOST)
    with pytest.raises(WrongCallError, match=f"^llm_map: {problem}$"):
        read_map(sent)


@pytest.mark.parametrize("deep", [500, 100_000])
def test_schemas_of_any_depth_are_written_or_refused_in_words(deep: int):
    schema: dict[str, object] = {}
    for _ in range(deep):
        schema = {"items": schema}
    if deep == 500:
        assert read_map(write_map(MapTask("map", "Do it.", schema), []))[0].schema == schema
    else:
        with pytest.raises(ValueError, match=r"^schema: nested too deeply$"):
            write_map(MapTask("map", "Do it.", schema), [])


def test_schemas_that_are_too_long_are_refused_in_words():
    with pytest.raises(ValueError, match=r"^schema: 100,019 characters, at most 20,000 are taken$"):
        write_map(MapTask("map", "Do it.", {"description": "x" * 100_000}), [])
