"""Something long, done once for all who need it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from rlm_integrations.core.calls.once import Once


class Work:
    """Waits to be let go, and notes in which threads it was done."""

    def __init__(self, *errors: BaseException) -> None:
        self.threads: list[threading.Thread] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self._errors = [*errors]

    def __call__(self) -> str:
        self.threads.append(threading.current_thread())
        self.begun.set()
        assert self.go.wait(30)
        if self._errors:
            raise self._errors.pop()
        return f"done {len(self.threads)}"


async def begun(work: Work) -> None:
    assert await asyncio.to_thread(work.begun.wait, 30)


async def test_all_who_ask_wait_for_one_call_off_the_loop() -> None:
    once = Once(work := Work())
    waiting = [asyncio.ensure_future(once.aget()) for _ in range(50)]
    await begun(work)
    elsewhere = asyncio.create_task(asyncio.to_thread(lambda: (once.get(), asyncio.run(once.aget()))))
    work.go.set()
    assert await asyncio.gather(*waiting) == ["done 1"] * 50
    assert await elsewhere == ("done 1", "done 1")
    assert await once.aget() == once.get() == "done 1"
    assert len(work.threads) == 1
    assert work.threads[0] is not threading.main_thread()


def test_sync_callers_do_it_in_their_own_thread_and_others_wait() -> None:
    once = Once(work := Work())
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(once.get) for _ in range(4)]
        work.go.set()
    assert [each.result() for each in waiting] == ["done 1"] * 4
    alone = Once(work := Work())
    work.go.set()
    assert alone.get() == "done 1"
    assert work.threads == [threading.current_thread()]


async def test_an_error_is_told_to_all_who_waited_and_tried_again_by_the_next() -> None:
    once = Once(work := Work(LookupError("closed"), StopIteration("over")))
    waiting = [asyncio.ensure_future(once.aget()) for _ in range(3)]
    await begun(work)
    work.go.set()
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(each) for each in told] == ["StopIteration: over"] * 3
    with pytest.raises(LookupError, match="closed"):
        await once.aget()
    assert await once.aget() == "done 3"


async def test_who_gives_up_ends_it_for_nobody() -> None:
    once = Once(work := Work())
    first = asyncio.ensure_future(once.aget())
    await begun(work)
    second = asyncio.ensure_future(once.aget())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.go.set()
    assert await second == "done 1"


def test_a_loop_that_was_closed_meanwhile_is_not_told(logged: list[str]) -> None:
    once = Once(work := Work())

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(once.aget(), 0.01)

    asyncio.run(leave())
    work.go.set()
    assert once.get() == "done 1"
    work.threads[0].join()
    assert not logged


def test_ctrl_c_is_raised_where_it_came_and_ends_no_other() -> None:
    once = Once(work := Work(KeyboardInterrupt()))
    work.go.set()
    with pytest.raises(KeyboardInterrupt):
        once.get()
    assert once.get() == "done 2"


async def test_it_sees_the_context_variables_of_who_asked() -> None:
    name = contextvars.ContextVar("name", default="nobody")
    name.set("ann")
    assert await Once(name.get).aget() == "ann"


async def test_what_the_function_holds_is_let_go() -> None:
    class Large:
        pass

    large = Large()
    gone = weakref.ref(large)
    once = Once(lambda held=large: len([held]))
    del large
    assert await once.aget() == 1
    for thread in threading.enumerate():
        if thread.name == "rlm-once":
            thread.join()
    gc.collect()
    assert gone() is None
