"""Vector stores, and the texts that an index over them holds."""

from __future__ import annotations

from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.simple import SimpleVectorStore

from rlm_integrations.llama_index.index_nodes import each_node_of_index


def texts(index: object) -> list[str]:
    return sorted(node.get_content() for node in [*each_node_of_index(index)])


class TextStore(SimpleVectorStore):
    """A vector store that keeps the text, as Chroma does."""

    stores_text: bool = True
    kept: dict[str, TextNode] = {}  # noqa: RUF012 - a pydantic field

    def add(self, nodes, **kwargs):
        self.kept.update({node.node_id: node for node in nodes})
        return super().add(nodes, **kwargs)

    def get_nodes(self, node_ids=None, filters=None):
        return list(self.kept.values())

    def delete_nodes(self, node_ids=None, filters=None, **kwargs):
        for node_id in node_ids or ():
            self.kept.pop(node_id)
        super().delete_nodes(node_ids, filters)


class ClosedStore(TextStore):
    """A vector store that cannot list, as Pinecone."""

    def get_nodes(self, node_ids=None, filters=None):
        raise NotImplementedError("get_nodes not implemented")
