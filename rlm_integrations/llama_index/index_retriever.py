"""An index's own retriever as the corpus, for an index whose store cannot list its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.indices.empty.base import EmptyIndex
from llama_index.core.indices.property_graph.base import PropertyGraphIndex
from llama_index.core.indices.vector_store.base import VectorStoreIndex

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.frozen import frozen
from rlm_integrations.llama_index.index_nodes import AnyIndex
from rlm_integrations.llama_index.keyword_arguments import RETRIEVAL

_TOP_K = 10
"""Hits of one retrieval from a VectorStoreIndex, unless `similarity_top_k` is given. LlamaIndex's own 2 make many
retrievals of a question over much."""
_NARROWING = {"vector_store_kwargs": VectorStoreIndex, "sub_retrievers": PropertyGraphIndex}
"""Arguments that may narrow what is seen, and the indexes whose retrievers take them; others' pass them over."""


@frozen
class IndexRetriever:
    """A retriever that was made with the engine's selection.

    Its hits are checked against the selection all the same: some retrievers and stores pass over a part of it
    (Weaviate's store takes `doc_ids` or `filters`, a SummaryIndex's retriever neither).
    """

    retriever: BaseRetriever


def retriever_of_index(index: AnyIndex, options: Mapping[str, Any]) -> tuple[IndexRetriever, dict[str, Any]]:
    """`index.as_retriever(...)` with what of the options concerns it, and the options that are left for the engine.

    Raises InvalidArgumentError for an index that has no retriever, and for `node_ids`.
    """
    if options.get("node_ids") is not None:
        raise InvalidArgumentError(
            'node_ids: cannot be retrieved by similarity, so not with corpus="retriever"; pass those nodes as nodes='
        )
    known = RETRIEVAL.union(name for name, kind in _NARROWING.items() if isinstance(index, kind))
    own = {name: value for name, value in options.items() if name in known}
    rest = {name: value for name, value in options.items() if name not in own}
    own |= {name: rest[name] for name in ("filters", "doc_ids") if rest.get(name) is not None}
    if isinstance(index, VectorStoreIndex):
        own.setdefault("similarity_top_k", _TOP_K)
    return IndexRetriever(_as_retriever(index, own)), rest


def _as_retriever(index: Any, arguments: Mapping[str, Any]) -> BaseRetriever:
    if hasattr(index, "as_retriever") and not isinstance(index, EmptyIndex):
        try:
            return index.as_retriever(**arguments)
        except NotImplementedError:
            pass
    raise InvalidArgumentError(
        f'corpus: "retriever" given, and a {type(index).__name__} has no retriever; pass one as retriever='
    )
