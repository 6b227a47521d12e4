"""`filters`, `doc_ids` and `node_ids`: which nodes a query engine may see."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.wording import value_words
from rlm_integrations.frozen import frozen

_OF_LISTS = frozenset({FilterOperator.IN, FilterOperator.NIN, FilterOperator.ANY, FilterOperator.ALL})


@frozen
class NodeSelection:
    """A node is seen if it passes every part that is not None."""

    filters: MetadataFilters | None = None
    doc_ids: Collection[str] | None = None
    """Ids of the documents that nodes came from."""
    node_ids: Collection[str] | None = None

    def __post_init__(self) -> None:
        if self.filters is not None and not isinstance(self.filters, MetadataFilters):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidArgumentError(
                f"filters: {type(self.filters).__name__} given; pass llama_index.core.vector_stores.MetadataFilters"
            )
        for condition in _conditions(self.filters):
            if condition.operator in _OF_LISTS and isinstance(condition.value, str):
                raise InvalidArgumentError(
                    f"filters: {condition.key!r} {condition.operator.value} the str {condition.value!r} would match "
                    f"parts of it; pass a list: value=[{condition.value!r}]"
                )
        for name in ("doc_ids", "node_ids"):
            ids = getattr(self, name)
            if isinstance(ids, str):
                raise InvalidArgumentError(f"{name}: the str {value_words(ids)} given; pass a list of ids")

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the parts that are not None."""
        return tuple(name for name in ("filters", "doc_ids", "node_ids") if getattr(self, name) is not None)

    def of(self, nodes: Sequence[BaseNode]) -> list[BaseNode]:
        """The nodes that are seen, in order."""
        return [node for node in nodes if self.passes(node)] if self.given else list(nodes)

    def passes(self, node: BaseNode) -> bool:
        if self.node_ids is not None and node.node_id not in self.node_ids:
            return False
        if self.doc_ids is not None and (node.ref_doc_id or node.node_id) not in self.doc_ids:
            return False
        return self.filters is None or _matches(self.filters, filterable_metadata(node))


def _conditions(filters: MetadataFilters | None) -> Iterator[MetadataFilter]:
    for part in filters.filters if filters is not None else ():
        if isinstance(part, MetadataFilters):
            yield from _conditions(part)
        else:
            yield part


def filterable_metadata(node: BaseNode) -> dict[str, Any]:
    """A node's metadata as vector stores filter it: with the id of the document it came from."""
    source = node.ref_doc_id or "None"
    return {**node.metadata, "document_id": source, "doc_id": source, "ref_doc_id": source}


def _matches(filters: MetadataFilters, metadata: Mapping[str, Any]) -> bool:
    results = [
        _matches(part, metadata) if isinstance(part, MetadataFilters) else _matches_one(part, metadata)
        for part in filters.filters
    ]
    if filters.condition == FilterCondition.OR:
        return any(results) or not results
    if filters.condition == FilterCondition.NOT:
        return not any(results)
    return all(results)


def _matches_one(condition: Any, metadata: Mapping[str, Any]) -> bool:
    accepts = build_metadata_filter_fn(lambda _: metadata, MetadataFilters(filters=[condition]))
    try:
        return accepts("")
    except TypeError as error:
        raise InvalidArgumentError(
            f"filters: {condition.key!r} {condition.operator.value} {condition.value!r} cannot be compared with "
            f"the value {metadata.get(condition.key)!r} that a node has: {error}"
        ) from error
