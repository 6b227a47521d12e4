"""Chunks that overlap are put together in linear time, however alike their texts are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import TextNode

from rlm_integrations.llama_index.node_spans import NodeSpan, NodeSpans
from rlm_integrations.llama_index.overlaps import overlap_of_neighbours, overlapping, overlaps_by_text

from .work import Work


@given(st.text(st.sampled_from("ab"), max_size=60), st.text(st.sampled_from("ab"), max_size=60))
def test_of_neighbours_in_repetitive_text_the_smallest_overlap_counts(before: str, text: str) -> None:
    most = min(len(before), len(text)) // 2
    claimed = min(len(before), len(text))
    if claimed > most:
        smallest = [size for size in range(16, most + 1) if before.endswith(text[:size])]
        otherwise = claimed if claimed < len(text) else 0
        found = overlap_of_neighbours(before, text, claimed, linked=True)
        assert found == (min(smallest, default=otherwise), bool(smallest))


@given(st.text(st.sampled_from("ab"), max_size=90), st.text(st.sampled_from("ab"), max_size=90), st.integers(0, 60))
def test_overlaps_of_texts_without_positions_are_all_found(first: str, second: str, shared: int) -> None:
    before, text = first + second[:shared], second
    most = min(len(before), len(text)) - 1
    expected = [size for size in range(16, most + 1) if before.endswith(text[:size])]
    assert sorted(overlaps_by_text(before, text)) == expected


def test_overlaps_of_long_texts_that_repeat_themselves_are_found_in_linear_time() -> None:
    def work(count: int) -> int:
        with Work() as looking:
            assert len(overlaps_by_text("a" * count, "a" * count)) == count - 16
        return looking.done

    assert work(20_000) < 11 * work(2_000)


@pytest.mark.parametrize("text", ["a" * 500, "ab" * 250, "".join(f"{number:07}" for number in range(70))])
def test_texts_that_go_on_each_other_are_found_in_linear_time_however_they_are_alike(text: str) -> None:
    def work(count: int) -> int:
        with Work() as looking:
            found = list(overlapping([text + f" {number}." for number in range(count)] + [text] * count))
            assert not any(each.sure for each in found)
        return looking.done

    assert work(150) < 11 * work(15)


def test_a_span_over_all_others_makes_none_of_them_slow_to_find() -> None:
    node = TextNode(text="x")

    def work(count: int) -> int:
        spans = NodeSpans(
            [NodeSpan(0, 10 * count, node), *(NodeSpan(n, n + 10, node) for n in range(0, 10 * count, 10))]
        )
        with Work() as looking:
            for at in range(0, 10 * count, count // 2):
                assert len(spans.touching(at, at + 3)) == 2
        return looking.done

    assert work(16_000) <= 2 * work(1_000)
