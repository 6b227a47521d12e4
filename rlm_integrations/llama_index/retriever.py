"""A LlamaIndex retriever as the core's Retriever."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, cast

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.constants import DATA_KEY
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode
from llama_index.core.storage.docstore.utils import (
    doc_to_json,  # pyright: ignore[reportUnknownVariableType]
    json_to_doc,  # pyright: ignore[reportUnknownVariableType]
)

from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.corpus.found_document import FoundDocument
from rlm_integrations.core.corpus.plain_values import MOST_VALUES, shown_metadata
from rlm_integrations.llama_index.blocking import holds_loop_up
from rlm_integrations.llama_index.caller_warning import in_thread_for_caller, warn_caller
from rlm_integrations.llama_index.node_selection import NodeSelection
from rlm_integrations.llama_index.node_text import beside_text, text_of_node


class NodeRetriever:
    """Asks a retriever, and gives its hits to postprocessors. It remembers nothing: what it finds knows its node.

    Hits that are not of the selection are dropped, before the postprocessors and, where those add nodes, after.
    """

    def __init__(
        self,
        retriever: BaseRetriever,
        postprocessors: Sequence[BaseNodePostprocessor] = (),
        selection: NodeSelection | None = None,
    ) -> None:
        self._retriever = retriever
        self._postprocessors = postprocessors
        self._selection = selection or NodeSelection()

    async def retrieve(self, query: str) -> list[FoundDocument]:
        bundle = QueryBundle(query)
        if holds_loop_up(self._retriever, "_aretrieve"):
            hits = await in_thread(self._retriever.retrieve, bundle)
        else:
            hits = await self._retriever.aretrieve(bundle)
        seen = hits = await in_thread(self._seen, hits)
        for postprocessor in self._postprocessors:
            hits = await postprocessor.apostprocess_nodes(hits, query_bundle=bundle)
        return await in_thread_for_caller(partial(self._documents, hits, seen))

    def retrieve_sync(self, query: str | QueryBundle) -> list[FoundDocument]:
        bundle = QueryBundle(query) if isinstance(query, str) else query
        seen = hits = self._seen(self._retriever.retrieve(bundle))
        for postprocessor in self._postprocessors:
            hits = postprocessor.postprocess_nodes(hits, query_bundle=bundle)
        return self._documents(hits, seen)

    def _seen(self, hits: Sequence[NodeWithScore]) -> list[NodeWithScore]:
        """Those of the selection, each once: an id may be brought with several texts."""
        seen: dict[tuple[str, str], NodeWithScore] = {}
        for hit in hits:
            if self._selection.passes(hit.node):
                seen.setdefault((hit.node.node_id, text_of_node(hit.node)), hit)
        return list(seen.values())

    def _documents(self, hits: Sequence[NodeWithScore], seen: Collection[NodeWithScore]) -> list[FoundDocument]:
        """What there is to read in the hits. One whose id was seen is known to be of the selection."""
        known = {hit.node.node_id for hit in seen} if self._selection.given else ()
        documents: list[FoundDocument] = []
        for hit in hits:
            node = hit.node
            metadata, images, untaken = beside_text(node)
            text = text_of_node(node)
            if untaken:
                warn_caller(f"retriever: node {node.node_id!r} has a picture that is not taken: {untaken}")
            if (text or images) and (node.node_id in known or self._selection.passes(node)):
                documents.append(FoundDocument(node.node_id, text, metadata, images, hit, _record))
        return documents


def node_with_score(found: FoundDocument) -> NodeWithScore:
    """The hit, whose node has the id of the document: another one than it came with where that means another text.

    Out of a journal, one that is equal to what the retriever brought.
    """
    hit = _recorded(found) if found.item is None else found.item
    if hit.node.node_id == found.id:
        return hit
    return NodeWithScore(node=hit.node.model_copy(update={"id_": found.id}), score=hit.score)


def _record(hit: NodeWithScore) -> dict[str, Any]:
    """As a document store of LlamaIndex would keep the node, but for its embedding, which no answer needs."""
    node = cast("dict[str, Any]", doc_to_json(_writable(hit.node)))
    node[DATA_KEY]["embedding"] = None
    return {"node": node, "score": hit.score}


def _writable(node: BaseNode) -> BaseNode:
    """With words in the place of metadata that cannot be written: they may be hidden from the model, and so be any."""
    related = {
        role: [*map(_writable_info, infos)] if isinstance(infos, list) else _writable_info(infos)
        for role, infos in node.relationships.items()
    }
    metadata = shown_metadata(node.metadata, MOST_VALUES)
    return node.model_copy(update={"metadata": metadata, "relationships": related})


def _writable_info(related: RelatedNodeInfo) -> RelatedNodeInfo:
    return related.model_copy(update={"metadata": shown_metadata(related.metadata, MOST_VALUES)})


def _recorded(found: FoundDocument) -> NodeWithScore:
    record = json.loads(found.recorded())
    if "node" not in record:  # in files of older versions
        return NodeWithScore(node=TextNode(id_=found.id, text=found.text, metadata=dict(found.metadata)))
    return NodeWithScore(node=json_to_doc(record["node"]), score=record["score"])
