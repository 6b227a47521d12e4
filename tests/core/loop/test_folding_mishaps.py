"""Where a summary is refused, empty or code, the run goes on as it can."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rlm_integrations.core.language_model import CodeProtocol, Message
from rlm_integrations.core.loop.actions import Finish
from rlm_integrations.core.loop.happenings import BudgetView, Replied, RootCallFailed

from .long_conversation import OPEN, SUMMARY, Run, as_summary, called, check_legal, code, no_reply, rules


def test_code_in_place_of_a_summary_never_runs_and_is_asked_away_once() -> None:
    run = Run(rules(), [600] * 30, lambda number: code(number) if number == 1 else as_summary(number))
    assert run.to_its_end() == Finish("120", "answer")
    first, second = run.folds[:2]
    again = "Your last reply to this was no summary and was not taken; if it was code, it did not run."
    assert again not in first.messages[-1].content
    assert again in second.messages[-1].content
    assert run.asked[-1][2].content.startswith(SUMMARY)


def test_of_a_summary_with_code_the_words_are_taken() -> None:
    words = "Of the ledger's 2,000 entries the first 900 are read: 40 are open, their ids in `found`. " * 4

    def with_code(number: int) -> Replied:
        return Replied(f"{words}\n```repl\nlook()\n```", OPEN)

    run = Run(rules(), [600] * 20, with_code)
    run.to_its_end()
    assert run.state.messages[2] == Message("assistant", words.strip())


@pytest.mark.parametrize(
    ("summaries", "protocol", "times"),
    [
        (no_reply, "fence", 4),
        (code, "fence", 4),
        (called, "tool", 4),
        (lambda number: Replied("I cannot help with that.", OPEN, "refusal"), "fence", 4),
        (lambda number: RootCallFailed("the server is gone", OPEN), "fence", 2),
    ],
)
@pytest.mark.parametrize("window", [4_000, None])
def test_where_there_is_no_summary_the_run_goes_on_as_it_can(
    window: int | None, summaries: Callable[[int], Replied | RootCallFailed], protocol: CodeProtocol, times: int
) -> None:
    run = Run(rules(window_tokens=window, protocol=protocol), [600] * 60, summaries, refuses_over=16_000)
    assert run.to_its_end() == Finish("120", "answer")
    assert len(run.folds) == times  # it is not asked for ever
    assert run.refused > 0  # and the conversation is shortened, as before
    assert run.state.folds == 0


def test_a_limit_that_the_summary_meets_has_the_last_call_follow() -> None:
    met = BudgetView(limit="max_total_tokens")
    for refuses_over, window in ((None, 4_000), (16_000, None)):
        run = Run(rules(window_tokens=window), [600] * 60, refuses_over=refuses_over)
        run.budget = lambda number: met if number else OPEN
        assert run.to_its_end() == Finish("120", "max_total_tokens")
        assert run.last_calls == 1
        assert run.asked[-1][2].content.startswith(SUMMARY)
        assert "You have reached the limit of 2,000,000 tokens" in run.asked[-1][-1].content
        check_legal(run.asked[-1])


def test_a_summary_that_runs_on_is_cut() -> None:
    run = Run(rules(), [600] * 30, lambda number: Replied("word " * 4_000, OPEN))
    assert run.to_its_end() == Finish("120", "answer")
    assert 1_400 < len(run.state.messages[2].content) < 1_600
