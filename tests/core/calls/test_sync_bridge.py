from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import pytest

from rlm_integrations.core.calls import sync_bridge
from rlm_integrations.core.calls.sync_bridge import given_up_together, run_blocking
from rlm_integrations.core.calls.threads import RunThreads

SETTING: ContextVar[str] = ContextVar("SETTING", default="unset")


async def double(n: int) -> int:
    await asyncio.sleep(0)
    return 2 * n


def test_the_result_comes_back_and_the_thread_is_gone() -> None:
    async def where() -> threading.Thread:
        return threading.current_thread()

    thread = run_blocking(where)
    assert thread is not threading.current_thread()
    assert thread.daemon
    assert not thread.is_alive()
    assert run_blocking(lambda: double(4)) == 8


def test_a_run_outlasts_many_glances_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_bridge, "_GLANCE_S", 0.0)
    assert run_blocking(lambda: asyncio.sleep(0.01, "done")) == "done"


async def test_it_works_inside_a_running_loop() -> None:
    assert run_blocking(lambda: double(4)) == 8
    assert await double(1) == 2


async def test_it_may_be_nested() -> None:
    async def nested(depth: int) -> int:
        return depth if depth == 5 else run_blocking(lambda: nested(depth + 1))

    assert run_blocking(lambda: nested(0)) == 5


def test_context_variables_come_along() -> None:
    async def seen() -> str:
        value = SETTING.get()
        SETTING.set("inside")
        return value

    token = SETTING.set("outside")
    try:
        assert run_blocking(seen) == "outside"
        assert SETTING.get() == "outside"
    finally:
        SETTING.reset(token)


def test_what_the_coroutine_raises_is_raised() -> None:
    error = KeyError("plot")

    async def fail() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        run_blocking(fail)
    assert caught.value is error


def test_what_making_the_coroutine_raises_is_raised() -> None:
    def make() -> None:
        raise ValueError("no coroutine")

    with pytest.raises(ValueError, match="no coroutine"):
        run_blocking(make)  # type: ignore[arg-type]


def test_tasks_that_are_left_over_are_cancelled() -> None:
    ended: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    tasks: list[asyncio.Task[None]] = []

    async def run() -> str:
        tasks.append(asyncio.create_task(linger()))
        await asyncio.sleep(0)
        return "done"

    assert run_blocking(run) == "done"
    assert ended == ["cancelled"]


def test_a_loop_that_cannot_be_made_is_an_error_and_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted() -> asyncio.AbstractEventLoop:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(asyncio, "new_event_loop", exhausted)
    with pytest.raises(OSError, match="Too many open files"):
        run_blocking(lambda: double(1))


def test_a_task_that_ends_the_loop_ends_the_run_too() -> None:
    async def leave() -> None:
        raise SystemExit(3)

    tasks: list[asyncio.Task[None]] = []

    async def run() -> None:
        tasks.append(asyncio.create_task(leave()))
        await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        run_blocking(run)
    with pytest.raises(SystemExit):
        tasks[0].result()


class SoftTimeLimitError(Exception):
    """As job queues raise it, in a signal handler."""


Raised = tuple[Callable[[], None], type[BaseException]]


@pytest.fixture(params=[KeyboardInterrupt, SoftTimeLimitError, SystemExit], ids=lambda error: error.__name__)
def raised_by_a_signal(request: pytest.FixtureRequest, handle_signal: Callable[..., None]) -> Raised:
    """What sends a signal to the waiting thread, and what its handler raises there."""

    def handle(number: int, frame: object) -> None:
        raise request.param("from the handler")

    main = threading.get_ident()
    handle_signal(signal.SIGUSR1, handle)
    return lambda: signal.pthread_kill(main, signal.SIGUSR1), request.param


def test_what_a_signal_handler_raises_cancels_the_run(raised_by_a_signal: Raised) -> None:
    send, error = raised_by_a_signal
    ended: list[str] = []

    async def run() -> None:
        send()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as end:
            end.result = "so far"  # type: ignore[attr-defined]
            end.add_note("a handler failed")
            raise
        finally:
            ended.append("wound up")

    with pytest.raises(error, match="from the handler") as caught:
        run_blocking(run)
    assert ended == ["wound up"]
    assert caught.value.result == "so far"  # type: ignore[attr-defined]
    assert caught.value.__notes__ == ["a handler failed"]


def test_a_second_one_while_the_run_winds_up_loses_nothing(handle_signal: Callable[..., None]) -> None:
    handled: list[int] = []

    def handle(number: int, frame: object) -> None:
        handled.append(number)
        raise KeyboardInterrupt(len(handled))

    main = threading.get_ident()
    handle_signal(signal.SIGUSR1, handle)

    async def run() -> None:
        signal.pthread_kill(main, signal.SIGUSR1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as end:
            signal.pthread_kill(main, signal.SIGUSR1)
            while len(handled) < 2:
                await asyncio.sleep(0)
            end.result = "so far"  # type: ignore[attr-defined]
            raise

    with pytest.raises(KeyboardInterrupt, match="2") as caught:
        run_blocking(run)
    assert caught.value.result == "so far"  # type: ignore[attr-defined]


def test_a_run_that_ends_well_in_spite_of_it_is_handed_over(raised_by_a_signal: Raised) -> None:
    send, error = raised_by_a_signal

    async def run() -> str:
        send()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done all the same"
        raise AssertionError

    with pytest.raises(error) as caught:
        run_blocking(run)
    assert caught.value.result == "done all the same"  # type: ignore[attr-defined]


def test_a_run_inside_a_run_is_given_up_with_it(raised_by_a_signal: Raised) -> None:
    send, error = raised_by_a_signal
    inner: Future[str] = Future()

    async def hang() -> None:
        send()
        try:
            await asyncio.Event().wait()
        finally:
            inner.set_result("wound up")

    def tool() -> None:
        with suppress(CancelledError):
            run_blocking(hang)

    async def run() -> None:
        await RunThreads().run(tool)

    with pytest.raises(error):
        run_blocking(run)
    assert inner.result(10) == "wound up"


def test_a_run_ends_when_what_waits_for_it_is_given_up() -> None:
    batch = threading.Event()
    ended: list[str] = []

    async def run() -> None:
        batch.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("wound up")

    with given_up_together(batch), pytest.raises(CancelledError):
        run_blocking(run)
    assert ended == ["wound up"]
    assert run_blocking(lambda: double(4)) == 8


HUNG = """
import asyncio, sys, threading
from rlm_integrations.core.calls.sync_bridge import run_blocking
from rlm_integrations.core.calls.threads import RunThreads

async def run():
    threads = RunThreads()
    try:
        print("begun", flush=True)
        {wait}
    finally:
        print("wound up", flush=True)

try:
    run_blocking(run)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize(
    ("wait", "said"),
    [
        ("await asyncio.Event().wait()", "wound up\ninterrupted\n"),
        ("await threads.run(threading.Event().wait)", "wound up\ninterrupted\n"),
        ("threading.Event().wait()", "interrupted\n"),  # the loop itself is blocked and cannot wind up
    ],
    ids=["model hangs", "thread hangs", "loop hangs"],
)
def test_ctrl_c_ends_a_hung_run(start_program: Callable[..., Any], wait: str, said: str) -> None:
    running = start_program(HUNG.format(wait=wait), fresh=True)
    assert running.stdout.readline() == "begun\n"
    os.kill(running.process.pid, signal.SIGINT)
    ended = running.end(20)
    assert (ended.stdout, ended.stderr, ended.returncode) == (said, "", 0)
