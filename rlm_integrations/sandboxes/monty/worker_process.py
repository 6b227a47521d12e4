"""Starts a worker, sends it the corpus, and ends it. Works alike on every platform."""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.plain_values import plain
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.channel.frames import encode, read_frame, write_frame
from rlm_integrations.sandboxes.channel.inbound import parse
from rlm_integrations.sandboxes.monty.lifeline import HAS_LIFELINE
from rlm_integrations.wire.settings import ReplSettings

PIECE_CHARS = 8_000_000
"""How much text goes into one message."""

# Builds the package by hand, so that its __init__ is not run, over the paths of this interpreter. What it leaves out is
# a third of the time of a start: searches for garbage among what is imported, and asyncio, which pydantic-monty needs
# where code sleeps, which has no way out of this sandbox.
_BOOT = """
import gc, json, sys, types
gc.disable()
sys.path[:] = json.loads(sys.argv[1])
package = types.ModuleType("rlm_integrations")
package.__path__ = [sys.argv[2]]
sys.modules["rlm_integrations"] = package
from rlm_integrations.sandboxes.monty.imported_on_use import import_on_use
import_on_use("asyncio")
from rlm_integrations.sandboxes.monty.worker import main
gc.enable()
main(int(sys.argv[3]) if sys.argv[3] else None)
"""
_PASSED_ON = (
    *("PATH", "LD_LIBRARY_PATH", "MONTY_BIN", "TZ", "HOME", "TMPDIR"),
    *("SYSTEMROOT", "USERPROFILE", "APPDATA", "TEMP", "TMP"),
)


class VmWorkerProcess:
    """A worker and the VM below it. Safe in any thread."""

    def __init__(self) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `_let_go`
        package = str(Path(__file__).resolve().parents[2])
        paths = json.dumps([path for path in sys.path if isinstance(path, str)])  # pyright: ignore[reportUnnecessaryIsInstance]
        self._lifeline: int | None = None
        theirs: tuple[int, ...] = ()
        try:
            if HAS_LIFELINE:
                their_end, self._lifeline = os.pipe()
                theirs = (their_end,)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", "-c", _BOOT, paths, package, "".join(map(str, theirs))],
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"MALLOC_ARENA_MAX": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                bufsize=0,
                pass_fds=theirs,
                start_new_session=True,  # the VM is in this group: both are ended at once, where there are groups
            )
        except BaseException:
            self._let_go()
            raise
        finally:
            for end in theirs:
                os.close(end)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self.incoming, self.outgoing = self._stdout.fileno(), self._stdin.fileno()
        self._lock = threading.Lock()
        self._status: int | None = None
        self.killed = False
        """Whether the host has ended it: what it still says is of no interest."""

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """End it at once. May be called at any time."""
        with self._lock:
            self.killed = True
            self._kill()

    def reap(self) -> int:
        """End it, if need be, and its exit status. Frees everything; nobody may be reading or writing any more."""
        with self._lock:
            if self._status is None:
                self._kill()
                self._status = self._process.wait()
                for file in (self._stdin, self._stdout):
                    with contextlib.suppress(OSError):
                        file.close()
                self._let_go()
            return self._status

    def end(self) -> None:
        """End one that nobody uses yet."""
        self.reap()

    def complaint(self) -> str:
        """What it wrote to its standard error."""
        self._complaints.seek(0)
        return self._complaints.read(4000).decode(errors="replace").strip()

    def _let_go(self) -> None:
        with contextlib.suppress(OSError):
            self._complaints.close()
        if self._lifeline is not None:
            os.close(self._lifeline)

    def _kill(self) -> None:
        if self._status is not None:
            return
        if sys.platform == "win32":
            self._process.kill()
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def start_worker(corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document]) -> VmWorkerProcess:
    """A worker that is ready for its first step; blocks. Raises SandboxError, InvalidArgumentError."""
    try:
        worker = VmWorkerProcess()
    except OSError as error:
        raise SandboxError(f"sandbox: the Monty worker could not be started: {error}") from error
    try:
        with contextlib.suppress(BrokenPipeError):  # it says below why it ended
            _send(worker.outgoing, corpus, settings, retrieved)
        answer = read_frame(worker.incoming)
        if answer is None:
            words = worker.complaint()
            raise SandboxError(f"sandbox: the Monty worker ended at once (status {worker.reap()}): {words}")
        ready = parse(answer)
        if ready.get("t") == "failed":
            raise SandboxError(f"sandbox: {ready.get('message')}")
        return worker
    except BaseException:
        worker.end()
        raise


def _send(outgoing: int, corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document]) -> None:
    kind = "documents" if retrieved else corpus.kind
    write_frame(outgoing, encode({"settings": settings.to_json(), "kind": kind}))
    documents = corpus.as_documents() if retrieved else corpus.documents
    for batch in _batches([*documents, *retrieved]):
        body = marshal.dumps(batch)
        write_frame(outgoing, len(body).to_bytes(4, "big") + body)
    write_frame(outgoing, bytes(4))


def _batches(documents: Iterable[Document]) -> Iterator[list[tuple[str | None, Any, str]]]:
    batch: list[tuple[str | None, Any, str]] = []
    room = PIECE_CHARS
    for document in documents:
        for id_, metadata, piece in _pieces(document):
            room -= len(piece) + 1_000
            if room < 0 and batch:
                yield batch
                batch, room = [], PIECE_CHARS - len(piece)
            batch.append((id_, metadata, piece))
    yield batch


def _pieces(document: Document) -> Iterator[tuple[str | None, Any, str]]:
    """(id, metadata, text), the text in pieces; the later ones have None for both."""
    try:
        metadata = plain(document.metadata)
        marshal.dumps(metadata)
    except (RecursionError, ValueError):
        raise InvalidArgumentError(
            f"context: the metadata of document {document.id!r} is nested too deeply; pass flatter metadata"
        ) from None
    text = str.__str__(document.text)
    yield str.__str__(document.id), metadata, text[:PIECE_CHARS]
    for begin in range(PIECE_CHARS, len(text), PIECE_CHARS):
        yield None, None, text[begin : begin + PIECE_CHARS]
