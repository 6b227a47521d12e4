"""How a step and a REPL end: time, memory, close, cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rlm_integrations.testing.sandbox_contract.contract import Contract, ReplOpener, until_true
from rlm_integrations.wire.calls import HostCall
from rlm_integrations.wire.steps import ReplLost, StepDone

ENDLESS = {
    "a loop": "while True: pass",
    "a regular expression of ours": "search('(a+)+$', 'a' * 50 + 'b')",
}


def _how_it_was_ended(outcome: Any, limit: str, remedy: str = "") -> bool:
    """Whether the limit is named in the words of a sandbox that interrupts, or of one that can only kill."""
    if isinstance(outcome, ReplLost):
        return outcome.reason == f"{limit}, and it could not be interrupted{remedy}"
    return (outcome.error.kind, outcome.error.message) == ("interrupted", f"stopped: {limit}{remedy}")


MEMORY_EATERS = {
    "one text": "eaten = 'a' * (3 << 30)",
    "many small ones": "eaten = []\nwhile True: eaten.append('a' * 100_000 + str(len(eaten)))",
    "tiny objects": "eaten = {}\nn = 0\nwhile True:\n    eaten[n] = [n]\n    n += 1",
}


class EndingContract(Contract):
    """How a step and a REPL end: time, memory, close, cancellation."""

    @pytest.mark.parametrize("kind", ENDLESS)
    async def test_code_that_does_not_end_is_ended(self, open_repl: ReplOpener, kind: str) -> None:
        live = await open_repl(step_timeout_s=0.3)
        outcome = await live.run("print('begun')", ENDLESS[kind])
        assert outcome.output.head == "begun\n"
        limit = "it ran for 0.3 s, the limit of a step (waiting for calls not counted)"
        assert _how_it_was_ended(outcome, limit, "; do less in one step, or in a faster way")

    async def test_variables_last_after_a_step_over_its_time(self, open_repl: ReplOpener) -> None:
        live = await open_repl(step_timeout_s=0.2)
        await live.run("kept = 42")
        await live.run("kept += 1\nwhile True: pass")
        assert await live.value("kept") == "43"

    async def test_the_clock_stands_still_while_a_call_is_open(self, open_repl: ReplOpener) -> None:
        live = await open_repl(step_timeout_s=0.5, answer=lambda call: None)
        async for event in live.events("print([llm_query('x') for _ in range(2)])"):
            if isinstance(event, HostCall):
                await asyncio.sleep(0.4)
                live.repl.reply(event.id, "late")
            else:
                assert isinstance(event, StepDone)
                assert event.output.head == "['late', 'late']\n"

    async def test_the_time_of_the_run_ends_a_step_that_waits_for_a_call(self, open_repl: ReplOpener) -> None:
        live = await open_repl(answer=lambda call: None)
        outcome = await live.run("llm_query('never answered')", seconds_left=0.2)
        assert _how_it_was_ended(outcome, "the time of the whole run was over")

    @pytest.mark.parametrize("kind", MEMORY_EATERS)
    async def test_too_much_memory_raises_and_the_repl_survives(self, open_repl: ReplOpener, kind: str) -> None:
        live = await open_repl(memory_mb=64)
        await live.run("kept = 42")
        assert (await live.error(MEMORY_EATERS[kind])).startswith("MemoryError")
        await live.run("eaten = None")
        assert await live.value("kept, len('b' * (32 << 20))") == f"(42, {32 << 20})"

    async def test_close_is_possible_at_any_time_and_twice(self, open_repl: ReplOpener) -> None:
        live = await open_repl()
        await live.repl.close()
        await live.repl.close()
        assert await live.death("1") == "it was closed"
        running = await open_repl()
        step = asyncio.ensure_future(running.run("while True: pass"))
        await asyncio.sleep(0)
        await running.repl.close()
        assert (await step).reason == "it was closed"

    async def test_leaving_a_step_early_loses_the_repl(self, open_repl: ReplOpener) -> None:
        live = await open_repl()
        step = live.events("print(llm_query('x'))\nwhile True: pass")
        assert isinstance(await anext(step), HostCall)
        await step.aclose()
        assert await live.death("1") == "the step was abandoned"

    async def test_cancelling_the_task_loses_the_repl(self, open_repl: ReplOpener) -> None:
        live = await open_repl(answer=lambda call: None)
        task = asyncio.ensure_future(live.run("llm_query('never answered')"))
        await until_true(lambda: len(live.calls) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await live.death("1") == "the step was abandoned"

    async def test_steps_do_not_overlap(self, open_repl: ReplOpener) -> None:
        live = await open_repl(answer=lambda call: None)
        first = live.events("llm_query('x')")
        await anext(first)
        with pytest.raises(RuntimeError, match="steps never overlap"):
            await anext(live.events("1"))
        await first.aclose()
