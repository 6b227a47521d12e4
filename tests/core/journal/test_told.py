"""Waiting for the journal's thread: whoever waits goes on at once, in its own context, and can be cancelled."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from rlm_integrations.core.journal.told import Told

NAME: ContextVar[str] = ContextVar("name", default="")


async def wait(made: list[Told[str]], log: list[str], name: str) -> str:
    NAME.set(name)
    told: Told[str] = Told()
    made.append(told)
    try:
        return await told
    finally:
        log.append(NAME.get())


async def test_who_waits_goes_on_within_the_telling() -> None:
    made: list[Told[str]] = []
    log: list[str] = []
    waiting = [asyncio.create_task(wait(made, log, name)) for name in "ab"]
    await asyncio.sleep(0)

    def tell() -> None:
        log.append("first")
        made[0].tell("x")
        log.append("then")
        made[1].fail(ValueError("no disk"))
        log.append("last")

    asyncio.get_running_loop().call_soon(tell)
    assert await waiting[0] == "x"
    with pytest.raises(ValueError, match="no disk"):
        await waiting[1]
    assert log == ["first", "a", "then", "b", "last"]


async def test_what_was_told_before_it_is_awaited() -> None:
    told: Told[str] = Told()
    told.tell("x")
    assert await told == "x"


async def test_who_is_cancelled_is_told_nothing_any_more() -> None:
    made: list[Told[str]] = []
    log: list[str] = []
    waiting = asyncio.create_task(wait(made, log, "a"))
    await asyncio.sleep(0)
    waiting.cancel("enough")
    assert not log  # who cancels goes on first
    made[0].tell("x")
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await waiting
    assert log == ["a"]


async def test_time_that_is_up_ends_the_waiting() -> None:
    told: Told[str] = Told()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await told
    assert told.done()
