"""The calls of the host: what is sent is what is read, and whatever is not of that form is refused."""

from __future__ import annotations

import builtins
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.wire.calls import (
    LARGEST_BATCH,
    LARGEST_COUNT,
    MAX_ARGUMENT_CHARS,
    MAX_QUERY_CHARS,
    Call,
    CallTool,
    Cite,
    LlmMap,
    LlmQuery,
    MapLeft,
    Reserve,
    Retrieve,
    WrongCallError,
    read_call,
)

texts = st.text(st.characters(exclude_categories=()), max_size=8)
counts = st.integers(0, LARGEST_COUNT)
small = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(
    small, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
calls = st.one_of(
    st.builds(Reserve, st.integers(0, LARGEST_BATCH), counts),
    st.builds(LlmMap, texts, st.none() | counts),
    st.builds(MapLeft, counts, texts),
    st.builds(LlmQuery, texts),
    st.builds(LlmQuery, texts, counts, counts),
    st.builds(LlmQuery, texts, images=st.lists(st.lists(texts, min_size=2, max_size=2), max_size=3)),
    st.builds(Retrieve, texts),
    st.builds(Cite, texts, counts, counts, texts),
    st.builds(CallTool, texts, st.lists(values, max_size=3), st.dictionaries(texts, values, max_size=3)),
)


@given(calls)
def test_a_call_that_was_sent_is_read_as_it_was(call: Call):
    assert read_call(call.function, json.loads(json.dumps(call.to_payload()))) == call


@given(calls, st.data())
def test_a_call_with_a_field_left_out_or_added_is_refused(call: Call, data: st.DataObject):
    payload = call.to_payload()
    if data.draw(st.booleans()):
        del payload[data.draw(st.sampled_from(list(payload)))]
    else:
        payload[data.draw(texts.filter(lambda key: key not in payload))] = data.draw(values)
    with pytest.raises(WrongCallError, match=f"{call.function}: its fields are not "):
        read_call(call.function, payload)


class Text(str):
    __slots__ = ()


def _pictured(images: object) -> dict[str, object]:
    return {"prompt": "x", "batch": None, "index": None, "images": images}


WRONG: list[tuple[str, object, str]] = [
    ("open", {}, "there is no host function 'open'"),
    ("x" * 900, {}, f"there is no host function '{'x' * 20}'"),
    ("retrieve", ["query"], "retrieve: its fields are list, not dict"),
    ("retrieve", {}, "retrieve: its fields are not query"),
    ("retrieve", {"query": None}, "retrieve: query is NoneType, not str"),
    ("retrieve", {"query": Text("x")}, "retrieve: query is Text, not str"),
    ("reserve", {"n": True, "chars": 0}, "reserve: n is bool, not int"),
    ("reserve", {"n": 1.0, "chars": 0}, "reserve: n is float, not int"),
    ("reserve", {"n": -1, "chars": 0}, "reserve: n is not between 0 and 16,777,216"),
    ("reserve", {"n": LARGEST_BATCH + 1, "chars": 0}, "reserve: n is not between 0 and 16,777,216"),
    ("llm_query", {"prompt": ["x"], "batch": None, "index": None, "images": []}, "llm_query: prompt is list, not str"),
    ("llm_query", {"prompt": "x", "batch": 1, "index": None, "images": []}, "llm_query: index is NoneType, not int"),
    ("llm_query", {"prompt": "x", "batch": None, "index": 0, "images": []}, "llm_query: batch is NoneType, not int"),
    ("llm_query", {"prompt": "x", "batch": 1, "index": False, "images": []}, "llm_query: index is bool, not int"),
    ("llm_query", _pictured(("a", "b")), "llm_query: images is tuple, not list"),
    ("llm_query", _pictured([["a", "b"]] * 21), "llm_query: images has more than 20 items"),
    *(
        ("llm_query", _pictured([one]), "llm_query: an item of images is not the ids of a picture and of its document")
        for one in ("ab", ["a"], ["a", "b", "c"], ["a", None], {"a": 1, "b": 2}, [Text("a"), "b"])
    ),
    (
        "cite",
        {"document_id": "d", "start": 0, "end": LARGEST_COUNT + 1, "text": ""},
        "cite: end is not between 0 and 9,007,199,254,740,992",
    ),
    ("cite", {"document_id": 1, "start": 0, "end": 1, "text": ""}, "cite: document_id is int, not str"),
    ("tool", {"name": "f", "args": (), "kwargs": {}}, "tool: args is tuple, not list"),
    ("tool", {"name": "f", "args": [], "kwargs": []}, "tool: kwargs is list, not dict"),
    ("tool", {"name": "f", "args": [], "kwargs": {1: 2}}, "tool: a key of kwargs is not a str"),
]


@pytest.mark.parametrize(("function", "payload", "problem"), WRONG, ids=[problem[:50] for *_, problem in WRONG])
def test_a_wrong_call_is_refused_in_words_that_name_the_field(function: str, payload: object, problem: str):
    with pytest.raises(WrongCallError) as caught:
        read_call(function, payload)
    assert str(caught.value) == problem


def _problem_of(function: str, payload: object) -> str:
    try:
        call = read_call(function, payload)
    except WrongCallError as error:
        return str(error)
    assert (call.function, call.to_payload()) == (function, payload)
    return ""


@given(texts | st.sampled_from(["reserve", "llm_query", "retrieve", "cite", "tool"]), values)
def test_anything_else_is_refused_in_few_words(function: str, payload: Any):
    assert len(_problem_of(function, payload)) < 150, "it is shown to the root LM"


@pytest.mark.parametrize(("more", "taken"), [(0, True), (1, False)])
def test_texts_for_tools_and_retrievers_are_bounded_together(more: int, taken: bool):
    half = "x" * (MAX_ARGUMENT_CHARS // 2)
    arguments = {"name": "f", "args": [[half]], "kwargs": {"key": {"": half[more + 3 :] + "x" * 2 * more}}}
    query = {"query": "x" * (MAX_QUERY_CHARS + more)}
    assert (_problem_of("tool", arguments) == "") == taken
    assert (_problem_of("retrieve", query) == "") == taken


def test_a_call_is_checked_where_it_is_made_and_stays_as_it_is():
    with pytest.raises(WrongCallError, match="retrieve: query is int, not str"):
        Retrieve(5)  # type: ignore[arg-type] # pyright: ignore
    with pytest.raises(AttributeError):
        Retrieve("x").query = "y"  # type: ignore[misc] # pyright: ignore


def test_calls_are_made_and_sent_whatever_is_done_to_builtins():
    names, mend = vars(builtins), vars(builtins).copy()
    try:
        names.clear()
        sent = CallTool("f", [1], {"k": 2}).to_payload()
    finally:
        mend["dict"].update(names, mend)
    assert sent == {"name": "f", "args": [1], "kwargs": {"k": 2}}
