"""A clear error where model code starts too many threads. Their memory is limited besides, by the kernel."""

from __future__ import annotations

import _thread
import threading
from typing import Any

MAX_THREADS = 64


def guard_threads() -> None:
    """Make starting more than MAX_THREADS threads raise RuntimeError, with the limit and the remedy."""
    running = _thread._count  # pyright: ignore[reportPrivateUsage]

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


def _checked(start: Any, check: Any) -> Any:
    def start_thread(*args: Any, **kwargs: Any) -> Any:
        check()
        try:
            return start(*args, **kwargs)
        except RuntimeError as error:
            raise RuntimeError(f"{error}: each takes 8 MB of the REPL's memory; use a pool of fewer workers") from None

    return start_thread
