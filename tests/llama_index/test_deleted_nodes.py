"""Nodes that were deleted are gone, wherever they are still kept."""

from __future__ import annotations

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.schema import IndexNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore, VectorStoreQueryResult
from pydantic import PrivateAttr

from rlm_integrations.llama_index.index_nodes import each_node_of_index

from .stores import TextStore, texts


@pytest.mark.parametrize("kind", ["vector", "summary", "keyword", "property_graph", "document_summary"])
def test_deleted_documents_are_gone_though_the_docstore_keeps_them(kind, build_index, documents):
    index = build_index(kind, documents)
    index.delete_ref_doc("d3")
    assert texts(index) == [document.text for document in documents if document.doc_id != "d3"]
    assert any(node.ref_doc_id == "d3" for node in index.docstore.docs.values())


@pytest.mark.parametrize("from_docstore", [False, True])
def test_deleted_nodes_are_gone_though_struct_and_docstore_keep_them(documents, from_docstore):
    index = VectorStoreIndex(documents)
    index.delete_nodes(["d1", "d3"], delete_from_docstore=from_docstore)
    assert texts(index) == [documents[n].text for n in (0, 2, 4)]
    index.insert(Document(text="Doc 5. New.", doc_id="d5"))
    index.update_ref_doc(Document(text="Doc 5. Newer.", doc_id="d5"))
    index.refresh_ref_docs([Document(text="Doc 5. Newest.", doc_id="d5")])
    assert texts(index) == [*(documents[n].text for n in (0, 2, 4)), "Doc 5. Newest."]


def test_nodes_deleted_before_an_index_was_kept_on_disk_stay_deleted(documents, tmp_path):
    index = VectorStoreIndex(documents)
    index.delete_nodes(["d3"])
    index.storage_context.persist(str(tmp_path))
    loaded = load_index_from_storage(StorageContext.from_defaults(persist_dir=str(tmp_path)))
    assert texts(loaded) == [documents[n].text for n in (0, 1, 2, 4)]


class VectorsOnly(BasePydanticVectorStore):
    """A vector store that keeps no text, and says nothing of what it holds."""

    stores_text: bool = False
    _node_id_of: dict[str, list[float]] = PrivateAttr(default_factory=dict)

    @property
    def client(self):
        return None

    def add(self, nodes, **kwargs):
        self._node_id_of.update({node.node_id: node.get_embedding() for node in nodes})
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id, **kwargs):
        pass

    def query(self, query, **kwargs):
        return VectorStoreQueryResult(ids=[], similarities=[])


class DeletingVectorsOnly(VectorsOnly):
    def delete_nodes(self, node_ids=None, filters=None, **kwargs):
        for node_id in node_ids or ():
            del self._node_id_of[node_id]


class FaissMapVectorStore(DeletingVectorsOnly):
    """With the attribute of the store of that name."""

    @property
    def _node_id_to_faiss_id_map(self):
        return dict.fromkeys(self._node_id_of, 0)


def test_what_a_map_of_faiss_no_longer_holds_is_gone(documents):
    storage = StorageContext.from_defaults(vector_store=FaissMapVectorStore())
    index = VectorStoreIndex(documents, storage_context=storage)
    index.delete_nodes(["d3"])
    assert texts(index) == [documents[n].text for n in (0, 1, 2, 4)]
    index.delete_nodes(["d2"], delete_from_docstore=True)
    assert texts(index) == [documents[n].text for n in (0, 1, 4)]


def test_of_a_store_that_deletes_and_does_not_say_what_it_holds_it_is_told(documents):
    def over(store):
        return VectorStoreIndex(documents, storage_context=StorageContext.from_defaults(vector_store=store))

    assert len([*each_node_of_index(over(VectorsOnly()))]) == 5  # nothing can have been deleted
    with pytest.warns(UserWarning, match="DeletingVectorsOnly does not say which nodes it holds") as caught:
        assert len([*each_node_of_index(over(DeletingVectorsOnly()))]) == 5
    assert [warning.filename for warning in caught] == [__file__]


def test_of_an_index_all_of_whose_nodes_were_deleted_none_is_read(documents):
    index = VectorStoreIndex(documents)
    index.delete_nodes([document.node_id for document in documents])
    assert [*each_node_of_index(index)] == []


@pytest.mark.parametrize("override", [False, True])
def test_what_a_store_that_keeps_text_no_longer_lists_is_gone(documents, override):
    storage = StorageContext.from_defaults(vector_store=TextStore(kept={}))
    pointer = IndexNode(id_="pointer", text="A pointer.", index_id="elsewhere")
    index = VectorStoreIndex([*documents, pointer], storage_context=storage, store_nodes_override=override)
    assert texts(index) == ["A pointer.", *(document.text for document in documents)]
    index.delete_nodes(["d3", "pointer"])
    assert texts(index) == [documents[n].text for n in (0, 1, 2, 4)]
