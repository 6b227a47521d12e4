"""The nodes that an index consists of.

A docstore is not the index: it keeps deleted documents, what other indexes of the same storage hold, and
summaries that a model wrote. The index's own struct says which nodes are its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from llama_index.core.data_structs.data_structs import KG, IndexDict, IndexGraph, IndexList, IndexStruct, KeywordTable
from llama_index.core.data_structs.document_summary import IndexDocumentSummary
from llama_index.core.graph_stores.types import ChunkNode
from llama_index.core.indices.base import BaseIndex
from llama_index.core.indices.composability.graph import ComposableGraph
from llama_index.core.indices.keyword_table.rake_base import RAKEKeywordTableIndex
from llama_index.core.indices.keyword_table.simple_base import SimpleKeywordTableIndex
from llama_index.core.indices.property_graph.base import PropertyGraphIndex
from llama_index.core.indices.vector_store.base import VectorStoreIndex
from llama_index.core.schema import BaseNode, ImageNode, IndexNode, MetadataMode, TextNode
from llama_index.core.vector_stores.simple import SimpleVectorStore
from llama_index.core.vector_stores.types import MetadataFilters

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index.caller_warning import warn_caller
from rlm_integrations.llama_index.store_listing import (
    CannotListError,
    can_delete_nodes,
    ids_held,
    never_lists,
    nodes_of_store,
)

AnyIndex = BaseIndex[Any] | ComposableGraph

_READABLE = (IndexList, IndexDict, IndexGraph, IndexDocumentSummary, KeywordTable, KG)
"""The structs that name nodes."""

_REMEDIES = (
    "pass what it was built from as documents= or nodes=, a retriever as retriever= "
    '(or corpus="retriever" for its own), or build the index with store_nodes_override=True'
)
_RELOAD = (
    "load it with the StorageContext it was kept in (from_defaults(persist_dir=...)), or pass documents= or nodes="
)


def each_node_of_index(index: AnyIndex, filters: MetadataFilters | None = None) -> Iterator[BaseNode]:
    """All nodes of the index, in its own order where it has one. Of a ComposableGraph: those of its child indexes.

    Nodes that fail the filters may be missing: a vector store that can applies a part of them itself. None is held
    here when the next one comes: there may be more of them than an event loop beside them bears.

    There are none where the index is empty. Raises InvalidArgumentError, naming the index, its store and the remedies,
    where they cannot be told completely.
    """
    check_can_be_read(index)
    if isinstance(index, ComposableGraph):
        yield from _let_go(_graph_nodes(index, filters))
    elif isinstance(index, PropertyGraphIndex):
        yield from _let_go(_property_graph_nodes(index))
    elif isinstance(index.index_struct, IndexDict):
        none = True
        for node in _vector_nodes(index, filters):
            none = False
            yield node
        if none and not isinstance(index, VectorStoreIndex):  # a service may hold them
            raise _unreadable(index, "it holds no nodes")
    elif isinstance(index.index_struct, KeywordTable):
        yield from _let_go(_keyword_table_nodes(index))
    elif isinstance(index.index_struct, KG):
        yield from _let_go(_knowledge_graph_nodes(index))
    else:
        yield from _from_docstore(index, _own_ids(index.index_struct) or ())


def _graph_nodes(graph: ComposableGraph, filters: MetadataFilters | None) -> Iterable[BaseNode]:
    indices = cast(dict[str, BaseIndex[Any]], graph.all_indices)  # pyright: ignore[reportUnknownMemberType]
    children = [child for key, child in indices.items() if key != graph.root_id]
    return {node.node_id: node for child in children for node in each_node_of_index(child, filters)}.values()


def _let_go(nodes: Iterable[BaseNode]) -> Iterator[BaseNode]:
    """Each of them, held no longer than until it is taken."""
    waiting = list(nodes)
    waiting.reverse()
    del nodes
    while waiting:
        yield waiting.pop()


def check_can_be_read(index: AnyIndex) -> None:
    """Raises InvalidArgumentError, as `each_node_of_index` does, for an index that tells without being read."""
    if isinstance(index, ComposableGraph):
        indices = cast(dict[str, BaseIndex[Any]], index.all_indices)  # pyright: ignore[reportUnknownMemberType]
        for key, child in indices.items():
            if key != index.root_id:
                check_can_be_read(child)
    elif isinstance(index, PropertyGraphIndex):
        return
    elif not isinstance(index.index_struct, _READABLE):
        raise _unreadable(index, f"an index over {type(index.index_struct).__name__} holds no nodes to read")
    elif isinstance(index.index_struct, IndexDict) and not index.index_struct.nodes_dict:
        store = index.storage_context.vector_store
        if store.stores_text and never_lists(store):
            raise _unreadable(index, f"{type(store).__name__} cannot list its nodes (it has no get_nodes)")


def is_surely_empty(index: AnyIndex) -> bool:
    """Whether it says that it holds nothing, so that reading it asks no store."""
    if isinstance(index, (ComposableGraph, PropertyGraphIndex)):
        return False
    match index.index_struct:
        case IndexDict() as struct:
            return not struct.nodes_dict and not index.storage_context.vector_store.stores_text
        case (IndexList() | IndexGraph() | IndexDocumentSummary()) as struct:
            return not _own_ids(struct)
        case _:
            return False


def last_of(index: AnyIndex) -> tuple[int, str | None] | None:
    """How many nodes it names, and the last of them; None where it names none, for a store alone knows them."""
    if isinstance(index, (ComposableGraph, PropertyGraphIndex)):
        return None
    match index.index_struct:
        case IndexDict() as struct if index.storage_context.vector_store.stores_text:
            return None
        case IndexDict() as struct:
            named = struct.nodes_dict
            return len(named), next(reversed(named.values()), None)
        case IndexList() as struct:
            return len(struct.nodes), struct.nodes[-1] if struct.nodes else None
        case _:
            return None


def ancestors_in_docstore(index: AnyIndex, parent_ids: Iterable[str]) -> dict[str, BaseNode]:
    """Those parents, and their ancestors, that the docstore holds, by id: an index over leaves keeps them there."""
    if isinstance(index, ComposableGraph):
        indices = cast(dict[str, BaseIndex[Any]], index.all_indices)  # pyright: ignore[reportUnknownMemberType]
        ids = [*parent_ids]
        return {key: node for child in indices.values() for key, node in ancestors_in_docstore(child, ids).items()}
    looked_up: dict[str, BaseNode | None] = {}
    waiting = list(parent_ids)
    while waiting:
        parent_id = waiting.pop()
        if parent_id not in looked_up:
            node = looked_up[parent_id] = index.docstore.get_node(parent_id, raise_error=False)
            if node is not None and node.parent_node is not None:
                waiting.append(node.parent_node.node_id)
    return {node_id: node for node_id, node in looked_up.items() if node is not None}


def objects_of_index(index: AnyIndex) -> dict[str, Any]:
    """What the index took out of its IndexNodes, since it cannot be kept in a store, by `index_id`."""
    if isinstance(index, ComposableGraph):
        indices = cast(dict[str, BaseIndex[Any]], index.all_indices)  # pyright: ignore[reportUnknownMemberType]
        return {key: each for child in indices.values() for key, each in objects_of_index(child).items()}
    return dict(cast("dict[str, Any] | None", getattr(index, "_object_map", None)) or {})


def _own_ids(struct: IndexStruct) -> list[str] | None:
    """Ids of the nodes that the struct names as the user's text; None for a kind of struct that names none."""
    match struct:
        case IndexList():
            return list(struct.nodes)
        case IndexDict():
            return list(struct.nodes_dict.values())
        case IndexGraph():  # inner nodes are summaries
            children = struct.node_id_to_children_ids
            return [node_id for _, node_id in sorted(struct.all_nodes.items()) if not children.get(node_id)]
        case IndexDocumentSummary():
            return list(struct.node_id_to_summary_id)
        case KeywordTable() | KG():
            return list(dict.fromkeys(node_id for ids in struct.table.values() for node_id in sorted(ids)))
        case _:
            return None


def _all_ids(struct: IndexStruct) -> set[str]:
    """Ids of everything that the struct's index put into the docstore, summaries included."""
    ids = set(_own_ids(struct) or ())
    if isinstance(struct, IndexGraph):
        ids.update(struct.all_nodes.values())
    if isinstance(struct, IndexDocumentSummary):
        ids.update(struct.summary_ids)
    return ids


def _from_docstore(index: BaseIndex[Any], ids: Sequence[str]) -> Iterator[BaseNode]:
    found = 0
    for node_id in ids:
        node = index.docstore.get_node(node_id, raise_error=False)
        if node is not None:
            found += 1
            yield node
    if found < len(ids):
        missing = f"{len(ids) - found:,} of its {len(ids):,} nodes are missing from its docstore"
        raise _unreadable(index, missing, _RELOAD)


def _vector_nodes(index: BaseIndex[Any], filters: MetadataFilters | None) -> Iterator[BaseNode]:
    """Deleting nodes takes them out of the vector store, and by default neither out of the struct nor the docstore."""
    own = _own_ids(index.index_struct) or []
    store = index.storage_context.vector_store
    stores = list(index.storage_context.vector_stores.values())
    in_memory = {node_id for each in stores for node_id in ids_held(each) or ()}
    if not store.stores_text:
        if ids_held(store) is not None:
            own = [node_id for node_id in own if node_id in in_memory] or _never_there(index, own)
        elif can_delete_nodes(store):
            warn_caller(
                f"{type(index).__name__}: {type(store).__name__} does not say which nodes it holds, so those that "
                "delete_nodes took out of it are still read; if there are any, pass nodes= or documents="
            )
        return _from_docstore(index, own)
    # The store keeps the text. The struct names only images and index nodes, unless nodes were stored on purpose.
    kept = list(_from_docstore(index, own))
    try:
        listed = nodes_of_store(store, filters, index_name=type(index).__name__)
    except CannotListError as error:
        if any(isinstance(node, TextNode) and not isinstance(node, (ImageNode, IndexNode)) for node in kept):
            return iter(kept)
        raise _unreadable(index, str(error)) from error
    there = in_memory | {node.node_id for node in listed}
    of_others = any(not isinstance(other, SimpleVectorStore) for other in stores if other is not store)
    kept = [node for node in kept if node.node_id in there or (of_others and isinstance(node, ImageNode))]
    return _let_go(({node.node_id: node for node in listed} | {node.node_id: node for node in kept}).values())


def _never_there(index: BaseIndex[Any], ids: Sequence[str]) -> list[str]:
    """Of ids that the vector store has none of: those that are not in the docstore either, so were not deleted."""
    return [node_id for node_id in ids if not index.docstore.document_exists(node_id)]


def _keyword_table_nodes(index: BaseIndex[Any]) -> list[BaseNode]:
    """Those in the table, and those that have no keyword to be in it by.

    Deleted nodes are absent from the table as well, and stay in the docstore. Where keywords come from code and not
    from a model, extracting them again tells the two apart.
    """
    rest = _unclaimed(index)
    if rest and isinstance(index, (SimpleKeywordTableIndex, RAKEKeywordTableIndex)):
        without_keywords = [
            node
            for node in rest
            if not index._extract_keywords(node.get_content(metadata_mode=MetadataMode.LLM))  # pyright: ignore[reportPrivateUsage]
        ]
    else:
        without_keywords = []
        if rest:
            warn_caller(
                f"{type(index).__name__}: {len(rest):,} nodes of the docstore are not in the keyword table "
                "(deleted, or without keywords) and are left out; pass nodes= to have them"
            )
    return _in_docstore_order(index, [*_from_docstore(index, _own_ids(index.index_struct) or []), *without_keywords])


def _knowledge_graph_nodes(index: BaseIndex[Any]) -> list[BaseNode]:
    """Those with triplets and those without: the index cannot delete, so all that no other index claims is its own."""
    return _in_docstore_order(index, [*_from_docstore(index, _own_ids(index.index_struct) or []), *_unclaimed(index)])


def _unclaimed(index: BaseIndex[Any]) -> list[BaseNode]:
    """Nodes of the docstore that no index of the storage names, this one included."""
    claimed = _all_ids(index.index_struct)
    for struct in index.storage_context.index_store.index_structs():
        claimed |= _all_ids(struct)
    return [node for node_id, node in index.docstore.docs.items() if node_id not in claimed]


def _in_docstore_order(index: BaseIndex[Any], nodes: Iterable[BaseNode]) -> list[BaseNode]:
    place = {node_id: number for number, node_id in enumerate(index.docstore.docs)}
    return sorted(nodes, key=lambda node: place[node.node_id])


def _property_graph_nodes(index: PropertyGraphIndex) -> list[BaseNode]:
    """The text chunks of the graph: deleting takes them out there and not out of the docstore."""
    store = index.property_graph_store
    try:
        chunk_ids = [node.id for node in cast(Any, store).get() if isinstance(node, ChunkNode)]
        # A store whose `get` lists entities only still answers for ids.
        chunks = store.get_llama_nodes(chunk_ids or list(index.docstore.docs))
    except Exception as error:  # graph stores that cannot list raise whatever their client does
        reason = f"{type(store).__name__} cannot list its chunks ({type(error).__name__}: {error})"
        raise _unreadable(index, reason) from error
    return [index.docstore.get_node(chunk.node_id, raise_error=False) or chunk for chunk in chunks]


def _unreadable(index: BaseIndex[Any], reason: str, remedies: str = _REMEDIES) -> InvalidArgumentError:
    return InvalidArgumentError(f"index: cannot read the corpus of this {type(index).__name__}: {reason}; {remedies}")
