"""A part of a corpus as a corpus of its own: what a child RLM reads.

Whole documents are the parent's, by reference. What code made itself, or cut out of one, is a document of the part's
own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rlm_integrations.core.corpus.corpus import Corpus, CorpusKind, once_per_corpus, unique_ids
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.frozen import frozen


@frozen
class Place:
    """Where a text stands among the shared documents: `shared.as_documents()[number].text[start:end]`."""

    number: int
    start: int = 0
    end: int | None = None


@frozen
class Origin:
    """Where the text of a document stands in the corpus of the run."""

    document_id: str
    start: int = 0


@frozen
class Piece:
    """A document of a part, and where it is from."""

    document: Document
    place: Place | None = None
    """None where the text is not of the shared corpus."""
    origin: Origin | None = None
    """None where it is not of the run's corpus."""


class CorpusPart(Corpus):
    """Pieces of `whole`, whose shared documents it shares."""

    def __init__(self, whole: Corpus, pieces: Sequence[Piece], kind: CorpusKind) -> None:
        documents = unique_ids([piece.document for piece in pieces])
        rows = whole.table is not None and all(_is_row(piece, whole.shared) for piece in pieces)
        super().__init__(documents, kind, table=whole.table if rows else None)
        self._shared = whole.shared
        self.pieces = tuple(
            piece if piece.document is document else Piece(document, piece.place, piece.origin)
            for piece, document in zip(pieces, documents, strict=True)
        )

    @property
    def shared(self) -> Corpus:
        return self._shared

    def preceded_by(self, documents: Sequence[Document]) -> Corpus:
        """This part with a call's own documents in front."""
        if not documents:
            return self
        own = [
            Piece(own, piece.place, piece.origin) for own, piece in zip(self.as_documents(), self.pieces, strict=True)
        ]
        return CorpusPart(self._shared, [*map(Piece, documents), *own], "documents")


@once_per_corpus
def numbers_by_id(corpus: Corpus) -> dict[str, int]:
    """The places of its documents."""
    return {document.id: number for number, document in enumerate(corpus.documents)}


def origin_in(corpus: Corpus, document_id: str) -> Origin | None:
    """Where a document stands in the corpus of the run, of which this is a part, or the whole."""
    if not isinstance(corpus, CorpusPart):
        return Origin(document_id)
    number = numbers_by_id(corpus).get(document_id)
    return None if number is None else corpus.pieces[number].origin


def piece_of(corpus: Corpus, number: int, start: int = 0, end: int | None = None) -> Piece:
    """The text from `start` to `end` of the corpus' document of that number, or all of it."""
    document = corpus.documents[number]
    if start or end is not None:
        document = replace(document, text=document.text[start:end])
    if isinstance(corpus, CorpusPart):
        within = corpus.pieces[number]
        return Piece(document, _moved(within.place, start, end), within.origin and _shifted(within.origin, start))
    brought = len(corpus.brought) if corpus.shared is not corpus else 0
    place = Place(number - brought, start, end) if number >= brought else None
    return Piece(document, place, Origin(document.id, start))


def _is_row(piece: Piece, shared: Corpus) -> bool:
    """Whether it is a whole row of a table."""
    place = piece.place
    return place is not None and place.number >= shared.before_rows and place.start == 0 and place.end is None


def _moved(within: Place | None, start: int, end: int | None) -> Place | None:
    if within is None:
        return None
    ends = [within.start + end] if end is not None else []
    ends += [within.end] if within.end is not None else []
    return Place(within.number, within.start + start, min(ends, default=None))


def _shifted(origin: Origin, start: int) -> Origin:
    return Origin(origin.document_id, origin.start + start)
