"""A LlamaIndex retriever as the core's Retriever."""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle

from rlm_integrations.core.document import Document
from rlm_integrations.llama_index.blocking import defining_class, in_thread
from rlm_integrations.llama_index.documents import document_of_node


class NodeRetriever:
    """The retriever of one run. What it found it keeps, by node id, for the response."""

    def __init__(self, retriever: BaseRetriever, postprocessors: Sequence[BaseNodePostprocessor] = ()) -> None:
        self._retriever = retriever
        self._postprocessors = postprocessors
        self.found: dict[str, NodeWithScore] = {}

    async def retrieve(self, query: str) -> list[Document]:
        bundle = QueryBundle(query)
        if _blocks(self._retriever):
            hits = await in_thread(self._retriever.retrieve, bundle)
        else:
            hits = await self._retriever.aretrieve(bundle)
        for postprocessor in self._postprocessors:
            hits = await postprocessor.apostprocess_nodes(hits, query_bundle=bundle)
        return self._keep(hits)

    def retrieve_sync(self, query: str) -> list[Document]:
        bundle = QueryBundle(query)
        hits = self._retriever.retrieve(bundle)
        for postprocessor in self._postprocessors:
            hits = postprocessor.postprocess_nodes(hits, query_bundle=bundle)
        return self._keep(hits)

    def _keep(self, hits: Sequence[NodeWithScore]) -> list[Document]:
        documents: dict[str, Document] = {}
        for hit in hits:
            document = document_of_node(hit.node)
            if document.text:
                documents.setdefault(document.id, document)
                self.found.setdefault(document.id, hit)
        return list(documents.values())


def _blocks(retriever: BaseRetriever) -> bool:
    """Whether `aretrieve` would block the loop: the inherited one calls the sync method."""
    return defining_class(retriever, "_aretrieve") is BaseRetriever
