"""Bringing the worker to a machine, once, and starting REPLs there."""

from __future__ import annotations

import mmap
import os
import re
import shlex
import threading
import uuid
from collections.abc import Callable
from typing import TypeVar
from zlib import crc32

from rlm_integrations.core.errors import SandboxUnavailableError
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.shell.archive import worker_archive
from rlm_integrations.sandboxes.shell.exchange import CLIENT, first_request, first_words
from rlm_integrations.sandboxes.shell.machine import Machine, UnreachableError, within

_FOLDER = "/tmp"
_VERSION = re.compile(r"[0-9]{1,3}+\.[0-9]{1,3}+")
_TRIES = 3
_COMMAND_S, _FILE_S = 60, 300
_MOST_CHARS = 20_000  # of what is said there
PIECE_BYTES = 4 << 20
"""How much goes into one file."""

SILENCE_S = 60.0
"""Seconds after which a REPL ends that nobody asks for."""

_ENVIRONMENT = "MALLOC_ARENA_MAX=1 "  # each thread's own would take 64 MB of the address space, which is limited

_LOOK = """
import os, sys
print("rlm-python", sys.implementation.name, *sys.version_info[:2], sys.platform)
for root in ("/tmp", os.getcwd() + "/tmp"):
    if os.path.exists(root + sys.argv[2]):
        print("rlm-root", root)
        print("rlm-worker", os.path.isdir(root + sys.argv[1]))
        break
"""

# Twice at once, or again, does no harm: it becomes a folder whole or not at all.
_UNPACK = """
import hashlib, os, shutil, sys, tempfile, zipfile
worker, packed, digest = sys.argv[1:]
if hashlib.sha256(open(packed, "rb").read()).hexdigest() == digest:
    new = tempfile.mkdtemp(dir=os.path.dirname(worker))
    zipfile.ZipFile(packed).extractall(new)
    try:
        os.rename(new, worker)
    except OSError:
        shutil.rmtree(new)
"""

# It is also the first that asks the REPL: whether it is ready.
_START = f"""
import sys
sys.path.insert(0, sys.argv.pop(1))
from rlm_integrations.sandboxes.shell_worker.start import main
main(sys.argv[1], *sys.argv[3:])
print("rlm-started", flush=True)
{CLIENT}
"""


_T = TypeVar("_T")


class Installation:
    """The worker on one machine. Safe in any thread."""

    def __init__(self, machine: Machine, python: str) -> None:
        self._machine, self._python = machine, python
        self._lock = threading.Lock()
        self._root: str | None = None
        """The machine's own name of the folder that files are brought to."""
        self.python_version = ""
        """Of its Python, once that is known."""

    def start(self, setup: int, hash_seed: int | None) -> tuple[str, bytes]:
        """Have a REPL over a setup file; blocks. Returns its folder, and what came with that of what it says.

        Raises SandboxError, SandboxUnavailableError.
        """
        checked = [str(SILENCE_S), str(os.fstat(setup).st_size), str(_crc(setup))]
        seed = "" if hash_seed is None else f"PYTHONHASHSEED={hash_seed} "  # which -I would not look for
        python = f"{_ENVIRONMENT}{seed}{self._python} -s -P -S -X utf8 -c {shlex.quote(_START)}"
        said = ""
        for _ in range(_TRIES):
            name = f"rlm-{uuid.uuid4().hex[:12]}"
            pieces = self._bring_pieces(name, setup)
            root = self._installed()
            folder, paths = f"{root}/{name}", [f"{root}/{piece}" for piece in pieces]
            arguments = [root + self._name(), folder, first_request(), *checked, *paths]
            said = self._say(f"{python} {shlex.join(arguments)}")
            if "rlm-started" in said:
                return folder, first_words(said)
            with self._lock:  # it may have been cleared away
                self._root = None
        raise SandboxError(f"sandbox: {self._machine.name} did not start the REPL: {_end_of(said)}")

    def _installed(self) -> str:
        with self._lock:
            if self._root is None:
                self._root = self._install()
            return self._root

    def _name(self) -> str:
        return f"/rlm-worker-{worker_archive().digest[:16]}"

    def _install(self) -> str:
        """A file tells which folder of the machine files come to: some backends have a root of their own for them."""
        archive, said = worker_archive(), ""
        for _ in range(_TRIES):
            packed = f"/rlm-{uuid.uuid4().hex[:12]}.zip"
            self._bring(_FOLDER + packed, b"")
            said = self._run(_LOOK, self._name(), packed)
            self._check_python(said)
            root = _line(said, "rlm-root ")
            if not root:
                continue
            if _line(said, "rlm-worker ") == "True":
                self._say(f"rm -f {shlex.quote(root + packed)}")
                return root
            self._bring(_FOLDER + packed, archive.data)
            said = self._run(_UNPACK, root + self._name(), root + packed, archive.digest)
            self._say(f"rm -f {shlex.quote(root + packed)}")
        raise SandboxError(
            f"sandbox: the worker could not be brought to {self._machine.name}: a file written to {_FOLDER} must be "
            f"found by a command in {_FOLDER}, or in tmp of its working folder; it said: {_end_of(said)}"
        )

    def _check_python(self, said: str) -> None:
        found = _line(said, "rlm-python ").split()
        if len(found) != 4 or not _VERSION.fullmatch(f"{found[1]}.{found[2]}"):
            raise SandboxUnavailableError(
                f"sandbox: {self._python} does not run on {self._machine.name}: {_end_of(said)}; it needs CPython 3.11 "
                "or later there: take an image that has it, or name it (python=...)"
            )
        name, major, minor, platform = found
        if name != "cpython" or (int(major), int(minor)) < (3, 11) or platform != "linux":
            raise SandboxUnavailableError(
                f"sandbox: {self._python} on {self._machine.name} is {name} {major}.{minor} on {platform}; it needs "
                "CPython 3.11 or later on Linux there: take another image, or name another (python=...)"
            )
        self.python_version = f"{major}.{minor}"

    def _bring_pieces(self, name: str, file: int) -> list[str]:
        size, names = os.fstat(file).st_size, list[str]()
        with mmap.mmap(file, size, prot=mmap.PROT_READ) as data:
            for start in range(0, size, PIECE_BYTES):
                names.append(f"{name}-{len(names)}")
                self._bring(f"{_FOLDER}/{names[-1]}", data[start : start + PIECE_BYTES])
        return names

    def _run(self, code: str, *arguments: str) -> str:
        return self._say(f"{self._python} -I -S -c {shlex.quote(code)} {shlex.join(arguments)}")

    def _say(self, command: str) -> str:
        """What a command printed that may run twice. Raises SandboxError."""
        return self._try(
            lambda: within(_COMMAND_S + 5.0, lambda: self._machine.run(command, _COMMAND_S)).text[:_MOST_CHARS]
        )

    def _bring(self, path: str, data: bytes) -> None:
        self._try(lambda: within(_FILE_S, lambda: self._machine.bring(path, data)))

    def _try(self, work: Callable[[], _T]) -> _T:
        for left in reversed(range(_TRIES)):
            try:
                return work()
            except UnreachableError as error:
                if not left:
                    raise SandboxError(f"sandbox: {self._machine.name} cannot be reached: {error}") from error
        raise AssertionError


def _crc(file: int) -> int:
    with mmap.mmap(file, os.fstat(file).st_size, prot=mmap.PROT_READ) as data:
        return crc32(data)


def _line(said: str, begin: str) -> str:
    """What follows on the line."""
    return said.partition(begin)[2].partition("\n")[0].strip()


def _end_of(said: str) -> str:
    return said.strip()[-300:] or "nothing"
