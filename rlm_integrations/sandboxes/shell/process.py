"""A worker on a machine that only takes commands, as a process that is read from and written to."""

from __future__ import annotations

import contextlib
import threading
import time

from rlm_integrations.sandboxes.shell.exchange import Answer, Exchanges, LostError
from rlm_integrations.sandboxes.shell.install import PIECE_BYTES

WAIT_S = 5.0
"""Seconds that a command waits for news: longer ones are fewer, but keep an answer that got lost for as long."""

HEARTBEAT_S = 15.0
"""Seconds between two signs of life, while nothing else is asked."""

_FULL_S = 0.2  # between two tries to bring what the worker has no room for


class ShellProcess:
    """Implements `PipedProcess`. It ends with its host, or a minute later where that is killed or cut off."""

    def __init__(self, exchanges: Exchanges) -> None:
        self._exchanges, self.folder = exchanges, exchanges.folder
        self._written = self._had = 0
        self._status: int | None = None
        self._heard = time.monotonic()
        self._awake, self._over = threading.Event(), threading.Event()
        self._awake.set()
        self.killed = False
        self.lost = ""
        """Why it is lost, where it is, in words that follow "it"."""
        self.cpu_seconds, self.memory_bytes, self.threads = 0.0, 0, 0
        """As the last answer said; what hostile code says of itself."""
        self._keeper = threading.Thread(target=self._keep_alive, name="rlm-shell-alive", daemon=True)
        self._keeper.start()

    def steer(self, mode: str) -> None:
        """What it is to do: "run", "rest" or "interrupt". It is told with what is written next, b"" at least."""
        if not self.killed:
            self._exchanges.mode = mode
            if mode == "rest":
                self._awake.clear()
            else:
                self._awake.set()

    def read(self) -> bytes:
        while not self.killed and not self.lost:
            self._awake.wait()
            answer = self._exchange(read=True, wait=WAIT_S)
            if answer is None:
                break
            if answer.data:
                self._had += len(answer.data)
                return answer.data
            if answer.status is not None:
                self._status = answer.status
                break
        return b""

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while not self.killed and not self.lost:
            piece = bytes(rest[:PIECE_BYTES])
            answer = self._exchange(data=piece)
            if answer is None:
                return
            taken = min(max(0, answer.got - self._written), len(piece))
            self._written += taken
            rest = rest[taken:]
            if not rest:
                return
            if taken < len(piece):
                self._over.wait(_FULL_S)

    def kill(self) -> None:
        self.killed = True
        self._exchanges.mode = "end"
        self._exchanges.gives_up.set()
        self._awake.set()
        self._over.set()

    def reap(self) -> int | None:
        self.kill()
        self._keeper.join()
        return self._status

    def _exchange(self, *, data: bytes = b"", wait: float = 0.0, read: bool = False) -> Answer | None:
        try:
            answer = self._exchanges.make(at=self._written, have=self._had, data=data, wait=wait, read=read)
        except LostError as error:
            if not self.killed:
                self.lost = self.lost or str(error)
                self._awake.set()
            return None
        self._heard = time.monotonic()
        self.cpu_seconds, self.memory_bytes, self.threads = answer.cpu, answer.memory, answer.threads
        return answer

    def _keep_alive(self) -> None:
        """Until it is killed; then have the machine end it."""
        while not self._over.wait(HEARTBEAT_S):
            if time.monotonic() > self._heard + HEARTBEAT_S / 2:
                self._exchange()
        with contextlib.suppress(LostError):
            self._exchanges.make(at=self._written, have=self._had)
