"""What a child RLM is given crosses the border as it is, and anything else is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.wire import child_context
from rlm_integrations.wire.calls import WrongCallError
from rlm_integrations.wire.child_context import (
    MAX_LINE_CHARS,
    MAX_PIECES,
    ChildContext,
    OwnText,
    Reference,
    read_child_context,
    write_child_context,
)

COUNTS = st.integers(0, 1 << 53)
TEXTS = st.text(max_size=8)
METADATA = st.dictionaries(TEXTS, st.none() | st.integers() | TEXTS, max_size=3)
PIECES = st.builds(Reference, TEXTS, COUNTS, st.none() | COUNTS) | st.builds(OwnText, TEXTS, TEXTS, METADATA)
KEYS = TEXTS | st.sampled_from(["chars", "id", "metadata"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
LINES = st.sampled_from(["str", "documents", "", "text"]) | JSON.map(json.dumps)


@given(st.lists(PIECES).map(tuple))
def test_it_comes_as_it_was_sent(pieces):
    assert read_child_context(write_child_context(ChildContext(pieces))) == ChildContext(pieces)


@given(st.lists(LINES, max_size=6).map("\n".join))
def test_what_has_another_form_is_refused(sent):
    try:
        read = read_child_context(sent)
    except WrongCallError:
        return
    assert read_child_context(write_child_context(read)) == read


MOST = 2_000
"""As many pieces as a context has at most, where that is tried: to read all that it may have takes half a second."""


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "documents",
        "documents\n",
        "list\n\n",
        "documents\n[\n\n",
        "documents\n" + "[" * 90_000 + "\n\n",
        "documents\n" + "[]," * 6_000_000,
        "documents\n" + "[]\n" * 6_000_000,
        "documents\n" + '["a",0,null]\n' * (MOST + 1) + "\n",
        "documents\n" + json.dumps(["a" * 90_000, 0, None]) * 100 + "\n\n",
        'documents\n{"chars": 0, "id": "", "metadata": {"a": "' + "x" * MAX_LINE_CHARS + '"}}\n\n',
        'documents\n["a", -1, null]\n\n',
        'documents\n["a", true, null]\n\n',
        'documents\n["a", 0, 1e3]\n\n',
        'documents\n["a", NaN, null]\n\n',
        'documents\n["a", 0, 9007199254740993]\n\n',
        'documents\n["a", 0, ' + "9" * 5_000 + "]\n\n",
        'documents\n[["a", 0, null], 0, null]\n\n',
        'documents\n{"chars": 2, "id": "", "metadata": {}}\n\nx',
        'documents\n{"chars": 1, "id": "", "metadata": {}}\n\nxx',
        'documents\n{"chars": -1, "id": "", "metadata": {}}\n\n',
        'documents\n{"chars": 0, "id": "", "metadata": []}\n\n',
        'documents\n{"chars": 0, "id": "", "metadata": {}, "more": 1}\n\n',
        "str\n\n",
        'str\n["a",0,null]\n["a",0,null]\n\n',
    ],
    ids=lambda sent: sent[:30],
)
def test_hostile_ones_are_refused_in_words(sent, monkeypatch):
    monkeypatch.setattr(child_context, "MAX_PIECES", MOST)
    with pytest.raises(WrongCallError, match="rlm_query: "):
        read_child_context(sent)


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ((Reference("a"),) * (MAX_PIECES + 1), "its context has 200,001 pieces"),
        ((OwnText("x", "a", {"long": "x" * MAX_LINE_CHARS}),), "ids and metadata of its context are too long"),
        ((Reference("a" * 90_000),) * 90, "ids and metadata of its context are too long"),
    ],
)
def test_too_much_is_refused_before_it_is_sent(pieces, message):
    with pytest.raises(WrongCallError, match=message):
        write_child_context(ChildContext(pieces))
