"""Tasks end with whoever waits for them, however often that is cancelled."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import pytest

from rlm_integrations.core.calls.end_together import end_together, side_by_side
from rlm_integrations.core.host.own_task import in_own_task


class Slow:
    """Work that lets itself be cancelled only after some turns of the loop, as a client that closes its connection."""

    def __init__(self) -> None:
        self.began, self.ended = asyncio.Event(), False

    async def work(self) -> None:
        try:
            self.began.set()
            await asyncio.Event().wait()
        finally:
            for _ in range(10):
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    continue
            self.ended = True


async def several(work: Coroutine[Any, Any, None]) -> None:
    await side_by_side([work])


async def by_hand(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    try:
        await asyncio.Event().wait()
    finally:
        await end_together([task])


@pytest.mark.parametrize("wait", [several, by_hand, in_own_task], ids=["side by side", "by hand", "in its own task"])
async def test_who_is_cancelled_on_every_turn_ends_after_them(wait: Any) -> None:
    slow = Slow()
    waiting = asyncio.ensure_future(wait(slow.work()))
    await slow.began.wait()
    while not waiting.done():
        waiting.cancel()
        await asyncio.sleep(0)
        assert slow.ended or not waiting.done()
    assert waiting.cancelled()
    assert slow.ended


async def test_where_one_fails_the_others_have_ended_when_it_is_raised() -> None:
    slow = Slow()

    async def fail() -> None:
        await slow.began.wait()
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await side_by_side([slow.work(), fail()])
    assert slow.ended


async def test_results_stand_in_their_order() -> None:
    turn = asyncio.Event()

    async def first() -> int:
        await turn.wait()
        return 1

    async def second() -> int:
        turn.set()
        return 2

    assert await side_by_side([first(), second()]) == [1, 2]
    assert await side_by_side([]) == []


async def test_nobody_hears_of_what_they_raise_in_the_end() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))

    async def fail() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("gone")

    task = asyncio.ensure_future(fail())
    await asyncio.sleep(0)
    await end_together([task])
    del task
    gc.collect()
    assert complaints == []
