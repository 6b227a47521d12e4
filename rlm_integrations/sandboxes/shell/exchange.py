"""Exchanges with the relay of one REPL: made again until one comes through, which does no harm."""

from __future__ import annotations

import shlex
import threading
import time
from dataclasses import replace

from rlm_integrations.sandboxes.channel.inbound import parse
from rlm_integrations.sandboxes.shell.machine import Machine, Said, UnreachableError, within
from rlm_integrations.wire.exchanges import MARK, Answer, Mode, Request, sealed_within
from rlm_integrations.wire.inbound import ProtocolError

WAIT_S = 5.0
"""Seconds that a command waits for news: longer ones are fewer, but keep an answer that got lost for as long."""

LOST_S = 20.0
"""Seconds after which a REPL is given up that no command reaches."""

INLINE_BYTES = 48 << 10
"""What a command carries either way: a shell takes a command of 128 KB, and outputs are cut, of some machines at
100 KB."""

_LEAST_BYTES = 512  # to which an output that is cut is shortened
_ANSWER_S = 10.0  # more than a command that waits for nothing takes
_PAUSE_S = (0.1, 2.0)

CLIENT = """
import _socket, os, sys
try:
    os.chdir(sys.argv[1])
    s = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    s.connect("s")
except (FileNotFoundError, ConnectionRefusedError):
    print("rlm-gone")
    raise SystemExit
s.sendall(sys.argv[2].encode())
s.shutdown(_socket.SHUT_WR)
while d := s.recv(1 << 18):
    sys.stdout.write(d.decode())
"""
"""A program that makes one exchange. Its arguments are the folder of the REPL and what is asked."""


class LostError(Exception):
    """There is no such REPL any more, or no command reaches it. The message says which, in words that follow "it"."""


class Exchanges:
    """Safe in any thread."""

    def __init__(self, machine: Machine, python: str, folder: str) -> None:
        self._machine, self.folder = machine, folder
        self._command = f"{python} -I -S -c {shlex.quote(CLIENT)} {shlex.quote(folder)} "
        self._lock = threading.Lock()
        self._number = 0
        self._most = INLINE_BYTES
        self.wanted: tuple[Mode, int] = "run", 0
        """What the worker is to do until so many steps are over: "run", or be interrupted ("interrupt")."""
        self.ends = threading.Event()
        """Set where it is to end, and nobody wants an answer any more."""

    def make(self, *, at: int, have: int, data: bytes = b"", wait: float = 0.0, read: bool = False) -> Answer:
        """Bring bytes, which have this place among all, and get those behind the ones that are here; blocks.

        Waits so many seconds for some. Raises LostError.
        """
        end, pause = time.monotonic() + LOST_S + wait, _PAUSE_S[0]
        while True:
            try:
                return self._try(at, have, data, wait, read)
            except UnreachableError as error:
                if time.monotonic() > end or self.ends.is_set():
                    raise LostError(f"was out of reach for {LOST_S:g} s: {error}") from error
            self.ends.wait(pause)
            pause = min(2 * pause, _PAUSE_S[1])

    def _try(self, at: int, have: int, data: bytes, wait: float, read: bool) -> Answer:
        file = ""
        with self._lock:
            self._number += 1
            number, (mode, steps), most = self._number, self.wanted, self._most if read else 0
        if self.ends.is_set():
            mode = "end"
        if len(data) > INLINE_BYTES:
            file = f"{self.folder}-{number}"
            name = f"/tmp/{file.rpartition('/')[2]}"
            within(LOST_S, lambda: self._machine.bring(name, data))
        asked = Request.bringing(data, number, mode, steps, at=at, file=file, have=have, most=most, wait_s=wait)
        command = self._command + shlex.quote(asked.to_text())
        said = within(wait + _ANSWER_S, lambda: self._machine.run(command, int(wait + _ANSWER_S)))
        answer = read_answer(said, have, most)
        if answer is None:
            if said.cut or MARK in said.text:
                with self._lock:
                    self._most = max(_LEAST_BYTES, most // 2)
            raise UnreachableError(f"its answer was cut short, or is none: {said.text[-200:]}")
        return answer


def first_request() -> str:
    """By the command that starts a REPL, for the word that it is ready."""
    return Request(0, "run", 0, have=0, most=INLINE_BYTES, wait_s=WAIT_S).to_text()


def first_words(text: str) -> bytes:
    """What that command brought of what the REPL says. What came of it in no whole answer is asked for again."""
    try:
        answer = read_answer(Said(text, cut=False), 0, INLINE_BYTES)
    except LostError:
        return b""
    return answer.data if answer else b""


def read_answer(said: Said, have: int, most: int) -> Answer | None:
    """The answer, where it came whole, without bytes of another place. Raises LostError where the relay is gone."""
    text = said.text[: 4 * INLINE_BYTES]
    body = sealed_within(text)
    if body is None:
        if MARK not in text and "rlm-gone" in text:
            raise LostError("is not there any more: it was ended, or its machine began anew")
        return None
    try:
        answer = Answer.read(parse(body))
    except (ProtocolError, ValueError, KeyError, TypeError, OverflowError):
        return None
    if answer.start != have:
        answer = replace(answer, data=b"")
    return answer if len(answer.data) <= most else None
