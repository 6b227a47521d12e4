"""What stands behind an IndexNode: a table behind its summary, a larger text behind a pointer to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.schema import BaseNode, IndexNode, NodeWithScore

from rlm_integrations.llama_index.caller_warning import warn_caller


def with_objects(nodes: Sequence[BaseNode], objects: Mapping[str, Any]) -> list[BaseNode]:
    """The nodes, each IndexNode with a node behind it replaced by that, as retrievers do.

    `objects`, by `index_id`, are those that an index took out of its nodes. Warns of IndexNodes behind which stands
    what has no text of its own (a query engine, a retriever), or what is not there: their own text is the corpus then.
    """
    pointers = [node for node in nodes if isinstance(node, IndexNode)]
    if not pointers:
        return list(nodes)
    ids = {node.node_id for node in nodes}
    found = [_behind(node, objects) for node in nodes]
    closed, lost = 0, 0
    kinds: set[str] = set()
    for node in found:
        if isinstance(node, IndexNode):
            behind = _object_of(node, objects)
            closed += behind is not None
            kinds |= {type(behind).__name__} if behind is not None else set()
            lost += behind is None and node.index_id not in ids
    remedy = 'pass the nodes behind them as nodes=, or corpus="retriever", which follows them as far as LlamaIndex does'
    if closed:
        warn_caller(
            f"context: behind {closed:,} of the {len(pointers):,} IndexNodes stands no text "
            f"({', '.join(sorted(kinds))}), so the corpus holds only their own; {remedy}"
        )
    if lost:
        warn_caller(
            f"context: what {lost:,} of the {len(pointers):,} IndexNodes point at (`index_id`) is not here, so the "
            f"corpus holds only their own text; {remedy}"
        )
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
