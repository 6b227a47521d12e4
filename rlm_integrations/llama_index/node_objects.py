"""What stands behind an IndexNode: a table behind its summary, a larger text behind a pointer to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.schema import BaseNode, IndexNode, NodeWithScore

from rlm_integrations.llama_index.caller_warning import warn_caller


class Pointers:
    """Follows IndexNodes to the nodes behind them, as retrievers do. `warn` tells of those that led nowhere.

    `objects`, by `index_id`, are those that an index took out of its nodes.
    """

    def __init__(self, objects: Mapping[str, Any]) -> None:
        self._objects = objects
        self._count = 0
        self._closed: list[str] = []
        """The types of what has no text of its own (a query engine, a retriever)."""
        self._absent: list[str] = []
        self._ids: set[str] = set()

    def follow(self, node: BaseNode) -> BaseNode:
        """What stands behind the node; the node itself where it is no IndexNode, or no other node is behind it."""
        self._ids.add(node.node_id)
        if not isinstance(node, IndexNode):
            return node
        self._count += 1
        found = _behind(node, self._objects)
        if isinstance(found, IndexNode):
            behind = _object_of(found, self._objects)
            if behind is not None:
                self._closed.append(type(behind).__name__)
            else:
                self._absent.append(found.index_id)
        return found

    def warn(self) -> None:
        """Warn of IndexNodes behind which stands no text, or what is not here: their own text is the corpus then."""
        remedy = (
            'pass the nodes behind them as nodes=, or corpus="retriever", which follows them as far as LlamaIndex does'
        )
        if self._closed:
            warn_caller(
                f"context: behind {len(self._closed):,} of the {self._count:,} IndexNodes stands no text "
                f"({', '.join(sorted({*self._closed}))}), so the corpus holds only their own; {remedy}"
            )
        lost = sum(index_id not in self._ids for index_id in self._absent)
        if lost:
            warn_caller(
                f"context: what {lost:,} of the {self._count:,} IndexNodes point at (`index_id`) is not here, so the "
                f"corpus holds only their own text; {remedy}"
            )


def with_objects(nodes: Sequence[BaseNode], objects: Mapping[str, Any]) -> list[BaseNode]:
    """The nodes, each IndexNode with a node behind it replaced by that. Warns as `Pointers` does."""
    pointers = Pointers(objects)
    found = [pointers.follow(node) for node in nodes]
    pointers.warn()
    return found


def _behind(node: BaseNode, objects: Mapping[str, Any]) -> BaseNode:
    """The last node of a row of IndexNodes, each of which points at the next."""
    seen: set[int] = set()
    while isinstance(node, IndexNode) and id(node) not in seen:
        seen.add(id(node))
        behind = _object_of(node, objects)
        if not isinstance(behind, BaseNode):
            break
        node = behind
    return node


def _object_of(node: IndexNode, objects: Mapping[str, Any]) -> Any:
    behind = node.obj if node.obj is not None else objects.get(node.index_id)
    return behind.node if isinstance(behind, NodeWithScore) else behind
