"""Tokens that a server does not count, and counts that cannot be true."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.core.calls.token_counts import with_estimates
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing import ScriptedModel

ASKED = [Message("system", "s" * 10), Message("user", "u" * 31)]
LONG = "".join(f"line {n}: nothing to see\n" for n in range(2_000))
LOOK = "```repl\nprint(context[:4_000])\n```"
DONE = "```repl\nFINAL('done')\n```"


def silent(*replies: str) -> ScriptedModel:
    """A model whose server reports no usage."""
    return ScriptedModel([Completion(reply, Usage(), "silent") for reply in replies])


def test_a_call_without_counts_is_estimated_at_four_characters_a_token() -> None:
    usage = with_estimates(Completion("x" * 9, thoughts="y" * 3), ASKED)
    assert usage == Usage(input_tokens=11, output_tokens=3, estimated_tokens=14)


def test_a_prompt_without_a_count_is_estimated_beside_a_reply_with_one() -> None:
    usage = with_estimates(Completion("x" * 9, Usage(output_tokens=7, cost_usd=0.5)), ASKED)
    assert usage == Usage(input_tokens=11, output_tokens=7, estimated_tokens=11, cost_usd=0.5)


def test_what_a_server_counts_is_left_as_it_is() -> None:
    counted = Usage(input_tokens=3, cached_tokens=2)
    assert with_estimates(Completion("x" * 9, counted), ASKED) == counted
    assert (counted + Usage(estimated_tokens=4, input_tokens=4)).estimated_tokens == 4


def test_a_limit_of_tokens_holds_where_none_are_reported() -> None:
    def look(messages: Sequence[Message]) -> Completion:
        last_call = "You have reached" in messages[-1].content
        return Completion("as far as I saw" if last_call else LOOK, Usage(), "silent")

    root = ScriptedModel(always=look)
    result = RLMEngine(root, limits={"max_total_tokens": 10_000}).run("?", LONG)
    assert result.stop_reason == "max_total_tokens"
    asked = [sum(len(message.content) for message in request) for request in root.requests[:-1]]
    assert 10_000 <= (sum(asked) + len(LOOK) * len(asked)) / 4 + 2 * len(asked) <= 15_000
    assert result.usage.estimated_tokens == result.usage.total_tokens > 10_000


def test_the_sub_calls_of_a_silent_server_are_counted_too_and_one_warning_is_given_for_all() -> None:
    def echo(messages: Sequence[Message]) -> Completion:
        return Completion("x" * 40, Usage(), "silent")

    root = silent("```repl\nllm_query_batched(['a' * 4_000] * 6)\nprint(context[:100])\n```", DONE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = RLMEngine(root, sub_llm=ScriptedModel(always=echo)).run("?", LONG)
    assert result.trace.sub_usage.estimated_tokens > 6 * 1_010
    [warning] = result.trace.warnings
    assert "estimated" in warning
    assert [str(each.message) for each in caught] == [warning]
    assert result.report(trace="summary")["trace"]["warnings"] == [warning]


def test_a_filter_that_makes_errors_of_warnings_does_not_end_the_run() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert RLMEngine(silent(DONE)).run("?", LONG).answer == "done"


@pytest.mark.parametrize("usage", [Usage(input_tokens=900, output_tokens=9)])
def test_a_server_that_counts_gives_no_warning(usage: Usage) -> None:
    result = RLMEngine(ScriptedModel([LOOK, DONE], usage=usage)).run("?", LONG)
    assert result.trace.warnings == []
    assert result.usage.estimated_tokens == 0
