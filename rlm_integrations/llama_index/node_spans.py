"""Which part of a document came from which node."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llama_index.core.schema import BaseNode


@dataclass(frozen=True, slots=True)
class NodeSpan:
    """`document.text[start:end]` came from this node, where it begins at `node_start` of the node's own text."""

    start: int
    end: int
    node: BaseNode
    node_start: int = 0


class NodeSpans:
    """The spans of one document, in order of their start. They overlap where the nodes did."""

    def __init__(self, spans: Sequence[NodeSpan]) -> None:
        self._spans = spans
        self._starts = [span.start for span in spans]
        self._ends = [[span.end for span in spans]]
        """The end of each span, then the furthest of two, of four, and so on."""
        while len(ends := self._ends[-1]) > 1:
            self._ends.append([max(ends[at : at + 2]) for at in range(0, len(ends), 2)])

    def touching(self, start: int, end: int) -> list[NodeSpan]:
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
