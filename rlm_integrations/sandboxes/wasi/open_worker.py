"""A worker that holds the corpus and is ready for its first step."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.channel.exit_statuses import EXIT_UNLOADABLE
from rlm_integrations.sandboxes.channel.frames import encode, read_frame, write_frame
from rlm_integrations.sandboxes.channel.inbound import parse
from rlm_integrations.sandboxes.wasi.cache import compiled_component, forget
from rlm_integrations.sandboxes.wasi.documents import batches, memory_needed
from rlm_integrations.sandboxes.wasi.spare import spares
from rlm_integrations.sandboxes.wasi.worker_process import WasiProcess
from rlm_integrations.wire.inbound import Failed, read_beginning
from rlm_integrations.wire.opening import Opening
from rlm_integrations.wire.settings import ReplSettings


class _NotLoadedError(SandboxError):
    """The compiled component is none for this machine."""


def open_worker(corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document]) -> WasiProcess:
    """Blocks. Raises SandboxError, SandboxUnavailableError, InvalidArgumentError."""
    compiled = compiled_component()
    try:
        try:
            worker = _opened(spares.take(compiled), corpus, settings, retrieved)
        except _NotLoadedError:
            forget(compiled)
            worker = _opened(WasiProcess(compiled_component()), corpus, settings, retrieved)
        spares.make_soon(compiled)
    except OSError as error:
        raise SandboxError(f"sandbox='wasi': the worker could not be started: {error}") from error
    return worker


def _opened(worker: WasiProcess, corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document]) -> WasiProcess:
    try:
        answer = None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it says below why it ended
            _send(worker.outgoing, corpus, settings, retrieved)
            answer = read_frame(worker.incoming)
        if answer is None:
            status, words = worker.wait(), worker.complaint()
            error = _NotLoadedError if status == EXIT_UNLOADABLE else SandboxError
            raise error(f"sandbox='wasi': the worker ended at once (status {status}): {words}")
        begun = read_beginning(parse(answer))
        if isinstance(begun, Failed):
            raise SandboxError(f"sandbox='wasi': {begun.why}; the machine may be short of memory")
        return worker
    except BaseException:
        worker.end()
        raise


def _send(outgoing: int, corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document]) -> None:
    documents = [*(corpus.as_documents() if retrieved else corpus.documents), *retrieved]
    kind = "documents" if retrieved else corpus.kind
    rows = len(documents) - len(retrieved) - corpus.before_rows
    opening = Opening(settings, kind, corpus.before_rows, rows, memory_needed(documents))
    write_frame(outgoing, encode(opening.to_json()))
    for body in batches(documents):
        write_frame(outgoing, len(body).to_bytes(4, "big") + body)
    write_frame(outgoing, bytes(4))
