"""A LlamaIndex retriever as the core's Retriever."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle

from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.corpus.corpus import NO_CORPUS
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.own_ids import OwnIds
from rlm_integrations.llama_index.blocking import holds_loop_up
from rlm_integrations.llama_index.caller_warning import in_thread_for_caller, warn_caller
from rlm_integrations.llama_index.node_selection import NodeSelection
from rlm_integrations.llama_index.node_text import beside_text, text_of_node


class NodeRetriever:
    """The retriever of one run. What it found it keeps, by node id, for the response: what a postprocessor made of a
    node that was found before is a node of its own.

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
        self._ids = OwnIds(NO_CORPUS)
        self.found: dict[str, NodeWithScore] = {}

    async def retrieve(self, query: str) -> list[Document]:
        bundle = QueryBundle(query)
        if holds_loop_up(self._retriever, "_aretrieve"):
            hits = await in_thread(self._retriever.retrieve, bundle)
        else:
            hits = await self._retriever.aretrieve(bundle)
        seen = self._seen(hits)
        hits = list(seen.values())
        for postprocessor in self._postprocessors:
            hits = await postprocessor.apostprocess_nodes(hits, query_bundle=bundle)
        return await in_thread_for_caller(partial(self._keep, hits, seen))

    def retrieve_sync(self, query: str | QueryBundle) -> list[Document]:
        bundle = QueryBundle(query) if isinstance(query, str) else query
        seen = self._seen(self._retriever.retrieve(bundle))
        hits = list(seen.values())
        for postprocessor in self._postprocessors:
            hits = postprocessor.postprocess_nodes(hits, query_bundle=bundle)
        return self._keep(hits, seen)

    def _seen(self, hits: Sequence[NodeWithScore]) -> dict[str, NodeWithScore]:
        seen: dict[str, NodeWithScore] = {}
        for hit in hits:
            if self._selection.passes(hit.node):
                seen.setdefault(hit.node.node_id, hit)
        return seen

    def _keep(self, hits: Sequence[NodeWithScore], seen: Collection[str]) -> list[Document]:
        documents: dict[str, Document] = {}
        for hit in hits:
            metadata, images, untaken = beside_text(hit.node)
            document = Document(hit.node.node_id, text_of_node(hit.node), metadata, images)
            if untaken:
                warn_caller(f"retriever: node {hit.node.node_id!r} has a picture that is not taken: {untaken}")
            if (document.text or document.images) and (hit.node.node_id in seen or self._selection.passes(hit.node)):
                document = self._ids.of(document)
                documents.setdefault(document.id, document)
                self.found.setdefault(document.id, _named(hit, document.id))
        return list(documents.values())


def _named(hit: NodeWithScore, name: str) -> NodeWithScore:
    if hit.node.node_id == name:
        return hit
    return NodeWithScore(node=hit.node.model_copy(update={"id_": name}), score=hit.score)
