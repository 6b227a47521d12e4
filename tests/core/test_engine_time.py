"""A run with a timeout ends in time, and with what it has."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from rlm_integrations import Completion, Message, ProcessSandbox, RLMEngine
from rlm_integrations.core.loop.decide import decide
from rlm_integrations.core.loop.happenings import Happening, Replied
from rlm_integrations.core.loop.state import Decision, Rules, State
from rlm_integrations.core.run import node
from rlm_integrations.core.trace.run_errors import LimitReachedError, RootModelError
from rlm_integrations.testing import ScriptedModel

LONG = "".join(f"line {n}: nothing to see\n" for n in range(2_000))


def repl(code: str) -> str:
    return f"```repl\n{code}\n```"


async def test_a_long_reply_is_read_off_the_callers_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[bool] = []
    loop_thread = threading.get_ident()

    def noted(rules: Rules, state: State, happening: Happening) -> Decision:
        if isinstance(happening, Replied):
            threads.append(threading.get_ident() == loop_thread)
        return decide(rules, state, happening)

    monkeypatch.setattr(node, "decide", noted)
    finish = repl("answer['content'] = 'x'\nanswer['ready'] = True")
    await RLMEngine(ScriptedModel(["\n" * 100_000 + repl("print(1)"), finish])).arun("?", LONG)
    assert threads == [False, True]


@pytest.fixture
def hung() -> Iterator[threading.Event]:
    """An event that nobody sets before the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_a_step_that_outlasts_the_run_is_interrupted_and_its_variables_answer() -> None:
    replies = [repl("found = 'kept'\nimport time\ntime.sleep(600)"), repl("FINAL(found)")]
    with ScriptedModel(replies) as llm:
        result = RLMEngine(llm, limits={"timeout_s": 1.5}).run("?", LONG)
    assert (result.answer, result.stop_reason) == ("kept", "timeout")
    assert "the limit of 1.5 s" in llm.requests[1][-1].content


def test_a_sub_call_that_outlasts_the_run_is_given_up(hung: threading.Event) -> None:
    def hang(messages: Sequence[Message]) -> str:
        hung.wait()
        return "late"

    with ScriptedModel([repl("r = llm_query('x')"), "Only this much."]) as llm:
        result = RLMEngine(llm, sub_llm=ScriptedModel(always=hang), limits={"timeout_s": 1}).run("?", LONG)
    assert (result.answer, result.stop_reason) == ("Only this much.", "timeout")
    assert result.trace.failed_sub_call_count == 1


def test_a_root_call_that_outlasts_the_run_leads_to_the_last_call(hung: threading.Event) -> None:
    def hang(messages: Sequence[Message]) -> str:
        hung.wait()
        return "late"

    with ScriptedModel([repl("answer['content'] = 'draft'"), hang, "In time."]) as llm:
        result = RLMEngine(llm, limits={"timeout_s": 1}).run("?", LONG)
    assert (result.answer, result.stop_reason) == ("In time.", "timeout")


def test_where_the_last_call_hangs_too_the_draft_is_the_answer(hung: threading.Event) -> None:
    def hang(messages: Sequence[Message]) -> str:
        hung.wait()
        return "late"

    with ScriptedModel([repl("answer['content'] = 'draft'"), hang, hang]) as llm:
        result = RLMEngine(llm, limits={"timeout_s": 1}).run("?", LONG)
    assert (result.answer, result.stop_reason) == ("draft", "timeout")
    with (
        ScriptedModel([repl("x = 1"), hang, hang]) as llm,
        pytest.raises(LimitReachedError, match=r"1 s \(timeout_s\), and the last call failed: TimeoutError") as caught,
    ):
        RLMEngine(llm, limits={"timeout_s": 1}).run("?", LONG)
    assert caught.value.result is not None
    assert caught.value.result.stop_reason == "timeout"


@pytest.mark.parametrize("at", [1, 2])
async def test_a_repl_that_does_not_open_in_time_leads_to_the_last_call(at: int) -> None:
    """Also the one that takes the place of a lost one."""
    given_up: list[int] = []

    class Slow(ProcessSandbox):
        opened = 0

        async def open(self, *arguments: Any, **options: Any) -> Any:
            self.opened += 1
            if self.opened < at:
                return await super().open(*arguments, **options)
            try:
                await asyncio.Event().wait()
            finally:
                given_up.append(self.opened)

    lost = [repl("import os\nos._exit(1)")] * (at - 1)
    with ScriptedModel([*lost, repl("FINAL('never')"), "By heart."]) as llm:
        result = await RLMEngine(llm, limits={"timeout_s": 1.5}, sandbox=Slow()).arun("?", LONG)
    assert (result.answer, result.stop_reason) == ("By heart.", "timeout")
    assert given_up == [at]
    last = result.trace.iterations[at - 1].execution
    assert last is not None
    assert last.lost == "it did not start within the time of the run"


async def test_a_root_call_that_hangs_is_given_up_after_its_own_timeout() -> None:
    class Hung:
        async def complete(self, messages: Sequence[Message]) -> Completion:
            await asyncio.Event().wait()
            raise AssertionError

    with pytest.raises(RootModelError, match=r"no reply within 0\.2 s"):
        await RLMEngine(Hung(), limits={"call_timeout_s": 0.2}).arun("?", LONG)
