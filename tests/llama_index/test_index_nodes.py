"""An index of any kind holds exactly the nodes of its documents."""

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

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index.index_nodes import each_node_of_index

from .stores import ClosedStore, texts

LOADING = {"property_graph": {"kg_extractors": [ImplicitPathExtractor()], "use_async": False}}
"""What an index cannot be loaded without offline."""


def test_every_kind_of_index_holds_exactly_its_documents(index_kind, build_index, documents):
    assert texts(build_index(index_kind, documents)) == [document.text for document in documents]


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
    assert len([*each_node_of_index(tree)]) == len(documents)


def test_of_a_hierarchy_the_indexed_leaves_are_the_corpus(long_text):
    parser = HierarchicalNodeParser.from_defaults(chunk_sizes=[2048, 512])
    nodes = parser.get_nodes_from_documents([Document(text=long_text)])
    storage = StorageContext.from_defaults()
    storage.docstore.add_documents(nodes)
    leaves = get_leaf_nodes(nodes)
    index = VectorStoreIndex(leaves, storage_context=storage)
    assert len([*each_node_of_index(index)]) == len(leaves) < len(nodes)
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
        [*each_node_of_index(index)]


def test_nodes_missing_from_the_docstore_are_an_error(documents):
    index = SummaryIndex.from_documents(documents)
    index.docstore.delete_document(next(iter(index.docstore.docs)))
    with pytest.raises(InvalidArgumentError, match="1 of its 5 nodes are missing"):
        [*each_node_of_index(index)]


def test_an_index_loaded_without_its_docstore_is_an_error_that_says_how_to_load_it(build_index, documents):
    struct = build_index("vector", documents).index_struct
    loaded = VectorStoreIndex(index_struct=struct, storage_context=StorageContext.from_defaults())
    with pytest.raises(InvalidArgumentError, match=r"5 of its 5 nodes are missing.*persist_dir=.*documents= or nodes="):
        [*each_node_of_index(loaded)]


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
