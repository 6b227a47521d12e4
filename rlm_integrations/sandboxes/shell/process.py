"""A worker on a machine that only takes commands, as a process that is read from and written to."""

from __future__ import annotations

import contextlib
import threading
import time

from rlm_integrations.sandboxes.shell.exchange import WAIT_S, Answer, Exchanges, LostError
from rlm_integrations.sandboxes.shell.install import PIECE_BYTES

HEARTBEAT_S = 15.0
"""Seconds between two signs of life, while nothing else is asked."""

_SOON_S = 0.2  # that the command which brings a step waits for news: most steps have some by then
_FULL_S = 0.2  # between two tries to bring what the worker has no room for


class ShellProcess:
    """Implements `PipedProcess`. It ends with its host, or a minute later where that is killed or cut off."""

    def __init__(self, exchanges: Exchanges, said: bytes) -> None:
        """`said` is what is known of what it says."""
        self._exchanges, self.folder = exchanges, exchanges.folder
        self._steps = 0
        self._written, self._had = 0, len(said)
        self._said = said
        """What has come and is not read yet."""
        self._status: int | None = None
        self._heard = time.monotonic()
        self._awake, self._over = threading.Event(), threading.Event()
        self._awake.set()
        self._begins = False
        """Whether what is written next begins a step."""
        self._head_start = 0.0
        self.killed = False
        self.lost = ""
        """Why it is lost, where it is, in words that follow "it"."""
        self.cpu_seconds, self.memory_bytes, self.threads = 0.0, 0, 0
        """As the last answer said; what hostile code says of itself."""
        self._keeper = threading.Thread(target=self._keep_alive, name="rlm-shell-alive", daemon=True)
        self._keeper.start()

    def begin_step(self) -> None:
        """What is written next begins one."""
        if not self.killed:
            self._steps += 1
            self._exchanges.wanted = "run", self._steps
            self._begins = True

    def rest(self) -> None:
        """Nothing is read until a step begins: what brings it reads first, and two at once would read the same."""
        if not self.killed:
            self._awake.clear()

    def interrupt(self) -> None:
        """It is told with what is written next, b"" at least."""
        if not self.killed:
            self._exchanges.wanted = "interrupt", self._steps

    def take_head_start(self) -> float:
        """Seconds that a step had run when it was known here that it had come there; told once."""
        taken, self._head_start = self._head_start, 0.0
        return taken

    def read(self) -> bytes:
        while True:
            self._awake.wait()
            if self.killed:
                break
            if self._said:
                said, self._said = self._said, b""
                return said
            if self.lost:
                break
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
        begins, self._begins = self._begins, False
        while not self.killed and not self.lost:
            piece = bytes(rest[:PIECE_BYTES])
            last = len(piece) == len(rest)
            if begins and last:
                begins = False  # what is brought again does not read: the reader does by then
                answer = self._begin(piece)
            else:
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
        self._exchanges.ends.set()
        self._awake.set()
        self._over.set()

    def reap(self) -> int | None:
        self.kill()
        self._keeper.join()
        return self._status

    def _begin(self, data: bytes) -> Answer | None:
        """Bring the last bytes of a step, and wait for what soon comes of it: for most steps this is all."""
        began = time.monotonic()
        answer = self._exchange(data=data, read=True, wait=_SOON_S)
        if answer is not None:
            if answer.got >= self._written + len(data):
                self._head_start = max(0.0, min(answer.held, time.monotonic() - began))
            self._had += len(answer.data)
            self._said = answer.data
            self._awake.set()
        return answer

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
