"""A clear error where model code starts too many threads. Their memory is limited besides, by the kernel."""

from __future__ import annotations

import _thread
import ctypes
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

MAX_THREADS = 64

_threads_now, _thread_id = sys._current_frames, ctypes.c_ulong  # pyright: ignore[reportPrivateUsage]
_raise_in: Callable[..., int] = ctypes.pythonapi.PyThreadState_SetAsyncExc
_SYSTEM_EXIT = ctypes.py_object(SystemExit)


def end_threads(keep: set[int]) -> None:
    """Raise SystemExit, which ends a thread quietly, in all threads but those of the given idents.

    Code that only waits, in a lock or in C, gets it when it comes back.
    """
    for ident in _threads_now():
        if ident not in keep:
            _raise_in(_thread_id(ident), _SYSTEM_EXIT)


def guard_threads() -> None:
    """Make starting more than MAX_THREADS threads raise RuntimeError, with the limit and the remedy.

    A pool makes do with those that it has: its work has begun, and what that has cost would be lost.
    """
    running = _thread._count  # pyright: ignore[reportPrivateUsage]

    pool = cast(Any, ThreadPoolExecutor)
    pool._adjust_thread_count = _with_fewer(pool._adjust_thread_count)

    def check() -> None:
        # the reader of the channel is one, the main thread is not counted
        if running() > MAX_THREADS:
            limit = f"the REPL runs at most {MAX_THREADS} at once; use a pool of fewer workers"
            raise RuntimeError(f"can't start new thread: {limit}")

    for module, name in (
        (_thread, "start_new_thread"),
        (_thread, "start_new"),
        (_thread, "start_joinable_thread"),
        (threading, "_start_new_thread"),
        (threading, "_start_joinable_thread"),
    ):
        start = getattr(module, name, None)
        if start is not None:
            setattr(module, name, _checked(start, check))


def _with_fewer(start_another: Callable[[Any], None]) -> Callable[[Any], None]:
    def start_if_possible(pool: Any) -> None:
        try:
            start_another(pool)
        except RuntimeError:
            if not pool._threads:
                raise

    return start_if_possible


def _checked(start: Any, check: Any) -> Any:
    def start_thread(*args: Any, **kwargs: Any) -> Any:
        check()
        try:
            return start(*args, **kwargs)
        except RuntimeError as error:
            raise RuntimeError(f"{error}: each takes 8 MB of the REPL's memory; use a pool of fewer workers") from None

    return start_thread
