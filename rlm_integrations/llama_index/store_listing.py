"""What a vector store says that it holds: its own list decides what has been deleted."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, cast

from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.simple import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

from rlm_integrations.llama_index.caller_warning import warn_caller
from rlm_integrations.llama_index.store_filters import narrowing

_LISTING_CAPS = frozenset({9_999, 10_000})
"""Most nodes that some vector stores list in one go (Qdrant, OpenSearch), without saying that there are more."""
_TRUE_OF_ALL: Mapping[str, MetadataFilter] = {
    # SQLAlchemy will refuse an AND of nothing.
    "PGVectorStore": MetadataFilter(key="rlm_no_such_key", value=None, operator=FilterOperator.IS_EMPTY),
    # A Milvus server refuses an empty expression, which Milvus Lite takes.
    "MilvusVectorStore": MetadataFilter(key="id", value="", operator=FilterOperator.NE),
}
"""What all nodes of a store pass, where it lists nothing without a condition."""


class CannotListError(Exception):
    """The store cannot list its nodes, or not surely all. Its text is the reason."""


def nodes_of_store(
    store: BasePydanticVectorStore, filters: MetadataFilters | None = None, *, index_name: str
) -> list[BaseNode]:
    """The nodes that the store lists, by source and position. Those that fail the filters may be missing.

    Raises CannotListError.
    """
    narrowed = narrowing(filters, store) if filters is not None else None
    if narrowed is not None:
        nodes = _narrowed(store, narrowed)
        if nodes:
            return _in_order(nodes)
    nodes, is_cut = _ask_for_all(store)
    if is_cut:
        raise CannotListError(f"{type(store).__name__} listed {len(nodes):,} nodes, a cap, so possibly truncated")
    absent = _absent_neighbours(nodes)
    if absent:
        warn_caller(
            f"{index_name}: {absent:,} of the {len(nodes):,} nodes that {type(store).__name__} listed name a "
            "next chunk that is not among them: deleted, or the list is truncated; if so, pass nodes= or documents="
        )
    return _in_order(nodes)


def ids_held(store: BasePydanticVectorStore) -> Collection[str] | None:
    """Ids of the nodes that a store has vectors of; None where only its listing, if anything, says which."""
    if isinstance(store, SimpleVectorStore):
        return store.data.embedding_dict.keys()
    of_faiss = getattr(store, "_node_id_to_faiss_id_map", None)  # FaissMapVectorStore's; FAISS knows numbers alone
    return cast("dict[str, int]", of_faiss).keys() if isinstance(of_faiss, dict) else None


def never_lists(store: BasePydanticVectorStore) -> bool:
    return type(store).get_nodes is BasePydanticVectorStore.get_nodes


def can_delete_nodes(store: BasePydanticVectorStore) -> bool:
    return type(store).delete_nodes is not BasePydanticVectorStore.delete_nodes


def _narrowed(store: BasePydanticVectorStore, filters: MetadataFilters) -> list[BaseNode]:
    """What the store lists under the filters; none where it cannot, or cannot surely: then all are read."""
    try:
        nodes, is_cut = _ask(store, filters)
    except Exception:  # whatever its client does with a filter that it does not support
        return []
    return [] if is_cut else nodes


def _in_order(nodes: Sequence[BaseNode]) -> list[BaseNode]:
    plain = [_without_embedding(node) for node in nodes]
    return sorted(plain, key=lambda node: (node.ref_doc_id or node.node_id, getattr(node, "start_char_idx", None) or 0))


def _ask_for_all(store: BasePydanticVectorStore) -> tuple[list[BaseNode], bool]:
    """What the store lists, and whether it was cut at a cap.

    Some refuse to list without a filter. Raises CannotListError.
    """
    reasons: list[str] = []
    answered = False
    for filters in (None, *_true_of_all(store)):
        try:
            nodes, is_cut = _ask(store, filters)
        except Exception as error:  # stores that cannot list raise whatever their client does
            reasons.append(f"{type(error).__name__}: {error}")
        else:
            if nodes or filters is None:
                return nodes, is_cut
            answered = True
    if answered:
        return [], False
    told = dict.fromkeys([reasons[0], reasons[-1]])  # that a filter is missing, and what came of one
    raise CannotListError(f"{type(store).__name__} cannot list its nodes ({'; '.join(told)})")


def _true_of_all(store: BasePydanticVectorStore) -> Iterator[MetadataFilters]:
    known = (_TRUE_OF_ALL.get(cls.__name__) for cls in type(store).__mro__)
    yield from (MetadataFilters(filters=[condition]) for condition in known if condition is not None)
    yield MetadataFilters(filters=[])


def _ask(store: BasePydanticVectorStore, filters: MetadataFilters | None) -> tuple[list[BaseNode], bool]:
    """A store that takes a limit (Qdrant, Pinecone) and keeps to one of its own is asked for more."""
    given: dict[str, Any] = {} if filters is None else {"filters": filters}
    nodes = list(store.get_nodes(None, **given))
    parameter = inspect.signature(store.get_nodes).parameters.get("limit")
    if len(nodes) not in _LISTING_CAPS and (parameter is None or len(nodes) != parameter.default):
        return nodes, False
    if parameter is None:
        return nodes, True
    before = limit = len(nodes)
    while len(nodes) == limit:
        before, limit = limit, limit * 10
        nodes = list(cast(Any, store).get_nodes(None, limit=limit, **given))
    return nodes, len(nodes) == before and before in _LISTING_CAPS


def _absent_neighbours(nodes: Sequence[BaseNode]) -> int:
    """How many nodes name a next chunk of their document that is not among them."""
    ids = {node.node_id for node in nodes}
    return sum(node.next_node is not None and node.next_node.node_id not in ids for node in nodes)


def _without_embedding(node: BaseNode) -> BaseNode:
    """Stores list vectors too, which are longer than the text and of no use here."""
    return node if node.embedding is None else node.model_copy(update={"embedding": None})
