"""What calls cost where the user says what tokens cost, and what becomes of a limit in money where nobody does."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations import Completion, RLMEngine, Usage
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.testing import ScriptedModel

LONG = "nothing to see here\n" * 1_000
ROOT: Any = {"input_price": 2.0, "output_price": 10.0, "cached_input_price": 0.5}
SUB: Any = {"input_price": 1.0, "output_price": 0}
MONEY = {"max_cost_usd": 1.0}


class Silent(ScriptedModel):
    """A model that is known to say nothing of costs."""

    reports_cost = False


def asking(usage: Usage | None = None) -> Silent:
    return Silent(["```repl\nFINAL(llm_query('What?'))\n```", "Late."], usage=usage)


def test_each_call_costs_what_its_models_tokens_cost() -> None:
    root = asking(Usage(input_tokens=1_000_000, cached_tokens=400_000, output_tokens=100_000))
    sub = Silent(["that"], usage=Usage(input_tokens=3_000_000, output_tokens=5))
    trace = RLMEngine(root, sub_llm=sub, prices={"llm": ROOT, "sub_llm": SUB}).run("?", LONG).trace
    assert trace.iterations[0].call.usage.cost_usd == pytest.approx(1.2 + 0.2 + 1.0)
    assert trace.sub_usage.cost_usd == pytest.approx(3.0)
    assert trace.usage.cost_usd == pytest.approx(5.4)


def test_the_root_lms_prices_hold_for_its_own_sub_calls() -> None:
    llm = Silent(["```repl\nFINAL(llm_query('What?'))\n```", "that"], usage=Usage(input_tokens=1_000_000))
    result = RLMEngine(llm, prices={"llm": ROOT}, limits={"max_cost_usd": 100}).run("?", LONG)
    assert result.usage.cost_usd == pytest.approx(4.0)


def test_a_limit_in_money_is_kept_by_prices() -> None:
    root = asking(Usage(input_tokens=1_000_000))
    engine = RLMEngine(root, sub_llm=Silent(), limits=MONEY, prices={"llm": ROOT, "sub_llm": SUB})
    with pytest.warns(RuntimeWarning, match="the limit of 1.0 US dollars"):
        result = engine.run("?", LONG)
    assert (result.answer, result.stop_reason) == ("Late.", "max_cost")
    assert "1.0 US dollars" in result.trace.executions[0].output + str(result.trace.executions[0].error)


def test_tokens_that_no_server_counted_cost_something_too() -> None:
    llm = Silent(always=lambda _: Completion("x" * 400, Usage()))
    with pytest.warns(RuntimeWarning, match="reported no token usage"):
        result = RLMEngine(llm, prices={"llm": ROOT}).run("What is it?")
    used = result.usage
    assert used.estimated_tokens == used.total_tokens > 100
    assert used.cost_usd == pytest.approx((used.input_tokens * 2 + used.output_tokens * 10) / 1e6)


def test_a_reply_out_of_a_cache_costs_nothing() -> None:
    llm = Silent(always=lambda _: Completion("4", Usage(input_tokens=1_000_000), cached=True))
    assert RLMEngine(llm, limits=MONEY, prices={"llm": ROOT}).run("2 + 2?").usage.cost_usd is None


@pytest.mark.parametrize(
    ("prices", "argument"),
    [(None, "llm"), ({"sub_llm": SUB}, "llm"), ({"llm": ROOT}, "sub_llm"), ({"llm": "reported"}, "sub_llm")],
)
def test_where_nobody_says_what_a_call_costs_a_limit_in_money_is_refused_with_nothing_sent(
    prices: Any, argument: str
) -> None:
    with Silent() as root, Silent() as sub, pytest.raises(InvalidArgumentError) as caught:
        RLMEngine(root, sub_llm=sub, limits=MONEY, prices=prices)
    assert f"limits: max_cost_usd is set, and what a call of {argument} costs is unknown" in str(caught.value)
    assert f'prices={{"{argument}": {{"input_price": ..., "output_price": ...}}}}' in str(caught.value)
    assert "max_total_tokens" in str(caught.value)


@pytest.mark.parametrize("none", [{"max_depth": 0}, {"max_sub_calls": 0}])
def test_a_model_that_is_never_called_needs_no_prices(none: Any) -> None:
    RLMEngine(Silent(), sub_llm=Silent(), limits={**MONEY, **none}, prices={"llm": ROOT})


def test_a_cost_that_is_reported_counts() -> None:
    llm = Silent(["4"], usage=Usage(input_tokens=1, cost_usd=0.25))
    assert RLMEngine(llm, limits=MONEY, prices={"llm": "reported"}).run("2 + 2?").usage.cost_usd == 0.25


@pytest.mark.parametrize(
    ("prices", "says"),
    [
        ([1, 2], 'prices: list given; pass prices={"llm": {"input_price": ..., "output_price": ...}}'),
        (ROOT, 'prices: unknown name \'input_price\'; prices are those of "llm" or "sub_llm"'),
        ({"gpt-5": ROOT}, "prices: unknown name 'gpt-5'"),
        ({"llm": (1.25, 10)}, 'prices: llm=(1.25, 10); pass {"input_price": ..., "output_price": ...}, "genai"'),
        ({"llm": "free"}, "prices: llm='free'; pass"),
        (
            {"llm": {"input": 1, "output": 2}},
            "prices: llm has the unknown name 'input'; the names are input_price, out",
        ),
        ({"llm": {"input_price": 1}}, "prices: llm: output_price: missing"),
        ({"sub_llm": {"input_price": 1, "output_price": -2}}, "prices: sub_llm: output_price: -2 is negative"),
        ({"llm": {"input_price": "1", "output_price": 2}}, "prices: llm: input_price: '1' is no price"),
        ({"llm": {"input_price": float("nan"), "output_price": 2}}, "prices: llm: input_price: nan is no price"),
        ({"llm": {**SUB, "cached_input_price": True}}, "prices: llm: cached_input_price: True is no price"),
    ],
)
def test_prices_of_another_form_are_refused(prices: Any, says: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        RLMEngine(Silent(), prices=prices)
    assert says in str(caught.value)
