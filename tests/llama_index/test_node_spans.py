from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import TextNode

from rlm_integrations.llama_index.node_spans import NodeSpan, NodeSpans

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), max_size=12)


@given(SPANS, st.integers(0, 40), st.integers(0, 40))
def test_all_spans_that_touch_a_part_are_found_and_no_others(made, start, end):
    node = TextNode(text="x")
    spans = [NodeSpan(begin, begin + length, node) for begin, length in sorted(made)]
    expected = [span for span in spans if span.start < end and start < span.end]
    assert NodeSpans(spans).touching(start, end) == expected
