"""What a child RLM is given crosses the border as it is, and anything else is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.wire.calls import WrongCallError
from rlm_integrations.wire.child_context import (
    ChildContext,
    OwnText,
    Reference,
    read_child_context,
    write_child_context,
)

COUNTS = st.integers(0, 1 << 53)
PIECES = st.builds(Reference, st.text(), COUNTS, st.none() | COUNTS) | st.builds(
    OwnText, st.text(), st.text(), st.dictionaries(st.text(), st.none() | st.integers() | st.text())
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["pieces", "as_text"]), inner),
)


@given(st.lists(PIECES).map(tuple))
def test_it_comes_as_it_was_sent(pieces):
    assert read_child_context(write_child_context(ChildContext(pieces))) == ChildContext(pieces)


@given(JSON)
def test_what_has_another_form_is_refused(sent):
    try:
        read = read_child_context(json.dumps(sent))
    except WrongCallError:
        return
    assert json.loads(write_child_context(read)) == sent


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "[" * 100_000,
        '{"pieces": [["a", 0, null]]}',
        '{"pieces": [["a", -1, null]], "as_text": false}',
        '{"pieces": [["a", true, null]], "as_text": false}',
        '{"pieces": [["a", 0, 1e3]], "as_text": false}',
        '{"pieces": [{"text": 1, "id": "", "metadata": {}}], "as_text": false}',
        '{"pieces": [], "as_text": true}',
        '{"pieces": [["a", 0, null]], "as_text": false, "more": 1}',
    ],
)
def test_hostile_ones_are_refused_in_words(sent):
    with pytest.raises(WrongCallError, match="rlm_query: "):
        read_child_context(sent)
