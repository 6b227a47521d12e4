"""Where nodes stood in the texts that they were cut from, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rlm_integrations.frozen import frozen
from rlm_integrations.llama_index.read_node import ReadNode, ReadNodes


@frozen
class Placed:
    """A node, and where its positions say that its text stood in its source."""

    node: ReadNode
    start: int | None
    """None where that is unknown, or no longer true of its text."""


def place(node: ReadNode, known: ReadNodes) -> tuple[str, int | None]:
    """The id of the text that the node was cut from, and where it stood in it; None where that is unknown.

    In a hierarchy a position is one in the parent's text, and so is that of an IndexNode that points at a larger node.
    """
    source_id = node.source_id or node.node_id
    start = node.start
    if start is None or node.source_id is None:
        return source_id, None
    seen = {node.node_id}
    parent_id = _parent_id(node, known)
    while parent_id is not None and parent_id not in seen:
        seen.add(parent_id)
        parent = known.get(parent_id)
        if parent is None:
            return source_id, start
        if not parent.text.startswith(node.text, start):
            return source_id, start  # a parent in another sense
        parent_start = parent.start
        if parent_start is None:
            return parent_id, start
        start += parent_start
        parent_id = _parent_id(parent, known)
    return source_id, start


def in_order_of_parsing(placed: Sequence[Placed]) -> Iterator[Placed]:
    """Each after the one that it names as the one before it; those that name none as they were given."""
    following: dict[str, list[Placed]] = {}
    ids = {each.node.node_id for each in placed}
    heads: list[Placed] = []
    for each in placed:
        before = each.node.previous_id
        if before is None or before not in ids:
            heads.append(each)
        else:
            following.setdefault(before, []).append(each)
    waiting = heads[::-1]
    while waiting:
        each = waiting.pop()
        yield each
        waiting += following.pop(each.node.node_id, [])[::-1]
    for rest in following.values():  # in a circle, which no parser makes
        yield from rest


def are_linked(placed: Sequence[Placed]) -> bool:
    """Whether one of them names another as the one before it."""
    ids = {each.node.node_id for each in placed}
    return any(each.node.previous_id in ids for each in placed)


def _parent_id(node: ReadNode, known: ReadNodes) -> str | None:
    if node.parent_id is not None:
        return node.parent_id
    if node.points_at is not None and known.get(node.points_at) is not None:
        return node.points_at
    return None
