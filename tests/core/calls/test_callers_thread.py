from __future__ import annotations

import asyncio
import signal
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextvars import ContextVar

import pytest

from rlm_integrations import RLMEngine, RunError, RunStarted
from rlm_integrations.core.calls.callers_thread import WAITING, CallersThread, ask_caller, ask_first_caller
from rlm_integrations.core.calls.sync_bridge import run_blocking
from rlm_integrations.core.trace.events import Event, IterationStarted
from rlm_integrations.testing import ScriptedModel

FINISH = "```repl\nanswer['content'] = llm_query('x')\nanswer['ready'] = True\n```"
SEEN: ContextVar[int] = ContextVar("SEEN", default=0)


def scripted() -> ScriptedModel:
    return ScriptedModel(always=lambda messages: "sub" if len(messages) == 1 else FINISH)


def test_a_handler_of_a_sync_run_is_called_where_the_run_was_asked_for() -> None:
    """One that writes to a connection of that thread, in the context of the caller."""
    told: list[type] = []

    def ask() -> None:
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE events (kind TEXT)")

        def write(event: Event) -> None:
            connection.execute("INSERT INTO events VALUES (?)", (type(event).__name__,))
            SEEN.set(SEEN.get() + 1)
            told.append(type(event))

        RLMEngine(scripted(), on_event=write).run("?", "a line\n" * 20_000)
        assert SEEN.get() == len(told)
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (len(told),)
        connection.close()

    for place in (ask, lambda: _in_a_thread(ask)):
        told.clear()
        SEEN.set(0)
        place()
        assert len(told) > 8


def _in_a_thread(function: object) -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            function()  # type: ignore[operator]
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failed == []


async def test_async_runs_tell_on_their_own_loop_even_inside_of_a_sync_one() -> None:
    places: list[object] = []

    def where(event: Event) -> None:
        if isinstance(event, RunStarted):
            places.append(asyncio.get_running_loop())

    def ask_inside() -> str:
        """Asks another engine."""

        async def ask() -> str:
            places.append(asyncio.get_running_loop())
            return (await RLMEngine(ScriptedModel(["```repl\nFINAL('in')\n```"]), on_event=where).arun("?")).answer

        return asyncio.run(ask())

    code = "```repl\nanswer['content'] = ask_inside()\nanswer['ready'] = True\n```"
    engine = RLMEngine(ScriptedModel([code]), tools=[ask_inside])
    assert (await asyncio.to_thread(engine.run, "?")).answer == "in"
    assert places[0] is places[1]


@pytest.fixture
def soft_limit(handle_signal: Callable[..., None]) -> type[Exception]:
    class SoftTimeLimitError(Exception):
        """As job queues raise it, in a signal handler."""

    def handle(number: int, frame: object) -> None:
        raise SoftTimeLimitError("soft limit")

    handle_signal(signal.SIGUSR1, handle)
    return SoftTimeLimitError


def test_what_a_signal_raises_amid_a_handler_is_no_fault_of_the_handler(soft_limit: type[Exception]) -> None:
    def interrupted(event: Event) -> None:
        if isinstance(event, IterationStarted):
            signal.raise_signal(signal.SIGUSR1)

    with pytest.raises(soft_limit, match="soft limit") as caught:
        RLMEngine(scripted(), on_event=interrupted).run("?", "a line\n" * 20_000)
    assert caught.value.result.trace.iteration_count == 1  # type: ignore[attr-defined]


def test_what_a_handler_raises_of_itself_is(soft_limit: type[Exception]) -> None:
    def failing(event: Event) -> None:
        raise soft_limit("by hand")

    with pytest.raises(RunError, match="on_event: it raised SoftTimeLimitError: by hand"):
        RLMEngine(scripted(), on_event=failing).run("?")


def test_the_outermost_of_nested_runs_is_asked() -> None:
    async def nested(depth: int) -> int:
        if depth == 3:
            return await asyncio.to_thread(ask_first_caller, threading.get_ident)
        return await asyncio.to_thread(run_blocking, lambda: nested(depth + 1))

    assert run_blocking(lambda: nested(0)) == threading.get_ident()


async def test_nobody_waits_outside_of_a_sync_run_and_when_it_is_over() -> None:
    assert ask_first_caller(threading.get_ident) == threading.get_ident()
    assert await ask_caller(threading.get_ident) == threading.get_ident()
    waiting = CallersThread()
    waiting.close()
    assert waiting.submit(threading.get_ident) is None
    token = WAITING.set(waiting)
    try:
        assert ask_first_caller(threading.get_ident) == threading.get_ident()
        assert await ask_caller(threading.get_ident) == threading.get_ident()
    finally:
        WAITING.reset(token)


async def test_what_was_handed_over_too_late_is_called_where_it_came_from() -> None:
    waiting = CallersThread()
    token = WAITING.set(waiting)
    try:
        asked = asyncio.create_task(ask_caller(threading.get_ident))
        blocked = asyncio.create_task(asyncio.to_thread(ask_first_caller, threading.get_ident))
        while len(waiting._open) < 2:
            await asyncio.sleep(0)
        waiting.close()
        assert await asked == threading.get_ident()
        assert await blocked not in (0, threading.get_ident())
    finally:
        WAITING.reset(token)


def test_errors_go_back_to_who_asked() -> None:
    waiting, over = CallersThread(), Future[None]()
    over.add_done_callback(waiting.wake)

    def stop() -> None:
        raise StopIteration("enough")

    def cancel() -> None:
        raise CancelledError("enough")

    for function, error in ((stop, RuntimeError), (cancel, CancelledError), (lambda: 1 / 0, ZeroDivisionError)):
        done = waiting.submit(function)
        assert done is not None
        assert not waiting.wait(over, 0.0)
        assert isinstance(done.exception(), error)
    over.set_result(None)
    assert waiting.wait(over, 0.0)
