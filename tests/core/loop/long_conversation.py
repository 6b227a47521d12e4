"""A run whose conversation grows beyond the window of its root LM."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlm_integrations.core.calls.token_counts import prompt_chars
from rlm_integrations.core.calls.tool_rounds import CallingMessage, as_rounds
from rlm_integrations.core.language_model import Completion, Message, ToolCall
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.loop.actions import CallRootLM, Fail, Finish, FoldConversation, RunCode
from rlm_integrations.core.loop.decide import decide
from rlm_integrations.core.loop.happenings import BudgetView, CodeRan, Opened, Replied, RootCallFailed
from rlm_integrations.core.loop.state import Rules, State
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


def code(number: int) -> Replied | RootCallFailed:
    return Replied("Let me see.\n```repl\nlook()\n```", OPEN)


def called(number: int) -> Replied:
    return Replied("", OPEN, called=Completion("", tool_calls=(ToolCall("python", '{"code": "look()"}'),)))
