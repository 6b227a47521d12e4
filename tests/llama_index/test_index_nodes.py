"""The whole corpus out of an index: no node that is not its own, none missing."""

from __future__ import annotations

import pickle
import warnings

import pytest
from llama_index.core import (
    Document,
    DocumentSummaryIndex,
    PropertyGraphIndex,
    SimpleKeywordTableIndex,
    StorageContext,
    SummaryIndex,
    TreeIndex,
    VectorStoreIndex,
    load_index_from_storage,
)
from llama_index.core.graph_stores import SimplePropertyGraphStore
from llama_index.core.indices.keyword_table import KeywordTableIndex
from llama_index.core.indices.property_graph import ImplicitPathExtractor
from llama_index.core.node_parser import HierarchicalNodeParser, get_leaf_nodes
from llama_index.core.schema import IndexNode, TextNode
from llama_index.core.vector_stores.simple import SimpleVectorStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore, VectorStoreQueryResult
from pydantic import PrivateAttr

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.llama_index.index_nodes import nodes_of_index
from rlm_integrations.llama_index.node_selection import NodeSelection

LOADING = {"property_graph": {"kg_extractors": [ImplicitPathExtractor()], "use_async": False}}
"""What an index cannot be loaded without offline."""


def texts(index: object) -> list[str]:
    return sorted(node.get_content() for node in nodes_of_index(index))


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


def test_every_kind_of_index_holds_exactly_its_documents(index_kind, build_index, documents):
    assert texts(build_index(index_kind, documents)) == [document.text for document in documents]


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

    assert len(nodes_of_index(over(VectorsOnly()))) == 5  # nothing can have been deleted
    with pytest.warns(UserWarning, match="DeletingVectorsOnly does not say which nodes it holds") as caught:
        assert len(nodes_of_index(over(DeletingVectorsOnly()))) == 5
    assert [warning.filename for warning in caught] == [__file__]


def test_of_an_index_all_of_whose_nodes_were_deleted_none_is_read(documents):
    index = VectorStoreIndex(documents)
    index.delete_nodes([document.node_id for document in documents])
    assert nodes_of_index(index) == []


@pytest.mark.parametrize("override", [False, True])
def test_what_a_store_that_keeps_text_no_longer_lists_is_gone(documents, override):
    storage = StorageContext.from_defaults(vector_store=TextStore(kept={}))
    pointer = IndexNode(id_="pointer", text="A pointer.", index_id="elsewhere")
    index = VectorStoreIndex([*documents, pointer], storage_context=storage, store_nodes_override=override)
    assert texts(index) == ["A pointer.", *(document.text for document in documents)]
    index.delete_nodes(["d3", "pointer"])
    assert texts(index) == [documents[n].text for n in (0, 1, 2, 4)]


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
    assert nodes_of_index(index) == []


def test_what_came_of_a_filter_is_told_beside_that_one_was_missing(documents):
    class Down(ClosedStore):
        def get_nodes(self, node_ids=None, filters=None):
            if filters is None:
                raise ValueError("Either node_ids or filters must be provided.")
            raise ConnectionError("connection refused")

    index = VectorStoreIndex(documents, storage_context=StorageContext.from_defaults(vector_store=Down(kept={})))
    with pytest.raises(InvalidArgumentError, match=r"must be provided\.; ConnectionError: connection refused\); pass"):
        nodes_of_index(index)


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
    assert len(nodes_of_index(index)) == count


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
        nodes_of_index(index)


def test_indexes_of_one_storage_do_not_see_each_others_nodes(documents, build_knowledge_graph):
    storage = StorageContext.from_defaults()
    built = [
        SummaryIndex.from_documents(documents[:1], storage_context=storage),
        SimpleKeywordTableIndex.from_documents(documents[1:2], storage_context=storage),
        build_knowledge_graph(documents[2:3], storage_context=storage),
        TreeIndex.from_documents(documents[3:4], storage_context=storage),
        DocumentSummaryIndex.from_documents(documents[4:], storage_context=storage),
    ]
    assert [texts(index) for index in built] == [[document.text] for document in documents]


def test_nodes_that_a_table_cannot_reach_are_not_lost(documents, build_knowledge_graph):
    mute = Document(text="the of and", doc_id="mute")  # stop words only: no keyword, no triplet
    assert "the of and" in texts(SimpleKeywordTableIndex.from_documents([*documents, mute]))
    assert "the of and" in texts(build_knowledge_graph([*documents, mute]))


def test_where_a_model_made_the_keywords_left_out_nodes_are_counted(documents, scripted):
    index = KeywordTableIndex.from_documents(
        documents[:3], llm=scripted(always=lambda messages: "KEYWORDS: Alice, Bob")
    )
    index.delete_ref_doc("d1")
    index.delete_ref_doc("d2")
    with pytest.warns(UserWarning, match="2 nodes of the docstore are not in the keyword table"):
        assert texts(index) == [documents[0].text]


def test_summaries_of_models_are_no_corpus(documents):
    tree = TreeIndex.from_documents(documents, num_children=2)
    assert len(tree.docstore.docs) > len(documents)
    assert len(nodes_of_index(tree)) == len(documents)


def test_of_a_hierarchy_the_indexed_leaves_are_the_corpus(long_text):
    parser = HierarchicalNodeParser.from_defaults(chunk_sizes=[2048, 512])
    nodes = parser.get_nodes_from_documents([Document(text=long_text)])
    storage = StorageContext.from_defaults()
    storage.docstore.add_documents(nodes)
    leaves = get_leaf_nodes(nodes)
    index = VectorStoreIndex(leaves, storage_context=storage)
    assert len(nodes_of_index(index)) == len(leaves) < len(nodes)
    engine = index.as_query_engine(engine="rlm")
    assert [document.text for document in engine._context.core_context.documents] == [long_text]


@pytest.mark.parametrize("options", [{}, {"doc_ids": ["d0"]}], ids=["whole", "narrowed"])
@pytest.mark.parametrize("kind", [VectorStoreIndex, SummaryIndex])
async def test_an_engine_over_an_empty_index_answers_and_says_that_there_is_nothing(kind, options, scripted, documents):
    index = kind([])
    code = "```repl\nanswer['content'] = f'{len(context)} documents'\nanswer['ready'] = True\n```"
    with pytest.warns(UserWarning, match=f"{kind.__name__}: it holds no nodes, so this engine answers over an empty"):
        engine = index.as_query_engine(engine="rlm", llm=scripted(always=lambda messages: code), **options)
    for response in (engine.query("q?"), await engine.aquery("q?")):
        assert (response.response, response.source_nodes) == ("0 documents", [])
    index.insert(documents[0])
    assert len(index.as_query_engine(engine="rlm", **options)._context.core_context.documents) == 1


@pytest.mark.parametrize("kind", [VectorStoreIndex, SummaryIndex])
async def test_an_engine_says_once_that_its_index_has_changed_since_it_was_read(kind, scripted, documents):
    index = kind.from_documents(documents[:2])
    code = "```repl\nanswer['content'] = f'{len(context)} documents'\nanswer['ready'] = True\n```"
    engine = index.as_query_engine(engine="rlm", llm=scripted(always=lambda messages: code))
    assert engine.query("q?").response == "2 documents"
    index.insert(documents[2])
    with pytest.warns(UserWarning, match=rf"{kind.__name__}: its nodes have changed .* \(2 then, 3 now\)"):
        assert (await engine.aquery("q?")).response == "2 documents"
    assert engine.query("q?").response == "2 documents"
    assert pickle.loads(pickle.dumps(engine._context)).core_context.documents == engine._context.core_context.documents
    index.delete_ref_doc(documents[0].doc_id)
    with pytest.warns(UserWarning, match=r"\(3 then, 2 now\)"):
        engine.query("q?")


def test_nodes_stored_on_purpose_serve_an_index_loaded_without_saying_so(documents):
    storage = StorageContext.from_defaults(vector_store=ClosedStore(kept={}))
    built = VectorStoreIndex.from_documents(documents, storage_context=storage, store_nodes_override=True)
    loaded = VectorStoreIndex(index_struct=built.index_struct, storage_context=storage)
    assert texts(loaded) == [document.text for document in documents]


def test_a_graph_store_that_cannot_list_is_an_error(build_index, documents):
    class Closed(SimplePropertyGraphStore):
        def get(self, properties=None, ids=None):
            raise NotImplementedError("no listing here")

    index = build_index("property_graph", documents)
    index.storage_context.property_graph_store = Closed(graph=index.property_graph_store.graph)
    with pytest.raises(InvalidArgumentError, match=r"PropertyGraphIndex: Closed cannot list its chunks"):
        nodes_of_index(index)


def test_a_store_that_keeps_text_is_listed_in_document_order(documents, long_text):
    storage = StorageContext.from_defaults(vector_store=TextStore(kept={}))
    index = VectorStoreIndex.from_documents(
        [*documents, Document(text=long_text, doc_id="a-ledger")], storage_context=storage
    )
    assert not index.docstore.docs
    storage.vector_store.kept = dict(reversed(storage.vector_store.kept.items()))
    nodes = nodes_of_index(index)
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
        nodes_of_index(index)


def test_a_store_that_takes_a_limit_and_keeps_to_its_cap_is_possibly_truncated(documents):
    class Capped(TextStore):
        def get_nodes(self, node_ids=None, filters=None, limit=None):
            return super().get_nodes()[: min(limit or 10_000, 10_000)]

    store = Capped(kept={})
    index = VectorStoreIndex.from_documents(documents, storage_context=StorageContext.from_defaults(vector_store=store))
    store.kept = {str(i): TextNode(id_=str(i), text="x") for i in range(10_001)}
    with pytest.raises(InvalidArgumentError, match="Capped listed 10,000 nodes, a cap, so possibly truncated"):
        nodes_of_index(index)


def test_a_chunk_whose_next_one_is_not_listed_is_told(documents, long_text):
    store = TextStore(kept={})
    storage = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex.from_documents([*documents, Document(text=long_text)], storage_context=storage)
    del store.kept[next(node_id for node_id, node in store.kept.items() if node.prev_node is not None)]
    count = len(store.kept)
    with pytest.warns(UserWarning, match=f"1 of the {count} nodes that TextStore listed name a next chunk") as caught:
        index.as_query_engine(engine="rlm")
    assert [warning.filename for warning in caught] == [__file__]


def test_nodes_missing_from_the_docstore_are_an_error(documents):
    index = SummaryIndex.from_documents(documents)
    index.docstore.delete_document(next(iter(index.docstore.docs)))
    with pytest.raises(InvalidArgumentError, match="1 of its 5 nodes are missing"):
        nodes_of_index(index)


def test_an_index_loaded_without_its_docstore_is_an_error_that_says_how_to_load_it(build_index, documents):
    struct = build_index("vector", documents).index_struct
    loaded = VectorStoreIndex(index_struct=struct, storage_context=StorageContext.from_defaults())
    with pytest.raises(InvalidArgumentError, match=r"5 of its 5 nodes are missing.*persist_dir=.*documents= or nodes="):
        nodes_of_index(loaded)


@pytest.mark.parametrize(
    "kind", ["vector", "summary", "tree", "keyword", "knowledge_graph", "property_graph", "document_summary"]
)
def test_an_index_kept_on_disk_and_loaded_again_holds_the_same(kind, build_index, documents, tmp_path):
    index = build_index(kind, documents)
    index.storage_context.persist(str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # KnowledgeGraphIndex, at each construction
        loaded = load_index_from_storage(
            StorageContext.from_defaults(persist_dir=str(tmp_path)), **LOADING.get(kind, {})
        )
    assert texts(loaded) == texts(index)


def test_a_property_graph_whose_docstore_is_elsewhere(build_index, documents):
    store = build_index("property_graph", documents).property_graph_store
    index = PropertyGraphIndex.from_existing(property_graph_store=store, use_async=False)
    assert not index.docstore.docs
    assert texts(index) == [document.text for document in documents]
