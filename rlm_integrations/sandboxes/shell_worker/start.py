"""Starts a REPL: the relay goes on by itself when the command that started it is over. Standard library only."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn
from zlib import crc32

from rlm_integrations.sandboxes.channel.fork_server import WorkerJob
from rlm_integrations.sandboxes.channel.own_signals import take_own_signals
from rlm_integrations.sandboxes.process_worker.thread_guard import guard_threads
from rlm_integrations.sandboxes.process_worker.worker import run_worker
from rlm_integrations.sandboxes.shell_worker.relay import SOCKET, Relay

_PIECE_BYTES = 1 << 20


def main(folder: str, silence_s: str, size: str, checksum: str, *pieces: str) -> None:
    """Have a relay with a worker in a new folder. The pieces are its setup file, of this size and CRC.

    It ends where nobody asks for it for `silence_s`. Where the folder is there, the same command came before: it may
    come twice.
    """
    if os.path.exists(folder):
        return
    setup = _whole(pieces)
    found = f"{os.fstat(setup).st_size} {_crc(setup)}"
    if found != f"{size} {checksum}":
        raise SystemExit(f"the setup file came as {found}, not as {size} {checksum}")
    take_own_signals()
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
        _start(folder, setup, float(silence_s))


def _start(folder: str, setup: int, silence_s: float) -> None:
    os.chdir(folder)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(SOCKET)
    listener.listen(64)
    if os.fork():
        return
    os.setsid()  # whoever ends the command and what belongs to it is not to end this
    _leave_streams()
    try:
        _relay(listener, setup, silence_s)
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
        os._exit(0)


def _relay(listener: socket.socket, setup: int, silence_s: float) -> None:
    ours, theirs = socket.socketpair()
    relay = os.getpid()
    worker = os.fork()
    if worker == 0:
        _become_worker(theirs, setup, relay, (listener.fileno(), ours.fileno()))
    with contextlib.suppress(OSError):  # it does so itself, maybe later than it is asked for the first time
        os.setpgid(worker, worker)
    theirs.close()
    os.close(setup)
    Relay(listener, ours, worker).serve(silence_s)


def _become_worker(channel: socket.socket, setup: int, relay: int, not_its_own: Sequence[int]) -> NoReturn:
    os.setpgid(0, 0)  # with what the code starts, it is ended as one
    for descriptor in not_its_own:
        os.close(descriptor)
    os.chdir("/")
    os.environ.clear()
    sys.argv[:] = [""]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until the first step
    guard_threads()
    run_worker(WorkerJob(channel.detach(), setup, relay), None, None)


def _whole(pieces: Sequence[str]) -> int:
    """The pieces as one file that nobody sees; they are removed."""
    whole = os.memfd_create("rlm-setup", os.MFD_CLOEXEC)
    for piece in pieces:
        with open(piece, "rb") as file:
            while data := file.read(_PIECE_BYTES):
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(whole, rest) :]
        Path(piece).unlink()
    os.lseek(whole, 0, os.SEEK_SET)
    return whole


def _crc(file: int) -> int:
    found, at = 0, 0
    while data := os.pread(file, _PIECE_BYTES, at):
        found, at = crc32(data, found), at + len(data)
    return found


def _leave_streams() -> None:
    """Else the command that started this would not be over while this lasts."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)
