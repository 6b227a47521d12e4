"""When a conversation is folded into a summary, and what is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from rlm_integrations.core.calls.token_counts import prompt_chars
from rlm_integrations.core.language_model import CodeProtocol, Message
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.loop.actions import Finish
from rlm_integrations.core.loop.decide import decide
from rlm_integrations.core.loop.happenings import BudgetView, Opened, Replied
from rlm_integrations.core.loop.quotations import Quotations
from rlm_integrations.core.loop.state import State
from rlm_integrations.core.loop.window import Window

from .long_conversation import EARLIER, OPEN, OPENING, SUMMARY, Run, names, rules


def grows(asked: Sequence[tuple[Message, ...]]) -> list[bool]:
    return [later[: len(earlier)] == earlier for earlier, later in pairwise(asked)]


@pytest.mark.parametrize("protocol", ["fence", "tool"])
@pytest.mark.parametrize("window", [None, 400_000])
def test_a_conversation_that_is_far_from_its_window_only_grows(window: int | None, protocol: CodeProtocol) -> None:
    run = Run(rules(window_tokens=window, protocol=protocol), [1_000] * 60)
    assert run.to_its_end() == Finish("120", "answer")
    assert not run.folds
    assert all(grows(run.asked))
    assert len(run.asked[-1]) == len(OPENING) + 2 * 60


def test_sixty_steps_under_a_small_window_are_folded_now_and_then_and_end_well() -> None:
    run = Run(rules(), [600] * 60, refuses_over=16_000)
    assert run.to_its_end() == Finish("120", "answer")
    assert run.refused == 0
    assert 2 < len(run.folds) < 10
    assert grows(run.asked).count(False) == len(run.folds)  # prompt caches miss once for each
    assert len(run.asked) == 61
    for action in run.folds:
        assert prompt_chars(action.messages) <= 16_000
    last = run.asked[-1]
    assert last[:2] == OPENING
    assert last[2].content == f"{SUMMARY} ({len(run.folds)})"
    up_to = run.folds[-1].up_to
    assert last[3].content.startswith(f"The summary above, which you wrote, stands in place of steps 1 to {up_to},")
    assert names(last[3].content) >= {f"v{n}" for n in range(1, up_to + 1)}
    assert last[5].content.startswith(f"Step {up_to + 1} of 200: ok")


def test_the_request_is_the_end_of_the_conversation_as_it_is_so_that_prompt_caches_hit() -> None:
    run = Run(rules(), [600] * 25)
    run.to_its_end()
    asked, first = run.asked, run.folds[0]
    before = next(each for each, after in pairwise(asked) if after[: len(each)] != each)
    assert first.messages[: len(before)] == before
    observation, request = first.messages[-1].content.split("\n\n")
    assert observation.startswith(f"Step {first.iteration} of 200: ok")
    assert f"in place of steps 1 to {first.up_to};" in request
    assert "the last 2 steps stay as they are" in request
    assert "at most 1,000 characters" in request
    assert "v1, v10, v11, v12" in request
    assert request.endswith("The question, which is not to be answered now: how many?")


def test_what_was_printed_is_known_for_quotations_after_it_was_folded() -> None:
    run = Run(rules(), [600] * 30)
    run.to_its_end()
    assert run.folds
    known = Quotations(run.state.quotable, run.state.fenced)
    assert known.hold_code("printed 3 " + "y" * 600)
    assert not any("printed 3 " in message.content for message in run.state.messages)


@pytest.mark.parametrize(
    ("counts", "folds"),
    [
        (lambda chars: chars, range(4, 40)),  # a token for each character: Chinese, for one
        (lambda chars: chars // 4, range(2, 10)),
        (lambda chars: 900, range(1, 10)),  # a constant is no count
        (lambda chars: chars // 7, range(1, 5)),
    ],
)
def test_the_servers_own_count_says_when_the_window_is_near(counts: Callable[[int], int], folds: range) -> None:
    window = 4_000
    run = Run(rules(window_tokens=window), [300] * 60, counts=counts)
    run.opened = Opened((OPENING[0], Message("user", "Question: how many?")))
    assert run.to_its_end() == Finish("120", "answer")
    assert len(run.folds) in folds
    if counts(8_000) != 900:
        assert max(counts(prompt_chars(messages)) for messages in run.asked) <= window


def test_a_prompt_that_was_silently_cut_says_how_small_the_window_is() -> None:
    known = Window().read(4_096)
    assert known.tokens == 4_096
    assert known.read(9_000).tokens == 4_096
    state, _ = decide(rules(window_tokens=None), State(), Opened(OPENING))
    state, _ = decide(rules(window_tokens=None), state, Replied("Hm.", OPEN, prompt_tokens=4_096, prompt_cut=True))
    assert state.window.tokens == 4_096


@pytest.mark.parametrize("protocol", ["fence", "tool"])
def test_where_nobody_knows_the_window_the_first_refusal_tells_and_the_next_folds_come_before_one(
    protocol: CodeProtocol,
) -> None:
    run = Run(rules(window_tokens=None, protocol=protocol), [600] * 60, refuses_over=16_000)
    assert run.to_its_end() == Finish("120", "answer")
    assert run.refused == 1
    first, *others = run.folds
    assert first.amid
    assert prompt_chars(first.messages) <= 16_000  # what was printed longest ago is cut in it
    assert others
    assert not any(action.amid for action in others)


def test_the_last_call_is_shortened_and_not_folded() -> None:
    run = Run(rules(limits=RLMLimits(max_iterations=9), window_tokens=None), [2_000] * 60, refuses_over=20_000)
    assert run.to_its_end() == Finish("120", "max_iterations")
    assert not run.folds
    assert run.refused == 1


def test_a_child_keeps_a_sub_call_for_what_follows_the_summary() -> None:
    for left, folds in ((1, False), (2, True)):
        run = Run(rules(has_last_call=False), [600] * 22)
        run.budget = lambda number, left=left: BudgetView(sub_calls_left=left)
        run.to_its_end()
        assert bool(run.folds) is folds


def test_what_was_said_before_the_question_is_folded_where_it_takes_much() -> None:
    whole = (OPENING[0], *EARLIER, OPENING[1])
    run = Run(rules(), [600] * 40, opened=Opened(whole, OPENING), refuses_over=16_000)
    assert run.to_its_end() == Finish("120", "answer")
    first, *others = run.folds
    assert "in place of what was said before the question, and of steps 1 to" in first.messages[-1].content
    assert "what the user wishes of answers" in first.messages[-1].content
    assert others
    assert not any("before the question" in action.messages[-1].content for action in others)
    assert run.asked[-1][:2] == OPENING
    roomy = Run(rules(window_tokens=16_000), [3_000] * 40, opened=Opened(whole, OPENING))
    roomy.to_its_end()
    assert roomy.folds
    assert roomy.asked[-1][: len(whole)] == whole


def test_an_opening_that_fills_the_window_by_itself_is_not_folded() -> None:
    run = Run(rules(window_tokens=600), [600] * 20)
    assert run.to_its_end() == Finish("120", "answer")
    assert not run.folds
