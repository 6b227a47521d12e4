"""The files that a REPL reads its corpus from: written by the host, handed to the processes of `process_worker`."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.part import CorpusPart, Piece
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.process_worker.document_file import RecordWriter, UnreadableMetadataError
from rlm_integrations.sandboxes.process_worker.text_file import TextFile
from rlm_integrations.wire.opening import Opening, Pick, SharedUse
from rlm_integrations.wire.settings import ReplSettings


def write_documents(corpus: Corpus) -> tuple[int, int]:
    """A file of records, and one of long texts."""
    texts = TextFile("rlm-texts")
    try:
        records = _write_records(corpus, texts)
        try:
            return records, texts.finish()
        except BaseException:
            os.close(records)
            raise
    except OSError as error:
        if error.errno == errno.EMFILE:
            raise
        raise SandboxError(f"sandbox: the corpus could not be copied for the REPLs: {error.strerror}") from error
    finally:
        texts.discard()


def _write_records(corpus: Corpus, texts: TextFile) -> int:
    writer = RecordWriter("rlm-corpus", texts)
    try:
        _add(writer, corpus.as_documents(), rows=corpus.table is not None)
        return writer.finish()
    finally:
        writer.discard()


def write_setup(corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document], *, held: bool) -> int:
    """A file of what the worker does not get from its server: how it opens, its documents, what was retrieved.

    `held` says that the server holds the shared documents.
    """
    opening = Opening(settings, corpus.kind, corpus.before_rows, len(corpus.documents) - corpus.before_rows)
    use, own = SharedUse(), tuple[Document, ...]()
    if held and isinstance(corpus, CorpusPart):
        use = SharedUse(picked=[_picked(piece) for piece in corpus.pieces])
        own = tuple(piece.document for piece in corpus.pieces if piece.place is None)
    elif held:
        use = SharedUse(_renamed(corpus))
        own = corpus.documents[: len(corpus.brought)] if corpus is not corpus.shared else ()
    writer = RecordWriter("rlm-setup")
    try:
        writer.value((opening.to_json(), use.to_value()))
        if not held:
            _add(writer, corpus.as_documents(), rows=corpus.table is not None)
        _add(writer, own)
        _add(writer, retrieved)
        return writer.finish()
    except BaseException:
        writer.discard()
        raise


def _picked(piece: Piece) -> Pick | None:
    place = piece.place
    return place and (place.number, place.start, place.end, piece.document.id)


def _renamed(corpus: Corpus) -> list[tuple[int, str]]:
    """Shared documents that have another id in this corpus: their place among the shared ones, and the id."""
    shared = corpus.shared
    if corpus is shared:
        return []
    own = shared.as_documents()
    together = corpus.documents[len(corpus.brought) :]
    return [(place, new.id) for place, (old, new) in enumerate(zip(own, together, strict=True)) if old.id != new.id]


def _add(writer: RecordWriter, documents: Sequence[Document], *, rows: bool = False) -> None:
    try:
        writer.documents(
            len(documents),
            ((each.id, each.text, each.metadata, each.handles if each.images else ()) for each in documents),
            rows=rows,
        )
    except UnreadableMetadataError as error:
        raise InvalidArgumentError(f"context: {error}; pass flatter metadata") from None
