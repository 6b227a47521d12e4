"""Where prices come from: a function of the user's, and the list of genai-prices; unknown ones are said."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest

from rlm_integrations import (
    Completion,
    Event,
    InvalidArgumentError,
    ModelPrices,
    RLMEngine,
    RunError,
    RunPrices,
    SubCallsReserved,
    Usage,
)
from rlm_integrations.openai import OpenAIModel
from rlm_integrations.pricing.genai import GenaiPricing
from rlm_integrations.testing import ScriptedModel

LONG = "nothing to see here\n" * 1_000
MILLION = Usage(input_tokens=1_000_000, output_tokens=100_000)
MONEY = {"max_cost_usd": 100.0}
FINAL = "```repl\nFINAL(llm_query('What?'))\n```"


class Silent(ScriptedModel):
    """A model that is known to say nothing of costs."""

    reports_cost = False


def model(*replies: Any, name: str = "gpt-5", usage: Usage = MILLION) -> Silent:
    return Silent(replies, model=name, usage=usage)


def test_a_function_says_what_calls_of_each_model_cost() -> None:
    asked: list[tuple[str, int]] = []

    def price(name: str, usage: Usage) -> float:
        asked.append((name, usage.input_tokens))
        return {"big": 2.0, "small": 0.25}[name]

    root, sub = model(FINAL, name="big"), model("that", name="small")
    trace = RLMEngine(root, sub_llm=sub, prices=price, limits=MONEY).run("?", LONG).trace
    assert (trace.root_usage.cost_usd, trace.sub_usage.cost_usd) == (2.0, 0.25)
    assert asked == [("big", 1_000_000), ("small", 1_000_000)]


def test_a_source_of_its_own_for_each_model() -> None:
    prices: RunPrices = {"llm": lambda name, usage: 1.5, "sub_llm": ModelPrices(input_price=1, output_price=0)}
    trace = RLMEngine(model(FINAL), sub_llm=model("that"), prices=prices).run("?", LONG).trace
    assert (trace.root_usage.cost_usd, trace.sub_usage.cost_usd) == (1.5, 1.0)


def test_genai_prices_are_those_of_its_list_and_cached_tokens_cost_less() -> None:
    usage = Usage(input_tokens=1_000_000, cached_tokens=400_000, output_tokens=100_000)
    trace = RLMEngine(model(FINAL, "that", usage=usage), prices="genai", limits=MONEY).run("?", LONG).trace
    cost = 0.6 * 1.25 + 0.4 * 0.125 + 0.1 * 10
    assert trace.iterations[0].call.usage.cost_usd == pytest.approx(cost)
    assert trace.usage.cost_usd == pytest.approx(2 * cost)


def test_more_cached_tokens_than_all_lose_no_reply() -> None:
    """Some servers count what was cached apart."""
    usage = Usage(input_tokens=100_000, cached_tokens=400_000, output_tokens=100_000)
    result = RLMEngine(model(FINAL, "that", usage=usage), prices="genai", limits=MONEY).run("?", LONG)
    assert result.answer == "that"
    assert result.usage.cost_usd == pytest.approx(2 * (0.4 * 0.125 + 0.1 * 10))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("gpt-5-2025-08-07", True),
        ("claude-sonnet-4-5", True),
        ("models/gemini-2.5-pro", True),
        ("openai/gpt-5", True),
        ("gpt-5-of-ours", False),
        ("our-model", False),
        ("ours/gpt-5", False),
    ],
)
def test_names_that_it_does_not_know_are_not_guessed(name: str, known: bool) -> None:
    cost = GenaiPricing(ScriptedModel()).cost_usd(MILLION, name)
    assert (cost is not None and cost > 0) == known


def test_a_model_of_ones_own_has_no_providers_price_though_it_has_its_name() -> None:
    own = GenaiPricing(OpenAIModel("gpt-5", base_url="http://localhost:8000/v1", api_key="k"))
    theirs = GenaiPricing(OpenAIModel("gpt-5", base_url="https://api.openai.com/v1", api_key="k"))
    assert own.cost_usd(MILLION, "gpt-5") is None
    assert theirs.cost_usd(MILLION, "gpt-5") == pytest.approx(2.25)


def raises(name: str, usage: Usage) -> float:
    raise KeyError(name)


def ends(error: BaseException) -> Any:
    def price(name: str, usage: Usage) -> float:
        raise error

    return price


UNKNOWN: list[tuple[Any, str]] = [
    ("genai", r"prices: what calls of ours cost is unknown \(genai-prices does not know it"),
    (lambda name, usage: None, r"what calls of ours cost is unknown \(the function of prices returned None"),
    (raises, r"what calls of ours cost is unknown \(the function of prices raised KeyError: 'ours'"),
    *(
        (ends(error), rf"cost is unknown \(the function of prices raised {type(error).__name__}: ")
        for error in (SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit())
    ),
    (lambda name, usage: -1, r"cost is unknown \(the function of prices returned -1, which is no price"),
    (lambda name, usage: "1", r"cost is unknown \(the function of prices returned '1', which is no price"),
]


@pytest.mark.parametrize(("prices", "words"), UNKNOWN)
def test_what_is_unknown_is_said_once_and_costs_are_without_it(prices: Any, words: str) -> None:
    llm = model("```repl\nFINAL(''.join(llm_query_batched(['a', 'b'])))\n```", "x", "y", name="ours")
    with pytest.warns(RuntimeWarning, match=words) as told:
        result = RLMEngine(llm, prices=prices, limits={"max_total_tokens": 10_000_000}).run("?", LONG)
    assert (len(told), result.usage.cost_usd) == (1, None)
    assert result.usage.total_tokens == 3 * MILLION.total_tokens
    assert len(result.trace.warnings) == 1


def test_an_unknown_price_of_sub_calls_is_said_too() -> None:
    prices: Any = {"llm": lambda name, usage: 1.0, "sub_llm": "genai"}
    with pytest.warns(RuntimeWarning, match="what calls of ours cost is unknown"):
        result = RLMEngine(model(FINAL), sub_llm=model("that", name="ours"), prices=prices).run("?", LONG)
    assert result.usage.cost_usd == 1.0


@pytest.mark.parametrize(("prices", "words"), UNKNOWN)
def test_a_limit_in_money_is_not_kept_by_guesses(prices: Any, words: str) -> None:
    with pytest.raises(RunError, match=f"{words}.*max_cost_usd is set") as raised:
        RLMEngine(model("x", name="ours"), prices=prices, limits=MONEY).run("?", LONG)
    assert raised.value.result is not None
    assert raised.value.result.usage.total_tokens == 1_100_000


def test_what_a_server_reports_stands_where_the_source_knows_nothing() -> None:
    llm = Silent(always=lambda _: Completion("x", Usage(input_tokens=9, cost_usd=0.5), "ours"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert RLMEngine(llm, prices="genai", limits=MONEY).run("What is it?").usage.cost_usd == 0.5


@pytest.mark.parametrize("wrong", ["genay", 5, {"llm": "genay"}, {"llm": 5}])
def test_a_wrong_source_is_refused_with_those_that_there_are(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r'prices: .*"genai"'):
        RLMEngine(model(), prices=wrong)


def reserved(llm: ScriptedModel, **options: Any) -> list[tuple[int, float | None]]:
    seen: list[Event] = []
    RLMEngine(llm, on_event=seen.append, **options).run("?", LONG)
    return [(event.count, event.cost_usd) for event in seen if isinstance(event, SubCallsReserved)]


def test_before_a_batch_it_is_said_what_it_costs_about() -> None:
    code = "llm_query_batched(['x' * 4_000] * 1_000)\nFINAL(len(llm_query_batched(['y' * 400] * 10)))"
    prices: Any = {"llm": ModelPrices(input_price=1.0, output_price=10.0)}
    replies = [f"```repl\n{code}\n```", *["z"] * 1_010]
    llm = Silent(replies, usage=Usage(input_tokens=1_000, output_tokens=50))
    limits = {"max_sub_calls": 2_000}
    first, second = reserved(llm, prices=prices, limits=limits)
    assert first == (1_000, pytest.approx((1_000_000 + 1_000 * 200 * 10) / 1e6))
    assert second == (10, pytest.approx((1_000 + 10 * 50 * 10) / 1e6))


def test_an_estimate_goes_by_what_a_server_reported_where_there_are_no_prices() -> None:
    code = "llm_query('a' * 400)\nFINAL(len(llm_query_batched(['b' * 4_000] * 4)))"
    usage = Usage(input_tokens=100, output_tokens=100, cost_usd=0.02)
    root = ScriptedModel([f"```repl\n{code}\n```"], usage=usage)
    seen = reserved(root, sub_llm=ScriptedModel(["x"] * 5, usage=usage))
    assert seen == [(1, None), (4, pytest.approx((4_000 + 400) * 0.0001))]


def test_where_nobody_knows_prices_nothing_is_estimated() -> None:
    assert reserved(model(FINAL, "x")) == [(1, None)]
