"""What a vector store says that it holds: its own list decides what has been deleted."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, cast

from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.simple import SimpleVectorStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore, MetadataFilters

from rlm_integrations.llama_index.caller_warning import warn_caller
from rlm_integrations.llama_index.store_filters import narrowing

_LISTING_CAPS = frozenset({9_999, 10_000})
"""Most nodes that some vector stores list in one go (Qdrant, OpenSearch), without saying that there are more."""


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
    try:
        nodes, is_cut = _ask_for_all(store)
    except Exception as error:  # stores that cannot list raise whatever their client does
        raise CannotListError(
            f"{type(store).__name__} cannot list its nodes ({type(error).__name__}: {error})"
        ) from error
    if is_cut:
        raise CannotListError(f"{type(store).__name__} listed {len(nodes):,} nodes, a cap, so possibly truncated")
    absent = _absent_neighbours(nodes)
    if absent:
        warn_caller(
            f"{index_name}: {absent:,} of the {len(nodes):,} nodes that {type(store).__name__} listed name a "
            "next chunk that is not among them: deleted, or the list is truncated; if so, pass nodes= or documents="
        )
    return _in_order(nodes)


def ids_in_simple_stores(stores: Sequence[BasePydanticVectorStore]) -> set[str]:
    """Ids of the nodes that LlamaIndex's own stores in memory have vectors of. They list no nodes."""
    return {
        node_id for store in stores if isinstance(store, SimpleVectorStore) for node_id in store.data.embedding_dict
    }


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

    Some (Postgres, Milvus) refuse to list without a filter, and take one without conditions.
    """
    try:
        return _ask(store, None)
    except Exception as refused:
        try:
            return _ask(store, MetadataFilters(filters=[]))
        except Exception:
            raise refused from None


def _ask(store: BasePydanticVectorStore, filters: MetadataFilters | None) -> tuple[list[BaseNode], bool]:
    """A store that takes a limit (Qdrant) and keeps to its cap is asked for more."""
    given: dict[str, Any] = {} if filters is None else {"filters": filters}
    nodes = list(store.get_nodes(None, **given))
    if len(nodes) not in _LISTING_CAPS:
        return nodes, False
    first, limit = len(nodes), len(nodes)
    if "limit" in inspect.signature(store.get_nodes).parameters:
        while len(nodes) == limit:
            limit *= 10
            nodes = list(cast(Any, store).get_nodes(None, limit=limit, **given))
    return nodes, len(nodes) == first


def _absent_neighbours(nodes: Sequence[BaseNode]) -> int:
    """How many nodes name a next chunk of their document that is not among them."""
    ids = {node.node_id for node in nodes}
    return sum(node.next_node is not None and node.next_node.node_id not in ids for node in nodes)


def _without_embedding(node: BaseNode) -> BaseNode:
    """Stores list vectors too, which are longer than the text and of no use here."""
    return node if node.embedding is None else node.model_copy(update={"embedding": None})
