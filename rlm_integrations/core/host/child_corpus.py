"""The corpus of a child RLM, from what the code of its parent sent: hostile input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.part import CorpusPart, Origin, Piece, numbers_by_id, piece_of
from rlm_integrations.core.host.answers import RefusedCallError
from rlm_integrations.core.host.pictures import Pictures
from rlm_integrations.wire.calls import MAX_CHILD_CHARS, WrongCallError
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
    # Ahead of the pieces, since slices are copies; and the memory of a REPL is by the size of its corpus.
    chars = sum([_chars(piece, parent, retrieved) for piece in context.pieces])
    most = parent.chars + sum([len(document.text) for document in retrieved.values()]) + MAX_CHILD_CHARS
    if chars > most:
        raise RefusedCallError(
            "value", f"the context has {chars:,} characters, and at most {most:,} are taken; pass each text once"
        )
    pieces = [_piece(piece, number, parent, retrieved) for number, piece in enumerate(context.pieces, 1)]
    if not any(piece.document.text or piece.document.images for piece in pieces):
        raise RefusedCallError("value", "the context is empty; nothing was sent")
    if context.as_text:
        (piece,) = pieces
        return CorpusPart(parent, [Piece(Document("", piece.document.text), piece.place, piece.origin)], "str")
    return CorpusPart(parent, pieces, "documents")


def _chars(sent: Reference | OwnText, parent: Corpus, retrieved: Mapping[str, Document]) -> int:
    """How long the text of a piece is. Raises RefusedCallError."""
    if isinstance(sent, OwnText):
        return len(sent.text)
    document = parent.by_id.get(sent.document_id) or retrieved.get(sent.document_id)
    if document is None:
        raise RefusedCallError("value", f"there is no document {sent.document_id[:_SHOWN_CHARS]!r}; nothing was sent")
    start, end, _ = slice(sent.start, sent.end).indices(len(document.text))
    return max(0, end - start)


def _piece(sent: Reference | OwnText, number: int, parent: Corpus, retrieved: Mapping[str, Document]) -> Piece:
    if isinstance(sent, OwnText):
        pictures = Pictures(parent, lambda: retrieved).named(sent.images)
        images = tuple([picture.image for picture in pictures])
        return Piece(Document(sent.document_id or f"text {number}", sent.text, sent.metadata or {}, images))
    place = numbers_by_id(parent).get(sent.document_id)
    if place is not None:
        return piece_of(parent, place, sent.start, sent.end)
    document = retrieved[sent.document_id]
    text = document.text[sent.start : sent.end]
    return Piece(replace(document, text=text), None, Origin(document.id, sent.start))
