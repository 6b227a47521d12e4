"""Finds which pieces of a corpus stand in a text: in the prompt of a sub-call, or in what was printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rlm_integrations.core.corpus.document import Document

_PROBES = 8
_PROBE_CHARS = 48
_STRETCH = 1.5
"""Probes found further apart than so many times the text's own length are not from one piece."""

_SCANNED_CHARS = 500_000_000
"""What is searched before it is left at that: a fraction of a second."""
_SEARCH_COST = 500
"""What a search costs at least, in characters."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text between two positions of a document."""

    document_id: str
    start: int
    end: int


class PieceFinder:
    """Looks short probes of a text up in the documents, which needs no more than that the text holds some as it is."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents
        self._scanned = 0

    def pieces_in(self, text: str) -> list[Piece]:
        """In the order in which they stand in the text. A passage that the corpus holds more than once is no piece."""
        places: dict[str, list[int]] = {}
        for probe in _probes(text):
            found = self._find(probe)
            if found is not None:
                places.setdefault(found[0], []).append(found[1])
        return [piece for document_id, starts in places.items() for piece in _joined(document_id, starts, len(text))]

    def _find(self, probe: str) -> tuple[str, int] | None:
        """Where the probe stands; None where it stands nowhere or twice, and so says nothing."""
        found: tuple[str, int] | None = None
        for document in self._documents:
            if self._scanned > _SCANNED_CHARS:
                return None
            self._scanned += max(_SEARCH_COST, len(document.text))
            place = document.text.find(probe)
            if place < 0:
                continue
            if found is not None or document.text.find(probe, place + 1) >= 0:
                return None
            found = document.id, place
        return found


def _joined(document_id: str, starts: list[int], text_chars: int) -> list[Piece]:
    first, last = starts[0], starts[-1] + _PROBE_CHARS
    if starts == sorted(starts) and last - first <= _STRETCH * text_chars:
        return [Piece(document_id, first, last)]
    return [Piece(document_id, start, start + _PROBE_CHARS) for start in starts]


def _probes(text: str) -> Iterator[str]:
    room = len(text) - _PROBE_CHARS
    if room < 0:
        return
    for place in sorted({room * number // (_PROBES - 1) for number in range(_PROBES)}):
        probe = text[place : place + _PROBE_CHARS]
        if not probe.isspace():
            yield probe
