"""Vector stores that keep text: listed whole, under whatever condition, or refused."""

from __future__ import annotations

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.schema import TextNode

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.llama_index.index_nodes import each_node_of_index
from rlm_integrations.llama_index.node_selection import NodeSelection

from .stores import ClosedStore, TextStore, texts


@pytest.mark.parametrize("refused", [AssertionError("Either node_ids or filters must be provided"), ValueError("no")])
def test_a_store_that_lists_only_under_a_filter_is_given_an_empty_one(documents, refused):
    class Filtered(TextStore):
        """As Elasticsearch's store."""

        def get_nodes(self, node_ids=None, filters=None):
            if node_ids is None and filters is None:
                raise refused
            assert not filters.filters
            return super().get_nodes()

    storage = StorageContext.from_defaults(vector_store=Filtered(kept={}))
    assert texts(VectorStoreIndex(documents, storage_context=storage)) == [document.text for document in documents]


class PGVectorStore(TextStore):
    """As the store of that name, once SQLAlchemy refuses an AND of nothing."""

    def get_nodes(self, node_ids=None, filters=None):
        assert node_ids is not None or filters is not None, "Either node_ids or filters must be provided"
        if not filters.filters:
            raise TypeError("and_() without arguments")
        return [node for node in super().get_nodes() if NodeSelection(filters).passes(node)]


class MilvusVectorStore(TextStore):
    """As the store of that name over a server: conditions see the id, and an empty expression is refused."""

    def get_nodes(self, node_ids=None, filters=None):
        if node_ids is None and filters is None:
            raise ValueError("Either node_ids or filters must be provided.")
        if not filters.filters:
            raise RuntimeError("empty expression should be used with limit")
        (condition,) = filters.filters
        assert (condition.key, condition.operator.value, condition.value) == ("id", "!=", "")
        return super().get_nodes()


@pytest.mark.parametrize("kind", [PGVectorStore, MilvusVectorStore])
def test_a_store_that_lists_only_under_a_condition_is_given_one_that_all_pass(documents, kind):
    storage = StorageContext.from_defaults(vector_store=kind(kept={}))
    index = VectorStoreIndex(documents, storage_context=storage)
    assert texts(index) == [document.text for document in documents]
    index.delete_nodes(["d3"])
    assert texts(index) == [documents[n].text for n in (0, 1, 2, 4)]
    index.delete_nodes(["d0", "d1", "d2", "d4"])
    assert [*each_node_of_index(index)] == []


def test_what_came_of_a_filter_is_told_beside_that_one_was_missing(documents):
    class Down(ClosedStore):
        def get_nodes(self, node_ids=None, filters=None):
            if filters is None:
                raise ValueError("Either node_ids or filters must be provided.")
            raise ConnectionError("connection refused")

    index = VectorStoreIndex(documents, storage_context=StorageContext.from_defaults(vector_store=Down(kept={})))
    with pytest.raises(InvalidArgumentError, match=r"must be provided\.; ConnectionError: connection refused\); pass"):
        [*each_node_of_index(index)]


@pytest.mark.parametrize("count", [99, 100, 101, 1_000, 1_234])
def test_a_store_that_lists_some_unless_it_is_given_a_limit_is_asked_for_all(documents, count):
    class Limited(TextStore):
        """As Pinecone's."""

        def get_nodes(self, node_ids=None, filters=None, limit=100):
            if filters is None:
                raise ValueError("Filters must be specified")
            return super().get_nodes()[:limit]

    store = Limited(kept={})
    index = VectorStoreIndex.from_documents(documents, storage_context=StorageContext.from_defaults(vector_store=store))
    store.kept = {str(i): TextNode(id_=str(i), text=f"Node {i}.") for i in range(count)}
    assert len([*each_node_of_index(index)]) == count


@pytest.mark.parametrize("most", [10_000, None])
def test_a_store_that_keeps_to_a_limit_is_not_read_in_part(documents, most):
    class Limited(TextStore):
        def get_nodes(self, node_ids=None, filters=None, limit=100):
            if most is None and limit > 10_000:
                raise ValueError("top_k must be at most 10000")
            return super().get_nodes()[: min(limit, 10_000)]

    store = Limited(kept={})
    index = VectorStoreIndex.from_documents(documents, storage_context=StorageContext.from_defaults(vector_store=store))
    store.kept = {str(i): TextNode(id_=str(i), text="x") for i in range(10_001)}
    with pytest.raises(InvalidArgumentError, match="possibly truncated" if most else "top_k must be at most 10000"):
        [*each_node_of_index(index)]


def test_a_store_that_keeps_text_is_listed_in_document_order(documents, long_text):
    storage = StorageContext.from_defaults(vector_store=TextStore(kept={}))
    index = VectorStoreIndex.from_documents(
        [*documents, Document(text=long_text, doc_id="a-ledger")], storage_context=storage
    )
    assert not index.docstore.docs
    storage.vector_store.kept = dict(reversed(storage.vector_store.kept.items()))
    nodes = [*each_node_of_index(index)]
    assert {node.ref_doc_id for node in nodes} == {"a-ledger", "d0", "d1", "d2", "d3", "d4"}
    starts = [node.start_char_idx for node in nodes if node.ref_doc_id == "a-ledger"]
    assert len(starts) > 20
    assert starts == sorted(starts)


def test_a_store_that_cannot_list_is_an_error_with_remedies_and_the_remedies_work(documents):
    storage = StorageContext.from_defaults(vector_store=ClosedStore(kept={}))
    index = VectorStoreIndex.from_documents(documents, storage_context=storage)
    remedies = "documents=.*nodes=.*retriever=.*store_nodes_override"
    with pytest.raises(InvalidArgumentError, match=f"VectorStoreIndex.*ClosedStore cannot list.*{remedies}"):
        index.as_query_engine(engine="rlm")
    assert isinstance(index.as_query_engine(engine="rlm", documents=documents), RLMQueryEngine)
    assert isinstance(index.as_query_engine(engine="rlm", nodes=iter(documents)), RLMQueryEngine)
    assert isinstance(index.as_query_engine(engine="rlm", retriever=index.as_retriever()), RLMQueryEngine)
    with pytest.raises(InvalidArgumentError, match="documents and nodes: given together"):
        index.as_query_engine(engine="rlm", documents=documents, nodes=documents)
    kept = VectorStoreIndex.from_documents(documents, storage_context=storage, store_nodes_override=True)
    assert texts(kept) == [document.text for document in documents]


@pytest.mark.parametrize("count", [9_999, 10_000])
def test_a_count_equal_to_a_cap_is_possibly_truncated(documents, count):
    store = TextStore(kept={})
    index = VectorStoreIndex.from_documents(documents, storage_context=StorageContext.from_defaults(vector_store=store))
    store.kept = {str(i): TextNode(id_=str(i), text="x") for i in range(count)}
    with pytest.raises(InvalidArgumentError, match="possibly truncated"):
        [*each_node_of_index(index)]


def test_a_store_that_takes_a_limit_and_keeps_to_its_cap_is_possibly_truncated(documents):
    class Capped(TextStore):
        def get_nodes(self, node_ids=None, filters=None, limit=None):
            return super().get_nodes()[: min(limit or 10_000, 10_000)]

    store = Capped(kept={})
    index = VectorStoreIndex.from_documents(documents, storage_context=StorageContext.from_defaults(vector_store=store))
    store.kept = {str(i): TextNode(id_=str(i), text="x") for i in range(10_001)}
    with pytest.raises(InvalidArgumentError, match="Capped listed 10,000 nodes, a cap, so possibly truncated"):
        [*each_node_of_index(index)]


def test_a_chunk_whose_next_one_is_not_listed_is_told(documents, long_text):
    store = TextStore(kept={})
    storage = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex.from_documents([*documents, Document(text=long_text)], storage_context=storage)
    del store.kept[next(node_id for node_id, node in store.kept.items() if node.prev_node is not None)]
    count = len(store.kept)
    with pytest.warns(UserWarning, match=f"1 of the {count} nodes that TextStore listed name a next chunk") as caught:
        index.as_query_engine(engine="rlm")
    assert [warning.filename for warning in caught] == [__file__]
