"""Long conversations: older iterations become a summary that the root LM writes. Decisions alone, without a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_integrations.core.calls.token_counts import prompt_chars
from rlm_integrations.core.calls.tool_rounds import CallingMessage, as_rounds
from rlm_integrations.core.language_model import CodeProtocol, Completion, Message, ToolCall
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.loop.actions import CallRootLM, Fail, Finish, FoldConversation, RunCode
from rlm_integrations.core.loop.decide import decide
from rlm_integrations.core.loop.happenings import BudgetView, CodeRan, Opened, Replied, RootCallFailed
from rlm_integrations.core.loop.quotations import Quotations
from rlm_integrations.core.loop.state import Rules, State
from rlm_integrations.core.loop.window import Window
from rlm_integrations.wire.steps import AnswerState, Output, StepDone

OPENING = (Message("system", "You write code."), Message("user", "Question: how many? " + "x" * 2_000))
EARLIER = (Message("user", "What is it? " + "e" * 6_000), Message("assistant", "A ledger."))
OPEN = BudgetView(sub_calls_left=1_000)
SUMMARY = "Found 7 open entries so far, in `found`; the rest of the chunks is to be read, the next one first."
TOO_LONG = RootCallFailed("the root LM failed: prompt is too long", OPEN, too_long=True)


def rules(**changes: Any) -> Rules:
    usual: dict[str, Any] = {
        "limits": RLMLimits(max_iterations=200),
        "question": "how many?",
        "depth": 1,
        "plain_reply_answers": False,
        "misfit": lambda text, is_json: None,
        "fence_key": b"key",
        "window_tokens": 4_000,
    }
    return Rules(**(usual | changes))


def no_reply(number: int) -> Replied | RootCallFailed:
    return Replied("", OPEN, unfinished="the reply is empty")


def as_summary(number: int) -> Replied | RootCallFailed:
    return Replied(f"{SUMMARY} ({number})", OPEN)


@dataclass
class Run:
    """A run whose root LM prints so many characters in each step, and then answers."""

    rules: Rules
    sizes: Sequence[int]
    summaries: Callable[[int], Replied | RootCallFailed] = as_summary
    refuses_over: int | None = None
    """Characters of a prompt that the server refuses."""
    counts: Callable[[int], int] = lambda chars: 0
    opened: Opened = field(default_factory=lambda: Opened(OPENING))
    budget: Callable[[int], BudgetView] = lambda number: OPEN
    """After so many summaries."""
    state: State = field(default_factory=State)
    asked: list[tuple[Message, ...]] = field(default_factory=list[tuple[Message, ...]])
    """What the root LM took, but for summaries."""
    folds: list[FoldConversation] = field(default_factory=list[FoldConversation])
    refused: int = 0
    last_calls: int = 0

    def to_its_end(self) -> Finish | Fail:
        state, action = decide(self.rules, State(), self.opened)
        printed = iter(self.sizes)
        for _ in range(20 * len(self.sizes) + 50):
            self.state = state
            assert state.chars == prompt_chars(state.messages)
            match action:
                case CallRootLM():
                    state, action = decide(self.rules, state, self._asked(action, printed))
                case FoldConversation():
                    state, action = decide(self.rules, state, self._summary(action))
                case RunCode():
                    answer = AnswerState(ready="done" in action.blocks[0], content="120")
                    number = len(self.asked)
                    size = int(action.blocks[0].partition("#")[2] or 0)
                    output = f"printed {number} " + "y" * size
                    done = StepDone(Output(output), None, answer, (f"v{number}: int {number}",))
                    state, action = decide(self.rules, state, CodeRan(done, budget=self.budget(len(self.folds))))
                case _:
                    return action
        raise AssertionError("it goes on for ever")

    def _asked(self, action: CallRootLM, printed: Iterator[int]) -> Replied | RootCallFailed:
        chars = prompt_chars(action.messages)
        if self.refuses_over is not None and chars > self.refuses_over:
            self.refused += 1
            return TOO_LONG
        self.asked.append(action.messages)
        tokens = self.counts(chars)
        if action.last_call:
            self.last_calls += 1
            return Replied("120", OPEN)
        size = next(printed, None)
        code = "done" if size is None else f"look() #{size}"
        if self.rules.protocol == "fence":
            return Replied(f"Look.\n```repl\n{code}\n```", OPEN, prompt_tokens=tokens, prompt_chars=chars)
        call = ToolCall("python", json.dumps({"code": code}), f"call_{len(self.asked)}")
        return Replied(
            "", OPEN, called=Completion("", tool_calls=(call, call)), prompt_tokens=tokens, prompt_chars=chars
        )

    def _summary(self, action: FoldConversation) -> Replied | RootCallFailed:
        self.folds.append(action)
        if self.refuses_over is not None and prompt_chars(action.messages) > self.refuses_over:
            self.refused += 1
            return TOO_LONG
        said = self.summaries(len(self.folds))
        return said._replace(budget=self.budget(len(self.folds)))


def check_legal(messages: Sequence[Message]) -> None:
    """As all servers want it: the roles alternate, and each call of a tool has its result."""
    assert [message.role for message in messages[:1]] == ["system"]
    turns = [message.role for message in messages[1:]]
    assert turns == ["user" if n % 2 == 0 else "assistant" for n in range(len(turns))]
    assert turns[-1] == "user"
    assert all(message.content.strip() for message in messages)
    before, rounds = as_rounds(messages)
    assert not any(isinstance(message, CallingMessage) for message in [*before, *(m for r in rounds for m in r.then)])
    assert sum(isinstance(message, CallingMessage) for message in messages) == len(rounds)
    for each in rounds:
        assert [result.call for result in each.results] == list(each.reply.tool_calls)


def names(message: str) -> set[str]:
    """Variables that a message of ours names as kept."""
    return set(message.partition("kept: ")[2].partition(".")[0].partition(";")[0].split(", "))


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


def code(number: int) -> Replied | RootCallFailed:
    return Replied("Let me see.\n```repl\nlook()\n```", OPEN)


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


def called(number: int) -> Replied:
    return Replied("", OPEN, called=Completion("", tool_calls=(ToolCall("python", '{"code": "look()"}'),)))


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


def test_a_summary_that_runs_on_is_cut() -> None:
    run = Run(rules(), [600] * 30, lambda number: Replied("word " * 4_000, OPEN))
    assert run.to_its_end() == Finish("120", "answer")
    assert 1_400 < len(run.state.messages[2].content) < 1_600


MISHAPS: list[Callable[[int], Replied | RootCallFailed]] = [
    as_summary,
    as_summary,
    no_reply,
    code,
    called,
    lambda number: RootCallFailed("gone", OPEN),
    lambda number: Replied("z" * 3_000, OPEN, "length", "the reply was cut"),
]


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 1_800), min_size=1, max_size=70),
    st.sampled_from(["fence", "tool"]),
    st.sampled_from([None, 4_000, 8_000]),
    st.lists(st.sampled_from(MISHAPS), min_size=1, max_size=5),
    st.booleans(),
    st.booleans(),
)
def test_every_conversation_is_legal_and_the_run_ends_with_its_answer(
    sizes: list[int],
    protocol: CodeProtocol,
    window: int | None,
    mishaps: list[Callable[[int], Replied | RootCallFailed]],
    counted: bool,
    session: bool,
) -> None:
    run = Run(
        rules(window_tokens=window, protocol=protocol),
        sizes,
        lambda number: mishaps[number % len(mishaps)](number),
        refuses_over=16_000,
        counts=(lambda chars: chars // 4) if counted else (lambda chars: 0),
        opened=Opened((OPENING[0], *EARLIER, OPENING[1]), OPENING) if session else Opened(OPENING),
    )
    assert run.to_its_end() == Finish("120", "answer")
    for messages in (*run.asked, *(action.messages for action in run.folds)):
        check_legal(messages)
        assert messages[0] == OPENING[0]
        assert OPENING[1] in messages
    assert len(run.asked) == len(sizes) + 1
    assert [message.content for message in run.state.quotable if "printed" in message.content] != [] or not sizes
    for place, size in enumerate(sizes, 1):  # all that was printed is known
        assert any(f"printed {place} " + "y" * size in message.content for message in run.state.quotable)
    if run.state.folds:
        note = next(message for message in run.asked[-1] if message.content.startswith("The summary above"))
        assert names(note.content) >= {f"v{n}" for n in range(1, run.state.folded + 1)}


@given(
    st.lists(st.integers(0, 1_500), min_size=1, max_size=70),
    st.sampled_from(["fence", "tool"]),
    st.integers(4_000, 20_000),
)
def test_with_steps_that_fit_and_summaries_that_come_no_prompt_is_longer_than_the_window(
    sizes: list[int], protocol: CodeProtocol, window: int
) -> None:
    run = Run(rules(window_tokens=window, protocol=protocol), sizes, refuses_over=4 * window)
    assert run.to_its_end() == Finish("120", "answer")
    assert run.refused == 0
