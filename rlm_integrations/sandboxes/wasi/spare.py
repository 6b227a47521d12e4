"""A worker that waits for its corpus: to start one takes most of the time of an opening."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from pathlib import Path

from rlm_integrations.sandboxes.wasi.worker_process import WasiProcess, abandon_all

KEPT_S = 30.0
"""Seconds that a spare waits."""


class Spares:
    """At most one, for the component that was asked for last. It holds nothing of a run. Safe in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spare: tuple[Path, WasiProcess] | None = None
        self._timer: threading.Timer | None = None
        self._ends = 0
        """How often the spare was ended."""

    def take(self, compiled: Path) -> WasiProcess:
        """A worker that loads the component, or has loaded it. Raises OSError."""
        with self._lock:
            spare, self._spare = self._spare, None
            self._stop_timer()
        worker = None
        if spare is not None:
            if spare[0] == compiled and spare[1].runs:
                worker = spare[1]
            else:
                spare[1].end()
        return worker or WasiProcess(compiled)

    def make_soon(self, compiled: Path) -> None:
        """Start the spare beside what goes on; it serves when its worker has had time to load."""
        threading.Thread(target=self._make, args=(compiled, self._ends), name="rlm-spare", daemon=True).start()

    def end(self) -> None:
        """End the spare, and make none that is on its way."""
        with self._lock:
            self._ends += 1
            spare, self._spare = self._spare, None
            self._stop_timer()
        if spare is not None:
            spare[1].end()

    def _make(self, compiled: Path, ends: int) -> None:
        with self._lock, contextlib.suppress(OSError):  # then there is none
            if self._spare is None and self._ends == ends:
                self._spare = compiled, WasiProcess(compiled)
                self._timer = threading.Timer(KEPT_S, self.end)
                self._timer.daemon = True
                self._timer.start()

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._spare = self._timer = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


spares = Spares()
"""Those of this process."""


def _after_fork() -> None:
    abandon_all()
    spares.after_fork()  # no sooner: what nobody holds any more is garbage, and not closed


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(spares.end)
