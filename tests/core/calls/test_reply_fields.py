from __future__ import annotations

from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.calls.reply_fields import finish_of, refusal_in, thoughts_in, thoughts_of


class FinishReason(Enum):
    MAX_TOKENS = 2


@pytest.mark.parametrize(
    ("holder", "finish"),
    [
        ({"finish_reason": "length"}, "length"),
        ({"finish_reason": "stop"}, "stop"),
        ({"finish_reason": "tool_calls"}, "stop"),
        ({"finish_reason": "content_filter"}, "content_filter"),
        ({"finish_reason": "insufficient_system_resource"}, "error"),
        ({"stop_reason": "max_tokens"}, "length"),
        ({"stop_reason": "end_turn"}, "stop"),
        ({"stop_reason": "refusal"}, "refusal"),
        ({"stop_reason": "model_context_window_exceeded"}, "length"),
        ({"stopReason": "guardrail_intervened"}, "content_filter"),
        ({"finishReason": "MAX_TOKENS"}, "length"),
        ({"finish_reason": "SAFETY"}, "content_filter"),
        ({"finish_reason": "FinishReason.STOP"}, "stop"),
        ({"finish_reason": FinishReason.MAX_TOKENS}, "length"),
        ({"done_reason": "length"}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        (SimpleNamespace(incomplete_details=SimpleNamespace(reason="content_filter")), "content_filter"),
        (SimpleNamespace(finish_reason="length"), "length"),
        ({"finish_reason": None, "stop_reason": "max_tokens"}, "length"),
        ({"finish_reason": "as a new server says it"}, None),
        ({"finish_reason": 7}, None),
        ({}, None),
        (None, None),
    ],
)
def test_how_servers_say_that_a_reply_ended(holder: object, finish: str | None) -> None:
    assert finish_of(holder) == finish


def test_the_first_holder_that_says_it_counts() -> None:
    assert finish_of(None, {"finish_reason": None}, {"finish_reason": "length"}, {"finish_reason": "stop"}) == "length"


@pytest.mark.parametrize(
    ("holder", "thoughts"),
    [
        ({"reasoning_content": "hm"}, "hm"),
        ({"reasoning": "hm"}, "hm"),
        ({"reasoning_content": None, "reasoning": "hm"}, "hm"),
        (SimpleNamespace(reasoning_content="hm"), "hm"),
        ({"reasoning": {"id": "r", "summary": [{"type": "summary_text", "text": "a"}, {"text": "b"}]}}, "a\n\nb"),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}, "hm"),
        ({"thinking": "hm"}, "hm"),
        ({"reasoning_content": " ", "reasoning": "hm"}, "hm"),
        ({"reasoning": 7}, ""),
        (None, ""),
    ],
)
def test_where_servers_put_what_was_thought(holder: object, thoughts: str) -> None:
    assert thoughts_of(holder) == thoughts


def test_thoughts_and_refusals_among_the_blocks_of_a_reply() -> None:
    blocks = [
        {"type": "thinking", "thinking": "one", "signature": "s"},
        {"type": "redacted_thinking", "data": "xx"},
        {"type": "thinking", "thinking": [{"type": "text", "text": "two"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "three"}]},
        {"type": "reasoning_content", "reasoning_content": {"text": "four"}},
        {"type": "text", "text": "said"},
        {"type": "refusal", "refusal": "I will not."},
        "text",
    ]
    assert thoughts_in(blocks) == "one\n\ntwo\n\nthree\n\nfour"
    assert refusal_in(blocks) == "I will not."
    assert (thoughts_in("said"), refusal_in("said"), thoughts_in(None)) == ("", "", "")


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "thinking", "summary", "refusal", "reason"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_stands_there_is_read_without_an_error(value: Any) -> None:
    for name in ("finish_reason", "incomplete_details", "reasoning", "content"):
        assert finish_of({name: value}) in (None, "stop", "length", "content_filter", "refusal", "error")
        assert isinstance(thoughts_of({name: value}), str)
    assert isinstance(thoughts_in(value), str)
    assert isinstance(refusal_in(value), str)
