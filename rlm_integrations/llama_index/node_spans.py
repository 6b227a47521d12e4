"""Which part of a document came from which node."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

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
        self._furthest = list(accumulate((span.end for span in spans), max))

    def touching(self, start: int, end: int) -> list[NodeSpan]:
        """Those that hold some of `text[start:end]`, in time that does not grow with how many there are."""
        first, last = bisect_right(self._furthest, start), bisect_left(self._starts, end)
        return [span for span in self._spans[first:last] if start < span.end]
