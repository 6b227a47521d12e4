"""Replies that come while a run is being ended are in its trace, with what they cost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from rlm_integrations import Completion, Message, RLMEngine, RLMResult, RunError, RunFailed, Usage
from rlm_integrations.core.calls import model_calls
from rlm_integrations.core.trace.events import Event
from rlm_integrations.testing import ScriptedModel

from .cut_off_runs import CORPUS, FINISH, LOOKUP

SPENT = Usage(input_tokens=100, output_tokens=10)
DONE = f"```repl\n{FINISH}\n```"
BATCH = "```repl\nllm_query_batched(['a', 'b', 'c'])\n```"


@pytest.mark.parametrize("lets_go", [True, False], ids=["calls that are cancelled", "calls that reply all the same"])
async def test_what_replies_while_a_run_is_ended_is_in_its_trace(lets_go: bool) -> None:
    began, release, paid = asyncio.Barrier(4), asyncio.Event(), list[str]()

    class Sub:
        async def complete(self, messages: Sequence[Message]) -> Completion:
            await began.wait()
            try:
                await release.wait()
            except asyncio.CancelledError:
                if lets_go:
                    raise
            paid.append(messages[-1].content)
            return Completion("ok", SPENT)

    async def watch(event: Event) -> None:
        if isinstance(event, RunFailed):
            release.set()
            for _ in range(20):  # turns of the loop
                await asyncio.sleep(0)

    whole = RLMEngine(ScriptedModel([BATCH], usage=SPENT), sub_llm=Sub(), on_event=watch)
    run = asyncio.create_task(whole.arun("?", CORPUS))
    await began.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await run
    result: RLMResult[str] = caught.value.result  # type: ignore[attr-defined]
    [execution] = result.trace.executions
    replied = [call.prompt for call in execution.sub_calls if call.reply]
    assert sorted(replied) == sorted(paid) == ([] if lets_go else ["a", "b", "c"])
    assert result.usage.total_tokens == 110 * (1 + len(paid))


async def test_a_call_that_does_not_let_itself_be_cancelled_does_not_hold_up_that_the_end_is_told() -> None:
    began, release = asyncio.Event(), asyncio.Event()

    class Sub:
        async def complete(self, messages: Sequence[Message]) -> Completion:
            began.set()
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue
            return Completion("too late", SPENT)

    async def watch(event: Event) -> None:
        if isinstance(event, RunFailed):
            release.set()

    whole = RLMEngine(ScriptedModel(["```repl\nllm_query('a')\n```"], usage=SPENT), sub_llm=Sub(), on_event=watch)
    run = asyncio.create_task(whole.arun("?", CORPUS))
    await began.wait()
    run.cancel()
    async with asyncio.timeout(20):
        with pytest.raises(asyncio.CancelledError) as caught:
            await run
    [call] = caught.value.result.trace.executions[0].sub_calls  # type: ignore[attr-defined]
    assert (call.reply, call.error) == (None, "CancelledError: the run ended first")


async def test_a_reply_that_no_event_had_told_of_when_its_run_was_ended() -> None:
    replied = asyncio.Event()

    async def around(prompt: str, execute: Callable[[], Awaitable[str]]) -> str:
        await execute()
        replied.set()
        await asyncio.Event().wait()
        raise AssertionError

    root = ScriptedModel(["```repl\nllm_query('a')\n```"], usage=SPENT)
    sub = ScriptedModel(["ok"], usage=SPENT)
    whole = RLMEngine(root, sub_llm=sub, sub_tools=[LOOKUP], around_sub_call=around)
    run = asyncio.create_task(whole.arun("?", CORPUS))
    await replied.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await run
    result: RLMResult[str] = caught.value.result  # type: ignore[attr-defined]
    [call] = result.trace.executions[0].sub_calls
    assert (call.reply, call.error, call.usage) == ("ok", "CancelledError: the run ended first", SPENT)
    assert result.usage.total_tokens == 220


@pytest.mark.parametrize("whose", ["root", "sub"])
def test_a_reply_that_is_too_long_to_be_taken_was_paid_for(monkeypatch: pytest.MonkeyPatch, whose: str) -> None:
    monkeypatch.setattr(model_calls, "MAX_REPLY_CHARS", 1_000)
    long = "x" * 1_001
    root = ScriptedModel(["```repl\nllm_query('a')\n```", long if whose == "root" else DONE], usage=SPENT)
    sub = ScriptedModel([long if whose == "sub" else "ok"], usage=SPENT)
    ended: Any
    if whose == "root":
        with pytest.raises(RunError, match="the reply has 1,001 characters, and at most 1,000 are taken") as caught:
            RLMEngine(root, sub_llm=sub).run("?", CORPUS)
        ended = caught.value.result
    else:
        ended = RLMEngine(root, sub_llm=sub).run("?", CORPUS)
        assert "1,001 characters" in ended.trace.executions[0].sub_calls[0].error
    assert ended.usage.total_tokens == 330
