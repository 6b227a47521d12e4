"""Chunks of one text put together: each character once, and never two that no text holds side by side."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.frozen import frozen
from rlm_integrations.llama_index.node_spans import NodeSpan
from rlm_integrations.llama_index.overlaps import LEAST_OVERLAP, overlap_of_neighbours, overlaps_by_text
from rlm_integrations.llama_index.placing import Placed
from rlm_integrations.llama_index.read_node import ReadNode, Row

_MOST_STRIPPED = 64
"""Characters that a splitter may leave out between two neighbours: it strips white space."""
_MOST_STRIPPED_UNSURE = 4
"""The same where nothing says that the two are neighbours."""
_EXTRACTORS = """
    document_title excerpt_keywords questions_this_excerpt_can_answer section_summary prev_section_summary
    next_section_summary entities context
"""
_EXTRACTED = frozenset(_EXTRACTORS.split())
"""Keys under which LlamaIndex's extractors write what they found in a chunk, whatever the text is made of."""
BY_CHUNK = "by_chunk"
"""The key of a document's metadata under which stands what holds for a part of it."""


@frozen
class MergedDocument:
    document: Document
    spans: Sequence[NodeSpan]
    """In order of their start. They overlap where the nodes did."""
    guesses: int = 0
    """How many of its nodes stand where they were guessed to stand."""

    @property
    def only_row(self) -> Row | None:
        """The one node that is all of it, if one is."""
        if len(self.spans) > 1:
            return None
        span = self.spans[0]
        whole = span.start == span.node_start == 0 and span.end == len(self.document.text) == len(span.row[1])
        return span.row if whole else None


class Fit(Enum):
    """What comes of a chunk that is to be put to those before it."""

    JOINED = auto()
    APART = auto()
    """Nothing speaks against its position, and nothing says that it follows on them."""
    CONFLICT = auto()
    """Its text contradicts what stands at its position."""


@dataclass(slots=True)
class _Run:
    """Chunks of equal metadata, one after the other."""

    node: ReadNode
    start: int
    end_before: int
    """Where the text before it ends; between the two a newline may stand for a gap."""
    overlaps: bool
    first_span: int


class Joiner:
    """Puts chunks together, in the order of their positions.

    `proven`: a chunk must be known to follow, by a link to the one before it or by a text that they share, since the
    positions contradict each other. Otherwise they are believed where no text contradicts them; `sure`: also where a
    text that repeats itself might stand elsewhere.
    """

    def __init__(self, *, proven: bool = False, sure: bool = False) -> None:
        self._proven = proven
        self._sure = sure
        self._parts: list[str] = []
        self._length = 0
        self._spans: list[NodeSpan] = []
        self._runs: list[_Run] = []
        self._furthest = ""
        self._furthest_start: int | None = 0
        """The text of the chunk that reaches furthest, and where it stood."""
        self._last_ids: set[str] = set()
        """Ids of all chunks that reach as far."""
        self.placed: list[Placed] = []
        self.guesses = 0

    @property
    def chars(self) -> int:
        return self._length

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def placed_from(self, start: int) -> Iterator[Placed]:
        """Its chunks, where they stand in a text in which this one begins at `start`."""
        return (Placed(each.node, start + span.start) for each, span in zip(self.placed, self._spans, strict=True))

    def add(self, placed: Placed) -> Fit:
        """Nothing is added unless it is joined. The first chunk always is."""
        node, start, text = placed.node, placed.start, placed.node.text
        overlap = 0
        if self._parts:
            fit, overlap = self._fit_proven(placed, text) if self._proven else self._fit(placed, text)
            if fit is not Fit.JOINED:
                return fit
        self.placed.append(placed)
        new = text[max(overlap, 0) :]
        if new:
            self._begin_run(node, overlap)
            self._append(new)
            self._furthest, self._furthest_start, self._last_ids = text, start, {node.node_id}
            begin = self._length - len(text)
        else:
            begin = self._length - overlap
            if overlap == len(text):
                self._last_ids.add(node.node_id)
        self._spans.append(NodeSpan(begin, begin + len(text), node.row))
        return Fit.JOINED

    def _fit(self, placed: Placed, text: str) -> tuple[Fit, int]:
        """By positions, in whose order the chunks come."""
        before = placed.node.previous_id
        linked = before in self._last_ids
        overlap = self._claimed(placed, text)
        if overlap is None:
            return Fit.CONFLICT, 0
        if overlap < LEAST_OVERLAP:
            most = _MOST_STRIPPED if linked else _MOST_STRIPPED_UNSURE if before is None else None
            return (Fit.APART, 0) if most is None or -overlap > most else (Fit.JOINED, overlap)
        if not self._sure and (linked or (before is None and placed.node.parent_id is None)):
            overlap, guessed = overlap_of_neighbours(self._furthest, text, overlap, linked=linked)
            self.guesses += guessed
        return Fit.JOINED, overlap

    def _fit_proven(self, placed: Placed, text: str) -> tuple[Fit, int]:
        """By links and texts. Of positions only those of a chunk that is known to follow, and stands after it."""
        before = placed.node.previous_id
        linked = before in self._last_ids
        if before is not None and not linked:
            return Fit.APART, 0
        overlap = self._claimed(placed, text)
        rises = placed.start is not None and self._furthest_start is not None and placed.start > self._furthest_start
        if linked and rises and overlap is not None and overlap >= -_MOST_STRIPPED:
            overlap, guessed = overlap_of_neighbours(self._furthest, text, overlap, linked=True)
            self.guesses += guessed
            return Fit.JOINED, overlap
        fitting = overlaps_by_text(self._furthest, text)
        self.guesses += len(fitting) > 1
        if not fitting or (len(fitting) > 1 and max(fitting) > len(text) // 2):  # it repeats itself
            return Fit.APART, 0
        return Fit.JOINED, max(fitting)

    def _claimed(self, placed: Placed, text: str) -> int | None:
        """The overlap that the positions claim, a gap where it is below 0; None where the texts contradict it."""
        if placed.start is None or self._furthest_start is None:
            return None
        overlap = self._furthest_start + len(self._furthest) - placed.start
        agrees = overlap <= 0 or self._furthest.startswith(text[:overlap], placed.start - self._furthest_start)
        return overlap if agrees else None

    def _begin_run(self, node: ReadNode, overlap: int) -> None:
        end_before = self._length
        if overlap < 0:
            self._append("\n")
        if not self._runs or self._runs[-1].node.metadata != node.metadata:
            self._runs.append(_Run(node, self._length, end_before, overlap > 0, len(self._spans)))

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)

    def documents(self, source_id: str | None) -> list[MergedDocument]:
        """One document, or one for each run of equal metadata where the text itself is divided so.

        Where chunks of different metadata overlap, or differ in what was extracted from each, a division would cut in
        two what stands at their border: then it is one document, and says of each range what holds for it. The one
        document of a source has its id; otherwise, and where it is None, the first node's is taken.
        """
        text = self.text
        first = self._runs[0]
        if len(self._runs) == 1 or self._is_one():
            metadata = dict(first.node.metadata) if len(self._runs) == 1 else self._metadata_by_chunk()
            document = Document(source_id or first.node.node_id, text, metadata)
            return [MergedDocument(document, tuple(self._spans), self.guesses)]
        starts = [run.start for run in self._runs]
        ends = [*(run.end_before for run in self._runs[1:]), self._length]
        return [
            MergedDocument(
                Document(run.node.node_id, text[run.start : end], run.node.metadata),
                tuple(spans),
                self.guesses * (not number),
            )
            for number, (run, end, spans) in enumerate(
                zip(self._runs, ends, _divided(self._spans, starts, ends), strict=True)
            )
        ]

    def _is_one(self) -> bool:
        return any(run.overlaps for run in self._runs[1:]) or self._differing() <= _EXTRACTED

    def _differing(self) -> set[str]:
        """Keys whose values are not the same in all runs."""
        first = self._runs[0].node.metadata
        return {
            key
            for run in self._runs
            for key in {*first, *run.node.metadata}
            if key not in run.node.metadata or key not in first or run.node.metadata[key] != first[key]
        }

    def _metadata_by_chunk(self) -> dict[str, Any]:
        differing = self._differing()
        shared = {key: value for key, value in self._runs[0].node.metadata.items() if key not in differing}
        ranges: list[dict[str, Any]] = []
        lasts = [*(run.first_span - 1 for run in self._runs[1:]), len(self._spans) - 1]
        for run, last in zip(self._runs, lasts, strict=True):
            own = {key: value for key, value in run.node.metadata.items() if key in differing}
            end = max(span.end for span in self._spans[run.first_span : last + 1])
            ranges.append({"start": self._spans[run.first_span].start, "end": end, **own})
        return {**shared, BY_CHUNK: ranges}


def _divided(spans: Sequence[NodeSpan], starts: Sequence[int], ends: Sequence[int]) -> Iterator[list[NodeSpan]]:
    """The spans of each document that a text is divided into."""
    divided: list[list[NodeSpan]] = [[] for _ in starts]
    for span in spans:
        number = max(bisect_right(starts, span.start) - 1, 0)
        while number < len(starts) and starts[number] < span.end:
            begin, end = max(span.start, starts[number]), min(span.end, ends[number])
            if begin < end:
                divided[number].append(
                    NodeSpan(begin - starts[number], end - starts[number], span.row, begin - span.start)
                )
            number += 1
    yield from divided
