"""Chunks of texts, put together again: without the overlap that splitters let neighbours have.

Joined as they are, chunks hold some text twice, and every count over them is wrong. Where each stood in its source
says how much of it the one before has already.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.frozen import frozen

ItemT = TypeVar("ItemT")

_LEAST_OVERLAP = 16
"""Characters. Less than so many are alike by chance."""
_MOST_STRIPPED = 64
"""Characters that a splitter may leave out at the beginning of a text, or between two chunks: it strips white space."""
_TRIES = 8
"""Places at which two texts are compared that may overlap."""


@frozen
class Chunk(Generic[ItemT]):
    """A piece of a source that stood at `start` in it, and the framework's own object that it is."""

    item: ItemT
    name: str
    text: str
    start: int
    metadata: Mapping[str, Any]


@frozen
class Span(Generic[ItemT]):
    """`document.text[start:end]` came from this item."""

    start: int
    end: int
    item: ItemT


@frozen
class Joined(Generic[ItemT]):
    document: Document
    spans: tuple[Span[ItemT], ...]
    """In order of their start. They overlap where the chunks did."""


def join_chunks(source_id: str, chunks: Sequence[Chunk[ItemT]]) -> tuple[list[Joined[ItemT]], bool]:
    """The texts that the chunks of one source are of, and whether it is unsure which of them are of the same text.

    Where each fits at its place, all are of one text, in whatever order they come; a gap between two becomes a newline.
    Otherwise there are several texts: another one begins, in the order in which the chunks come, where a start falls
    back, where a chunk does not fit, and after a gap that no splitter leaves. If one then begins amid a text, that is
    not the order in which they were split: only neighbours that overlap are put together, and that is unsure.

    A text is divided where metadata change. One that is not has the source's id, or without one its first chunk's.
    """
    whole = _Joiner[ItemT]()
    if all(whole.add(chunk) for chunk in sorted(chunks, key=lambda chunk: chunk.start)):
        return whole.documents(source_id), False
    texts = _in_their_order(chunks, -_MOST_STRIPPED)
    unsure = any(text.start > _MOST_STRIPPED for text in texts)
    if unsure:
        texts = _in_their_order(chunks, _LEAST_OVERLAP)
    return [document for text in texts for document in text.documents(source_id)], unsure


def _in_their_order(chunks: Sequence[Chunk[ItemT]], least_overlap: int) -> list[_Joiner[ItemT]]:
    """`least_overlap`: below 0 it is the largest gap."""
    texts: list[_Joiner[ItemT]] = []
    for chunk in chunks:
        if not texts or not texts[-1].add(chunk, least_overlap):
            texts.append(_Joiner())
            texts[-1].add(chunk)
    return texts


def shared_ends(before: str, after: str) -> int:
    """Characters at the end of the one that the other begins with; 0 where they are so few that it may be chance."""
    if len(after) < _LEAST_OVERLAP:
        return 0
    at = max(0, len(before) - len(after)) - 1
    for _ in range(_TRIES):
        at = before.find(after[:_LEAST_OVERLAP], at + 1)
        if at < 0:
            return 0
        if after.startswith(before[at:]):
            return len(before) - at
    return 0


class _Joiner(Generic[ItemT]):
    """Puts the chunks of one text together, in the order of their positions."""

    def __init__(self) -> None:
        self.start = 0
        """Where the first chunk stood."""
        self._last_start = -1
        self._parts: list[str] = []
        self._length = 0
        self._spans: list[Span[ItemT]] = []
        self._runs: list[tuple[int, Chunk[ItemT]]] = []
        """Where each run of equal metadata begins, and its first chunk."""
        self._furthest: Chunk[ItemT] | None = None
        """The one that reaches furthest into the source."""

    def add(self, chunk: Chunk[ItemT], least_overlap: int | None = None) -> bool:
        """False, and nothing added, for a chunk that does not fit: it starts no later than the one before it, it does
        not repeat what stands at its place, or it overlaps less.
        """
        text, furthest = chunk.text, self._furthest
        overlap = 0
        if furthest is None:
            self.start = chunk.start
        else:
            overlap = furthest.start + len(furthest.text) - chunk.start
            repeats = overlap <= 0 or furthest.text.startswith(text[:overlap], chunk.start - furthest.start)
            too_far = least_overlap is not None and overlap < least_overlap
            if chunk.start <= self._last_start or not repeats or too_far:
                return False
        self._last_start = chunk.start
        new = text[max(overlap, 0) :]
        if new:
            self._begin_run(chunk, gap=overlap < 0)
            self._append(new)
            self._furthest = chunk
            begin = self._length - len(text)
        else:
            begin = self._length - overlap
        self._spans.append(Span(begin, begin + len(text), chunk.item))
        return True

    def _begin_run(self, chunk: Chunk[ItemT], *, gap: bool) -> None:
        if not self._runs or self._runs[-1][1].metadata != chunk.metadata:
            self._runs.append((self._length, chunk))
        elif gap:
            self._append("\n")

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)

    def documents(self, source_id: str) -> list[Joined[ItemT]]:
        text = "".join(self._parts)
        starts = [start for start, _ in self._runs]
        ends = [*starts[1:], self._length][: len(starts)]
        spans: list[list[Span[ItemT]]] = [[] for _ in self._runs]
        for span in self._spans:
            number = bisect_right(starts, span.start) - 1
            while number < len(starts) and starts[number] < span.end:
                begin, end = max(span.start, starts[number]), min(span.end, ends[number])
                spans[number].append(Span(begin - starts[number], end - starts[number], span.item))
                number += 1
        return [
            Joined(
                Document(
                    source_id if source_id and len(starts) == 1 else first.name, text[start:end], dict(first.metadata)
                ),
                tuple(own),
            )
            for (start, first), end, own in zip(self._runs, ends, spans, strict=True)
        ]


class _Placed(Protocol):
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


PlacedT = TypeVar("PlacedT", bound=_Placed)


class Spans(Generic[PlacedT]):
    """The spans of one document, in order of their start. They overlap where the chunks did."""

    def __init__(self, spans: Sequence[PlacedT]) -> None:
        self._spans = spans
        self._starts = [span.start for span in spans]
        self._ends = [[span.end for span in spans]]
        """The end of each span, then the furthest of two, of four, and so on."""
        while len(ends := self._ends[-1]) > 1:
            self._ends.append([max(ends[at : at + 2]) for at in range(0, len(ends), 2)])

    def touching(self, start: int, end: int) -> list[PlacedT]:
        """Those that hold some of `text[start:end]`, in time that hardly grows with how many others there are."""
        last = bisect_left(self._starts, end)
        return [self._spans[at] for at in self._ending_after(start, len(self._ends) - 1, 0, last)]

    def _ending_after(self, start: int, level: int, place: int, last: int) -> Iterator[int]:
        """The numbers, below `last`, of the spans of one place of a level that end after `start`."""
        if place << level >= last or self._ends[level][place] <= start:
            return
        if not level:
            yield place
            return
        yield from self._ending_after(start, level - 1, 2 * place, last)
        if 2 * place + 1 < len(self._ends[level - 1]):
            yield from self._ending_after(start, level - 1, 2 * place + 1, last)
