"""Which part of a document came from which node."""

from __future__ import annotations

from llama_index.core.schema import BaseNode

from rlm_integrations.core.corpus.chunks import Spans
from rlm_integrations.frozen import frozen
from rlm_integrations.llama_index.read_node import ReadNode, Row


@frozen
class NodeSpan:
    """`document.text[start:end]` came from this node, where it begins at `node_start` of the node's own text."""

    start: int
    end: int
    row: Row
    node_start: int = 0

    @property
    def node_id(self) -> str:
        return self.row[0]

    @property
    def node(self) -> BaseNode:
        return ReadNode(self.row).node


NodeSpans = Spans[NodeSpan]
"""The spans of one document, in order of their start. They overlap where the nodes did."""
