from __future__ import annotations

import json
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.calls.reply_fields import (
    arguments_of,
    as_text,
    call_text,
    calls_in,
    cost_of,
    count_of,
    finish_of,
    refusal_in,
    text_in,
    thoughts_in,
    thoughts_of,
    without_calls,
)
from rlm_integrations.core.language_model import Completion, ToolCall
from rlm_integrations.core.loop.reply_parser import parse_reply


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        (0.5, 0.5),
        (0, 0.0),
        (float("nan"), None),
        (float("inf"), None),
        (-1, None),
        (10**400, None),
        (True, None),
        ("1", None),
    ],
)
def test_a_cost_that_is_no_amount_is_not_known(said: object, cost: float | None) -> None:
    assert cost_of({"cost": said}) == cost
    assert cost_of(SimpleNamespace(cost=said)) == cost


def test_tokens_that_are_no_count_are_none() -> None:
    assert [count_of(said) for said in (3, 0, -1, None, 2.5, "3")] == [3, 0, 0, 0, 0, 0]


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
        ({"finish_reason": "maxPredictedTokensReached"}, "length"),
        ({"finish_reason": "contextLengthReached"}, "length"),
        ({"finish_reason": "eosFound"}, "stop"),
        ({"finish_reason": "userStopped"}, "error"),
        ({"finishReason": "UNEXPECTED_TOOL_CALL"}, "error"),
        ({"done_reason": "load"}, "error"),
        ({"finish_reason": "max_new_tokens"}, "length"),
        ({"finish_reason": "contentFilter"}, "content_filter"),
        ({"finish_reason": "output_limit_of_this_server"}, "length"),
        ({"finish_reason": "blocked_by_policy"}, "content_filter"),
        ({"finish_reason": "upstream_error"}, "error"),
        ({"finish_reason": "FINISH_REASON_UNSPECIFIED"}, None),
        ({"finish_reason": "OTHER"}, None),
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
        | st.dictionaries(
            st.sampled_from(["type", "text", "thinking", "summary", "refusal", "reason"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_whatever_stands_there_is_read_without_an_error(value: Any) -> None:
    for name in ("finish_reason", "incomplete_details", "reasoning", "content"):
        assert finish_of({name: value}) in (None, "stop", "length", "content_filter", "refusal", "error")
        assert isinstance(thoughts_of({name: value}), str)
    assert isinstance(thoughts_in(value), str)
    assert isinstance(refusal_in(value), str)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        ([{"type": "text", "text": "a"}, {"type": "output_text", "text": "b"}, "c"], "abc"),
        ([{"type": "reasoning", "text": "no"}, {"type": "thinking", "thinking": "no"}, {"text": "a"}], "a"),
        ([{"type": "text", "text": 7}, None, {"type": "refusal", "refusal": "no"}], ""),
        (None, ""),
        (7, ""),
    ],
)
def test_what_is_said_is_a_text_or_parts_that_hold_no_thoughts(content: object, text: str) -> None:
    assert text_in(content) == text


CALL = '<tool_call>\n{"name": "python", "arguments": {"code": "print(1)"}}\n</tool_call>'


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"tool_calls": [{"name": "python", "args": {"code": "print(1)"}, "id": "1", "type": "tool_call"}]}, CALL),
        ({"function_call": {"name": "python", "arguments": {"code": "print(1)"}}}, CALL),
        (
            {"tool_calls": [{"function": SimpleNamespace(name="python", arguments={"code": "print(1)"})}] * 2},
            f"{CALL}\n{CALL}",
        ),
        (
            {"tool_calls": [{"function": {"name": "f", "arguments": None}}]},
            '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>',
        ),
        ({"tool_calls": [{"function": {"name": None}}, {"name": "f", "args": {"x": object()}}, 7, None]}, ""),
        ({"tool_calls": []}, ""),
        (None, ""),
    ],
)
def test_tools_that_a_message_calls_become_text(message: object, text: str) -> None:
    assert call_text(calls_in(message)) == text


@pytest.mark.parametrize(
    ("words", "text", "thoughts"),
    [("", CALL, "hm"), (" \n", CALL, "hm"), ("I count.\n", f"I count.\n\n{CALL}", "hm\n\nI count.\n")],
)
def test_calls_beside_words_are_never_lost_unseen(words: str, text: str, thoughts: str) -> None:
    calls = ToolCall("python", '{"code": "print(1)"}')
    reply = Completion(words, thoughts="hm", tool_calls=(calls,))
    assert as_text(reply) == Completion(text, thoughts="hm", tool_calls=(calls,))
    assert without_calls(reply) == Completion("", thoughts=thoughts, tool_calls=(calls,))
    only_words = Completion(words)
    assert as_text(only_words) is only_words is without_calls(only_words)


@pytest.mark.parametrize("times", [1, 40])
def test_long_arguments_that_become_text_are_not_read_for_it(times: int) -> None:
    codes = [f"print({n})\n" * (80_000 // 9 // times) for n in range(times)]
    text = call_text([ToolCall("python", json.dumps({"code": code})) for code in codes])
    called = [json.loads(line) for line in text.split("\n") if line.startswith("{")]
    assert [json.loads(each["arguments"]) for each in called] == [{"code": code} for code in codes]
    assert parse_reply(text).blocks == tuple(code.strip() for code in codes)


@pytest.mark.parametrize(("chars", "taken"), [(500_000, True), (500_001, False)])
def test_longer_arguments_than_a_model_writes_are_none(chars: int, taken: bool) -> None:
    assert (arguments_of(ToolCall("f", '{"x": 1}'.ljust(chars))) is not None) is taken
