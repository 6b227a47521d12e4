"""Conversations that outgrew the root LM's window."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations import PromptShortened, RLMEngine, RootModelError
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.loop.shortening import SHARES, shortened
from rlm_integrations.core.trace.run_errors import LimitReachedError
from rlm_integrations.testing import ScriptedModel

OPENING = (Message("system", "You write code."), Message("user", "Question:\nHow many?"))
LONG = "".join(f"line {n}: nothing to see\n" for n in range(2_000))
LOOK = "```repl\nanswer['content'] = 'so far 7'\nprint(context[:6_000])\n```"
DONE = "```repl\nFINAL('done')\n```"


def step(number: int, output: str) -> tuple[Message, Message]:
    """A reply with code, and what came of it."""
    shown = f"Step {number} of 20: ok\nSet: found = [1]\n<output 0123abcd>\n{output}\n</output 0123abcd>"
    return Message("assistant", f"```repl\nlook({number})\n```"), Message("user", shown)


def conversation(*outputs: str) -> tuple[Message, ...]:
    return (*OPENING, *(message for n, output in enumerate(outputs, 1) for message in step(n, output)))


def chars(messages: Sequence[Message]) -> int:
    return sum(len(message.content) for message in messages)


def test_what_was_printed_longest_ago_loses_its_middle_first() -> None:
    before = conversation(*(f"{n}begin " + "x" * 6_000 + f" end{n}" for n in range(4)))
    after = shortened(before, 2, 0.7)
    assert after is not None
    assert chars(after) <= 0.7 * chars(before)
    assert [message.role for message in after] == [message.role for message in before]
    changed = [place for place, (long, short) in enumerate(zip(before, after, strict=True)) if long != short]
    assert changed == [3, 5]
    oldest = after[3].content
    assert oldest.startswith("Step 1 of 20: ok\nSet: found = [1]\n<output 0123abcd>\n0begin xx")
    assert oldest.endswith("xx end0\n</output 0123abcd>")
    assert "\n[… cut here, since the conversation has grown too long" in oldest


def test_at_its_shortest_the_last_step_stays_and_says_that_there_were_others() -> None:
    before = conversation(*("x" * 6_000 for _ in range(4)))
    after = shortened(before, 2, 0.0)
    assert after is not None
    assert after[:2] == OPENING
    assert [message.role for message in after[2:]] == ["assistant", "user"]
    status, gap, *_ = after[-1].content.split("\n")
    assert status == "Step 4 of 20: ok"
    assert gap.startswith("The steps before this one are left out")
    assert shortened(after, 2, 0.0) is None


@pytest.mark.parametrize("messages", [OPENING, conversation("x" * 50)])
def test_where_nothing_can_go_there_is_no_shorter_one(messages: tuple[Message, ...]) -> None:
    assert shortened(messages, 2, 0.0) is None


def test_an_output_that_imitates_a_fence_is_cut_within_the_real_one() -> None:
    output = "x" * 3_000 + "\n</output 0123abce>\n<output 0123abce>\nStep 1 of 20: ok\n" + "y" * 3_000
    after = shortened(conversation(output), 2, 0.0)
    assert after is not None
    assert after[-1].content.startswith("Step 1 of 20: ok\n")
    assert after[-1].content.endswith("yyy\n</output 0123abcd>")
    assert "0123abce" not in after[-1].content


@given(st.lists(st.text(max_size=4_000), max_size=6), st.sampled_from(SHARES))
def test_it_is_shorter_keeps_the_question_and_ends_with_the_last_step(outputs: list[str], share: float) -> None:
    before = conversation(*outputs)
    after = shortened(before, 2, share)
    if after is None:
        return
    assert chars(after) < chars(before)
    assert after[:2] == OPENING
    assert after[2:] == () or after[2].role == "assistant"
    assert after[-2] == before[-2]
    assert after[-1].content.splitlines()[0] == f"Step {len(outputs)} of 20: ok"
    assert shortened(after, 2, 1.0) is None


class Window:
    """A root LM that refuses conversations of more characters than `size`, and keeps those that it takes.

    It gives no summary of older iterations, so that they can only be shortened.
    """

    def __init__(self, size: int, *replies: str) -> None:
        self.size, self.replies = size, list(replies)
        self.taken: list[tuple[Message, ...]] = []
        self.refused = 0

    async def complete(self, messages: Sequence[Message]) -> object:
        if "sum it up" in messages[-1].content:
            raise ConnectionError("no summary today")
        if chars(messages) > self.size:
            self.refused += 1
            raise ValueError("prompt is too long: 9001 tokens > 8192 maximum")
        self.taken.append(tuple(messages))
        return await ScriptedModel([self.replies.pop(0)]).complete(messages)


def opening_chars() -> int:
    probe = ScriptedModel([DONE])
    RLMEngine(probe).run("?", LONG)
    return chars(probe.requests[0])


def test_a_run_that_outgrows_the_window_goes_on_with_less_and_says_so() -> None:
    root = Window(opening_chars() + 14_000, LOOK, LOOK, LOOK, LOOK, DONE)
    told: list[object] = []
    result = RLMEngine(root, on_event=told.append).run("?", LONG)  # type: ignore[arg-type]
    assert (result.answer, result.stop_reason) == ("done", "answer")
    shorter = [event for event in told if isinstance(event, PromptShortened)]
    assert root.refused == len(shorter) > 0
    assert "prompt is too long" in shorter[0].error
    assert [chars(messages) for messages in root.taken] == [
        iteration.call.prompt_chars for iteration in result.trace.iterations
    ]
    assert sum(iteration.call.shortened for iteration in result.trace.iterations) == len(shorter)
    assert len(result.trace.iterations) == 5
    assert all(len(iteration.observation or "") > 6_000 for iteration in result.trace.iterations[:-1])


def test_where_the_shortest_is_too_long_the_run_fails_and_names_the_remedy() -> None:
    with pytest.raises(RootModelError, match=r"prompt is too long.*max_input_tokens") as caught:
        RLMEngine(Window(100)).run("?", LONG)  # type: ignore[arg-type]
    assert caught.value.result is not None
    assert caught.value.result.trace.iterations[0].call.error is not None


def outgrown() -> ScriptedModel:
    """A root LM whose window holds the first question alone."""

    def refuse(messages: Sequence[Message]) -> str:
        raise ValueError("the input length exceeds the context length")

    return ScriptedModel([LOOK, *[refuse] * 9])


def test_a_draft_is_the_answer_as_at_any_limit_and_the_tries_are_few() -> None:
    root = outgrown()
    result = RLMEngine(root).run("?", LONG)
    assert (result.answer, result.stop_reason) == ("so far 7", "max_input_tokens")
    assert 2 < len(root.requests) <= 2 + len(SHARES)
    sizes = [chars(request) for request in root.requests[1:]]
    assert sizes == sorted(sizes, reverse=True)
    with pytest.raises(LimitReachedError, match="max_input_tokens"):
        RLMEngine(outgrown(), on_limit="raise").run("?", LONG)
