"""The corpus of a child RLM, from what the code of its parent sent: hostile input."""

from __future__ import annotations

from collections.abc import Mapping

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.part import CorpusPart, Origin, Piece, numbers_by_id, piece_of
from rlm_integrations.core.host.answers import RefusedCallError
from rlm_integrations.wire.calls import WrongCallError
from rlm_integrations.wire.child_context import OwnText, Reference, read_child_context

_SHOWN_CHARS = 100


def child_corpus(sent: str | None, parent: Corpus, retrieved: Mapping[str, Document]) -> Corpus:
    """What the child reads of its parent's corpus, and of what was retrieved for it. Raises RefusedCallError."""
    if sent is None:
        return Corpus.of(None)
    try:
        context = read_child_context(sent)
    except WrongCallError as error:
        raise RefusedCallError("value", str(error)) from None
    pieces = [_piece(piece, number, parent, retrieved) for number, piece in enumerate(context.pieces, 1)]
    if not any(piece.document.text for piece in pieces):
        raise RefusedCallError("value", "the context is empty; nothing was sent")
    if context.as_text:
        (piece,) = pieces
        return CorpusPart(parent, [Piece(Document("", piece.document.text), piece.place, piece.origin)], "str")
    return CorpusPart(parent, pieces, "documents")


def _piece(sent: Reference | OwnText, number: int, parent: Corpus, retrieved: Mapping[str, Document]) -> Piece:
    if isinstance(sent, OwnText):
        return Piece(Document(sent.document_id or f"text {number}", sent.text, sent.metadata or {}))
    place = numbers_by_id(parent).get(sent.document_id)
    if place is not None:
        return piece_of(parent, place, sent.start, sent.end)
    document = retrieved.get(sent.document_id)
    if document is None:
        raise RefusedCallError("value", f"there is no document {sent.document_id[:_SHOWN_CHARS]!r}; nothing was sent")
    text = document.text[sent.start : sent.end]
    return Piece(Document(document.id, text, document.metadata), None, Origin(document.id, sent.start))
