"""A worker that holds the corpus and is ready for its first step."""

from __future__ import annotations

import contextlib
import marshal
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.plain_values import plain
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.channel.frames import encode, read_frame, write_frame
from rlm_integrations.sandboxes.channel.inbound import parse
from rlm_integrations.sandboxes.monty import helper_client
from rlm_integrations.sandboxes.monty.worker_process import VmWorkerProcess, WorkerProgram
from rlm_integrations.wire.images import IMAGES
from rlm_integrations.wire.settings import ReplSettings

PIECE_CHARS = 8_000_000
"""How much text goes into one message."""


def start_worker(corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document]) -> VmWorkerProcess:
    """A worker that is ready for its first step; blocks. Raises SandboxError, InvalidArgumentError."""
    try:
        worker = helper_client.fork_worker() if helper_client.HAS_HELPER else WorkerProgram()
    except OSError as error:
        raise SandboxError(f"sandbox: the Monty worker could not be started: {error}") from error
    try:
        answer = None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it says below why it ended
            _send(worker.outgoing, corpus, settings, retrieved)
        with contextlib.suppress(ConnectionResetError):
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
        for id_, beside, piece in _pieces(document):
            room -= len(piece) + 1_000
            if room < 0 and batch:
                yield batch
                batch, room = [], PIECE_CHARS - len(piece)
            batch.append((id_, beside, piece))
    yield batch


def _pieces(document: Document) -> Iterator[tuple[str | None, Any, str]]:
    """(id, the rest, text), the text in pieces; the later ones have None for both."""
    try:
        metadata = plain(document.metadata)
        marshal.dumps(metadata)
    except (RecursionError, ValueError):
        raise InvalidArgumentError(
            f"context: the metadata of document {document.id!r} is nested too deeply; pass flatter metadata"
        ) from None
    text = str.__str__(document.text)
    beside = {"metadata": metadata} | ({IMAGES: plain(document.handles)} if document.images else {})
    yield str.__str__(document.id), beside, text[:PIECE_CHARS]
    for begin in range(PIECE_CHARS, len(text), PIECE_CHARS):
        yield None, None, text[begin : begin + PIECE_CHARS]
