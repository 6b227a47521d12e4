from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.calls.budget import Budget, BudgetError, limit_words
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.usage import Usage


@dataclass
class Clock:
    """Seconds that move only when told."""

    now: float = 5_000.0

    def __call__(self) -> float:
        return self.now


def test_sub_calls_are_reserved_all_or_none() -> None:
    budget = Budget(RLMLimits(max_sub_calls=10), Clock())
    budget.reserve(7)
    assert budget.sub_calls_left == 3
    with pytest.raises(BudgetError, match=re.escape("4 sub-calls asked for, 3 left; nothing was sent")):
        budget.reserve(4)
    assert budget.sub_calls_left == 3
    budget.reserve(3)
    assert budget.sub_calls_left == 0


def test_the_limit_of_sub_calls_is_met_when_one_is_asked_for_in_vain() -> None:
    budget = Budget(RLMLimits(max_sub_calls=2), Clock())
    with pytest.raises(BudgetError):
        budget.reserve(3)
    assert budget.limit_met() is None  # a smaller batch may still be asked for
    budget.reserve(2)
    assert budget.limit_met() is None  # the root may finish with what it has
    with pytest.raises(BudgetError, match="1 sub-call asked for, 0 left"):
        budget.reserve(1)
    assert budget.limit_met() == "max_sub_calls"


def test_what_was_not_sent_is_given_back() -> None:
    budget = Budget(RLMLimits(max_sub_calls=5), Clock())
    budget.reserve(5)
    with pytest.raises(BudgetError):
        budget.reserve(1)
    budget.release(2)
    assert budget.sub_calls_left == 2
    assert budget.limit_met() is None
    budget.reserve(2)


@given(
    st.integers(0, 30),
    st.lists(st.tuples(st.sampled_from(["reserve", "release"]), st.integers(1, 12)), max_size=40),
)
def test_sub_calls_are_never_overspent(limit: int, moves: list[tuple[str, int]]) -> None:
    budget = Budget(RLMLimits(max_sub_calls=limit), Clock())
    held = 0
    for move, calls in moves:
        if move == "release":
            calls = min(calls, held)
            budget.release(calls)
            held -= calls
            continue
        fits = held + calls <= limit
        try:
            budget.reserve(calls)
        except BudgetError:
            assert not fits
        else:
            assert fits
            held += calls
        assert 0 <= budget.sub_calls_left == limit - held


def test_tokens_are_counted_and_stop_new_calls() -> None:
    budget = Budget(RLMLimits(max_total_tokens=1_000), Clock())
    budget.spend(Usage(input_tokens=600, output_tokens=150))
    assert budget.tokens_left_share() == 0.25
    assert budget.limit_met() is None
    budget.spend(Usage(input_tokens=250))
    assert budget.limit_met() == "max_total_tokens"
    with pytest.raises(BudgetError, match=r"the run has reached the limit of 1,000 tokens; nothing was sent"):
        budget.reserve(1)
    budget.spend(Usage(output_tokens=500))  # a call in flight
    assert budget.tokens_left_share() == 0.0
    assert budget.tokens == 1_500


def test_without_a_bound_tokens_never_run_out() -> None:
    budget = Budget(RLMLimits(max_total_tokens=None), Clock())
    budget.spend(Usage(input_tokens=10**12))
    assert (budget.tokens_left_share(), budget.limit_met()) == (1.0, None)


def test_cost_is_added_up() -> None:
    budget = Budget(RLMLimits(max_cost_usd=0.5), Clock())
    assert budget.limit_met() is None
    budget.spend(Usage(cost_usd=0.25))
    assert budget.limit_met() is None
    budget.spend(Usage(cost_usd=0.25))
    assert budget.limit_met() == "max_cost"


def test_a_bound_on_cost_needs_a_model_that_reports_it() -> None:
    budget = Budget(RLMLimits(max_cost_usd=0.5), Clock())
    assert budget.problem is None
    budget.spend(Usage(input_tokens=5))
    assert budget.tokens == 5  # what was paid for is on the bill all the same
    assert budget.problem is not None
    assert "max_cost_usd is set, but the model does not report its cost" in budget.problem
    with pytest.raises(BudgetError, match="nothing was sent"):
        budget.reserve(1)


@pytest.mark.parametrize(("timeout", "kept_back"), [(100.0, 20.0), (300.0, 60.0), (3_600.0, 60.0)])
def test_time_is_kept_back_for_the_last_call(timeout: float, kept_back: float) -> None:
    clock = Clock()
    budget = Budget(RLMLimits(timeout_s=timeout), clock)
    assert budget.seconds_left() == timeout - kept_back
    assert budget.seconds_left(last_call=True) == timeout
    clock.now += timeout - kept_back
    assert budget.limit_met() == "timeout"
    assert budget.call_seconds() == 0.0
    assert budget.call_seconds(last_call=True) == kept_back
    with pytest.raises(BudgetError, match=f"the run has reached the limit of {timeout:g} s"):
        budget.reserve(1)
    clock.now += 10_000
    assert budget.call_seconds(last_call=True) == 0.0


def test_one_call_has_its_own_bound() -> None:
    clock = Clock()
    budget = Budget(RLMLimits(timeout_s=100, call_timeout_s=30), clock)
    assert budget.call_seconds() == 30
    clock.now += 60
    assert budget.call_seconds() == 20
    endless = Budget(RLMLimits(call_timeout_s=30), clock)
    clock.now += 10**9
    assert endless.seconds_left() == float("inf")
    assert endless.call_seconds() == 30
    assert endless.limit_met() is None


def test_limits_in_words() -> None:
    limits = RLMLimits(max_iterations=1, max_sub_calls=1_000, max_cost_usd=0.5, timeout_s=90)
    assert [
        limit_words(reason, limits)
        for reason in ("max_iterations", "max_sub_calls", "max_total_tokens", "max_cost", "timeout")
    ] == [
        "the limit of 1 step",
        "the limit of 1,000 sub-calls",
        "the limit of 2,000,000 tokens",
        "the limit of 0.5 US dollars",
        "the limit of 90 s",
    ]
