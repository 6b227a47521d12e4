from __future__ import annotations

import asyncio
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from rlm_integrations.core.calls.threads import RunThreads

SETTING: ContextVar[str] = ContextVar("SETTING", default="unset")


@pytest.fixture
def threads() -> Iterator[RunThreads]:
    started = RunThreads("rlm-test")
    yield started
    started.close()


async def test_a_function_runs_in_a_daemon_thread_and_its_result_comes_back(threads: RunThreads) -> None:
    def function(a: int, b: int) -> tuple[int, threading.Thread]:
        return a + b, threading.current_thread()

    result, thread = await threads.run(function, 2, 3)
    assert result == 5
    assert thread is not threading.current_thread()
    assert thread.daemon
    assert thread.name == "rlm-test-1"


async def test_context_variables_come_along_and_changes_stay_behind(threads: RunThreads) -> None:
    def function() -> str:
        seen = SETTING.get()
        SETTING.set("inside")
        return seen

    SETTING.set("outside")
    assert [await threads.run(function), await threads.run(function)] == ["outside", "outside"]
    assert SETTING.get() == "outside"


async def test_threads_are_used_again_and_started_only_as_they_are_needed(threads: RunThreads) -> None:
    barrier = threading.Barrier(3, timeout=20)
    together = await asyncio.gather(*(threads.run(barrier.wait) for _ in range(3)))
    assert sorted(together) == [0, 1, 2]  # all three were in it at once
    names = {(await threads.run(threading.current_thread)).name for _ in range(20)}
    assert names <= {f"rlm-test-{n}" for n in range(1, 4)}


async def test_calls_that_follow_each_other_take_one_thread(threads: RunThreads) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # the loop goes on while the thread still hands its result over
    try:
        names = {(await threads.run(threading.current_thread)).name for _ in range(500)}
    finally:
        sys.setswitchinterval(interval)
    assert names == {"rlm-test-1"}


async def test_nested_runs_never_wait_for_each_other(threads: RunThreads) -> None:
    def nested(depth: int) -> int:
        return depth if depth == 5 else asyncio.run(threads.run(nested, depth + 1))

    assert await asyncio.gather(*(threads.run(nested, 0) for _ in range(8))) == [5] * 8


class Odd(BaseException):
    pass


async def test_an_exception_is_raised_as_it_is(threads: RunThreads) -> None:
    error = KeyError("plot")

    def function() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        await threads.run(function)
    assert caught.value is error


@pytest.mark.parametrize(
    "error", [StopIteration("done"), SystemExit(3), Odd("odd"), asyncio.CancelledError("by itself")]
)
async def test_what_would_end_the_loop_comes_back_as_a_runtime_error(threads: RunThreads, error: BaseException) -> None:
    def function() -> None:
        raise error

    with pytest.raises(RuntimeError, match=f"^{type(error).__name__}: ") as caught:
        await threads.run(function)
    assert caught.value.__cause__ is error
    assert await threads.run(sys.intern, "alive") == "alive"


class MuteError(BaseException):
    def __str__(self) -> str:
        raise MuteError


class MuteStop(StopIteration):
    def __str__(self) -> str:
        raise ValueError("no words")


class Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise MuteError


class NamelessError(BaseException, metaclass=Nameless):
    pass


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MuteError(), "MuteError: it does not say why"),
        (MuteStop(), "MuteStop: it does not say why"),
        (NamelessError(), "it raised what cannot be told of"),
    ],
    ids=["BaseException", "StopIteration", "no name"],
)
async def test_what_has_no_words_reaches_whoever_waits(threads: RunThreads, error: BaseException, words: str) -> None:
    def function() -> None:
        raise error

    with pytest.raises(RuntimeError, match=f"^{words}$"):
        await asyncio.wait_for(threads.run(function), 20)
    assert (await threads.run(threading.current_thread)).name == "rlm-test-1", "its thread lives"


async def test_whoever_waits_goes_on_in_its_own_context(threads: RunThreads) -> None:
    async def set_between_calls(value: str) -> list[str]:
        SETTING.set(value)
        seen = [await threads.run(SETTING.get)]
        SETTING.set(f"{value} again")
        return [*seen, await threads.run(SETTING.get), SETTING.get()]

    seen = await asyncio.gather(*(set_between_calls(value) for value in "ab"))
    assert seen == [[value, f"{value} again", f"{value} again"] for value in "ab"]
    assert SETTING.get() == "unset"


async def test_a_call_that_is_given_up_as_its_result_comes_is_given_up(
    threads: RunThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, told = asyncio.get_running_loop(), threading.Event()
    tell = loop.call_soon_threadsafe

    def told_of(*args: Any, **options: Any) -> asyncio.Handle:
        handle = tell(*args, **options)
        told.set()
        return handle

    loop.set_debug(True)  # asyncio looks closer at what a task waits for
    monkeypatch.setattr(loop, "call_soon_threadsafe", told_of)
    call = asyncio.create_task(threads.run(threading.current_thread))
    await asyncio.sleep(0)
    assert told.wait(20)
    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await threads.run(threading.current_thread)).name == "rlm-test-1"


async def test_who_gives_a_call_up_is_told_why(threads: RunThreads) -> None:
    released = threading.Event()
    call = asyncio.create_task(threads.run(released.wait, 20))
    await asyncio.sleep(0)
    call.cancel("enough")
    with pytest.raises(asyncio.CancelledError, match=r"^enough$"):
        await call
    released.set()


async def test_a_scope_of_anyio_knows_a_call_that_it_gave_up_for_its_own(threads: RunThreads) -> None:
    released = threading.Event()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await threads.run(released.wait, 20)
    assert scope.cancelled_caught
    released.set()


class RefersError(Exception):
    pass


@pytest.mark.usefixtures("collects_nothing")
async def test_what_a_task_raises_after_a_call_is_not_kept(threads: RunThreads) -> None:
    raised: list[weakref.ref[RefersError]] = []

    async def fails() -> None:
        await threads.run(threading.current_thread)
        error = RefersError()
        raised.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    with suppress(RefersError):
        await asyncio.create_task(fails())
    await asyncio.sleep(0)
    assert raised[0]() is None


def fails_late(begun: threading.Event, released: threading.Event, raised: list[weakref.ref[RefersError]]) -> None:
    begun.set()
    released.wait(20)
    error = RefersError()
    raised.append(weakref.ref(error))
    try:
        raise error
    finally:
        del error


@pytest.mark.usefixtures("collects_nothing")
async def test_what_a_call_raises_that_was_given_up_is_not_kept(
    threads: RunThreads, until: Callable[[Callable[[], bool]], Awaitable[None]]
) -> None:
    begun, released = threading.Event(), threading.Event()
    raised: list[weakref.ref[RefersError]] = []
    call = asyncio.create_task(threads.run(fails_late, begun, released, raised))
    assert await threads.run(begun.wait, 20)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    released.set()
    await until(lambda: bool(raised) and raised[0]() is None)


async def test_a_call_that_was_given_up_keeps_its_thread_and_nothing_else() -> None:
    threads = RunThreads()
    released = threading.Event()
    working: list[threading.Thread] = []

    def hang() -> str:
        working.append(threading.current_thread())
        entered.set()
        released.wait(20)
        return "late"

    entered = threading.Event()
    call = asyncio.create_task(threads.run(hang))
    assert await threads.run(entered.wait, 20)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await threads.run(sys.intern, "meanwhile") == "meanwhile"
    released.set()
    threads.close()
    working[0].join(20)
    await asyncio.sleep(0)  # its late result comes to the loop, and is dropped
    assert call.cancelled()


def test_a_call_whose_loop_is_closed_ends_without_a_noise() -> None:
    threads = RunThreads()
    released, entered = threading.Event(), threading.Event()
    working: list[threading.Thread] = []

    def hang() -> None:
        working.append(threading.current_thread())
        entered.set()
        released.wait(20)

    async def give_up() -> None:
        call = asyncio.create_task(threads.run(hang))
        while not entered.is_set():
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    asyncio.run(give_up())
    released.set()
    threads.close()
    working[0].join(20)  # an exception in it would fail this test: warnings are errors
    assert not working[0].is_alive()


async def test_closing_ends_the_threads() -> None:
    threads = RunThreads()
    thread = await threads.run(threading.current_thread)
    threads.close()
    thread.join(20)
    assert not thread.is_alive()


async def test_what_is_run_after_the_end_has_a_thread_of_its_own() -> None:
    threads = RunThreads("late")
    assert await threads.run(lambda: 1) == 1
    threads.close()
    threads.close()
    assert await threads.run(lambda: 2) == 2
    assert await threads.run(lambda: threading.current_thread().name) == "late"
