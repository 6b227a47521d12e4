"""`threading`, pools and event loops over tasks: what is started runs when somebody waits."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import queue
import threading
import time
from _thread import get_ident
from collections import deque
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import _base  # pyright: ignore[reportPrivateUsage]
from typing import Any, cast

from rlm_integrations.sandboxes.wasi_guest.tasks import Never, Run, Tasks, Wait
from rlm_integrations.sandboxes.wasi_guest.twins import call, give, keep, without_frames_of_twins

_POOL_TASKS = 32
"""Tasks of a pool that names no number."""


class Lock:
    """A `threading.Lock` that another task can let go of."""

    def __init__(self) -> None:
        self._held = False

    def ready(self) -> bool:
        return not self._held

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._held and not (blocking and _tasks().wait(self, None if timeout < 0 else timeout)):
            return False
        self._held = True
        return True

    def acquire_in_a_task(self, blocking: bool = True, timeout: float = -1) -> Run:
        while self._held:
            in_time = blocking and (yield Wait(self, None if timeout < 0 else timeout))
            if not in_time:
                return False
        self._held = True
        return True

    def release(self) -> None:
        if not self._held:
            raise RuntimeError("release unlocked lock")
        self._held = False

    def locked(self) -> bool:
        return self._held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self._held = False


class _Notice:
    """What a condition's `notify` lets go of."""

    def __init__(self) -> None:
        self._given = False

    def ready(self) -> bool:
        return self._given

    def release(self) -> None:
        self._given = True


def _wait(condition: Any, timeout: float | None = None) -> bool:
    """`Condition.wait`, and so that of events, futures, queues, semaphores and barriers."""
    notice, state = _Notice(), condition._release_save()
    condition._waiters.append(notice)
    in_time = False
    try:
        in_time = _tasks().wait(notice, timeout)
    finally:
        condition._acquire_restore(state)
        if not in_time and notice in condition._waiters:
            condition._waiters.remove(notice)
    return in_time


def _wait_in_a_task(condition: Any, timeout: float | None = None) -> Run:
    notice, state = _Notice(), condition._release_save()
    condition._waiters.append(notice)
    in_time = yield Wait(notice, timeout)
    condition._acquire_restore(state)
    if not in_time and notice in condition._waiters:
        condition._waiters.remove(notice)
    return in_time


class _Ended:
    """Whether a thread has."""

    def __init__(self) -> None:
        self.over = False

    def ready(self) -> bool:
        return self.over


def _start(thread: Any) -> None:
    if thread._started.is_set():
        raise RuntimeError("threads can only be started once")
    thread._rlm_ended = _Ended()
    thread._ident = _tasks().begin(_run_thread(thread))
    cast(Any, threading)._active[thread._ident] = thread
    thread._started.set()


def _run_thread(thread: Any) -> Run:
    try:
        yield from call(thread.run)
    except SystemExit:
        pass
    except Exception as error:
        shown = without_frames_of_twins(error.__traceback__)
        threading.excepthook(threading.ExceptHookArgs((type(error), error, shown, thread)))
    finally:
        thread._rlm_ended.over = True
        cast(Any, threading)._active.pop(thread._ident, None)


def _join(thread: Any, timeout: float | None = None) -> None:
    _tasks().wait(_ended_of(thread), timeout)


def _join_in_a_task(thread: Any, timeout: float | None = None) -> Run:
    yield Wait(_ended_of(thread), timeout)


def _ended_of(thread: Any) -> _Ended:
    ended = getattr(thread, "_rlm_ended", None)
    if ended is None:
        raise RuntimeError("cannot join thread before it is started")
    return ended


def _is_alive(thread: Any) -> bool:
    _tasks().run_ready()  # code may ask again and again, and do nothing else
    return hasattr(thread, "_rlm_ended") and not thread._rlm_ended.over


_is_done_now: Callable[[Any], bool] = cast(Any, futures.Future).done


def _is_done(future: futures.Future[Any]) -> bool:
    if not _is_done_now(future):
        _tasks().run_ready()
    return _is_done_now(future)


class Pool(futures.Executor):
    """A `ThreadPoolExecutor` whose threads are tasks."""

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._max_workers = max_workers or _POOL_TASKS
        self._begin = (initializer, initargs)
        self._work: deque[tuple[futures.Future[Any], Any, tuple[Any, ...], dict[str, Any]]] = deque()
        self._running: set[_Ended] = set()
        self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: futures.Future[Any] = futures.Future()
        self._work.append((future, fn, args, kwargs))
        if len(self._running) < self._max_workers:
            ended = _Ended()
            self._running.add(ended)
            _tasks().begin(self._run(ended))
        return future

    def _run(self, ended: _Ended) -> Run:
        try:
            initializer, initargs = self._begin
            if initializer is not None:
                yield from call(initializer, *initargs)
            while self._work:
                future, fn, args, kwargs = self._work.popleft()
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    result = yield from call(fn, *args, **kwargs)
                except BaseException as error:
                    future.set_exception(error)
                    if isinstance(error, (KeyboardInterrupt, GeneratorExit)):
                        raise
                    del error
                else:
                    future.set_result(result)
                del future
        finally:
            ended.over = True
            self._running.discard(ended)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._closed = True
        while cancel_futures and self._work:
            self._work.pop()[0].cancel()
        while wait and self._running:
            _tasks().wait(next(iter(self._running)))


class Loop(asyncio.BaseEventLoop):
    """An event loop without descriptors: the others run while it has nothing to do."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = self
        self._woken = _Notice()

    def select(self, timeout: float | None) -> None:
        if timeout is not None and timeout <= 0:
            _tasks().turn()
        else:
            _tasks().wait(self._woken, timeout)
        self._woken = _Notice()

    def _process_events(self, *_: object) -> None:
        pass

    def _write_to_self(self) -> None:
        self._woken.release()


def _policy() -> Any:
    base = cast(Any, asyncio.events)._BaseDefaultEventLoopPolicy
    return type("Policy", (base,), {"_loop_factory": Loop})()


def _sleep(seconds: float) -> None:
    _tasks().wait(Never(), _checked(seconds))


def _sleep_in_a_task(seconds: float) -> Run:
    yield Wait(Never(), _checked(seconds))


def _checked(seconds: float) -> float:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    return seconds + 0


_of_repl: list[Tasks] = []


def _tasks() -> Tasks:
    return _of_repl[-1]


def use(tasks: Tasks) -> None:
    """The tasks of the REPL that runs from now on."""
    _of_repl[:] = [tasks]


def install() -> None:
    """Put all of it in the place of Python's own."""
    keep(threading, queue, _base)
    in_threading, thread = cast(Any, threading), cast(Any, threading.Thread)
    in_threading.Lock = in_threading._allocate_lock = Lock
    in_threading.RLock = in_threading._PyRLock
    in_threading.get_ident = lambda: _tasks().ident if _of_repl else get_ident()
    in_threading.Condition.wait, thread.start, thread.join, thread.is_alive = _wait, _start, _join, _is_alive
    cast(Any, futures).ThreadPoolExecutor = cast(Any, concurrent.futures.thread).ThreadPoolExecutor = Pool
    cast(Any, futures.Future).done = _is_done
    cast(Any, queue).SimpleQueue = cast(Any, queue)._PySimpleQueue
    cast(Any, asyncio).new_event_loop = Loop
    cast(Any, asyncio.events)._event_loop_policy = _policy()
    time.sleep = _sleep
    give(_wait, _wait_in_a_task)
    give(_join, _join_in_a_task)
    give(_sleep, _sleep_in_a_task)
    give(Lock.acquire, Lock.acquire_in_a_task)
