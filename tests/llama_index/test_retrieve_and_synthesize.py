"""`retrieve` and `synthesize`: what LlamaIndex's composed engines ask of a query engine in two halves."""

from __future__ import annotations

import pytest
from llama_index.core import ComposableGraph, Document, Settings, StorageContext, SummaryIndex, VectorStoreIndex
from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import ComposableGraphQueryEngine
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from rlm_integrations.llama_index import RLMQueryEngine

BUNDLE = QueryBundle("How many documents are there?")
ALL = (
    "```repl\nprint(context)\n"
    "answer['content'] = '|'.join(d['text'] for d in context) or 'nothing'\nanswer['ready'] = True\n```"
)
BOTH_PATHS = pytest.mark.parametrize("path", ["sync", "async"])


@pytest.fixture
def llm(scripted):
    """Its answer is the whole corpus."""
    return scripted(always=lambda messages: ALL)


@pytest.fixture
def nodes():
    return [TextNode(id_=f"n{i}", text=f"Node {i}.", metadata={"owner": "ann"}) for i in range(3)]


async def synthesize(engine, path, nodes, *more):
    if path == "sync":
        return engine.synthesize(BUNDLE, nodes, *more)
    return await engine.asynthesize(BUNDLE, nodes, *more)


def scored(nodes):
    return [NodeWithScore(node=node, score=0.5) for node in nodes]


@BOTH_PATHS
async def test_of_a_corpus_that_was_read_whole_all_nodes_are_given(path, nodes, llm):
    engine = RLMQueryEngine.from_nodes(nodes, llm=llm)
    given = engine.retrieve(BUNDLE)
    assert given == [NodeWithScore(node=node) for node in nodes]
    for hits in (given, []):
        assert str(await synthesize(engine, path, hits)) == "Node 0.|Node 1.|Node 2."
    assert BUNDLE.query_str in llm.requests[0][-1].content


def test_all_nodes_that_were_retrieved_are_the_corpus_as_it_was_read(long_text, splitter, llm):
    """Chunks that overlap are one document, as for a query, though another one of them may be changed."""
    chunks = splitter.get_nodes_from_documents([Document(text=long_text, doc_id="ledger")])
    engine = RLMQueryEngine.from_nodes(chunks, llm=llm)
    hits = engine.retrieve(BUNDLE)
    assert engine._context.over(hits, ()).core_context is engine._context.core_context
    assert str(engine.synthesize(BUNDLE, hits)) == long_text
    hits[0].node.set_content("Changed.")
    assert str(engine.synthesize(BUNDLE, hits)).startswith("Changed.")


@BOTH_PATHS
async def test_nodes_that_are_given_are_the_corpus(path, nodes, llm):
    engine = RLMQueryEngine.from_nodes(nodes, llm=llm)
    response = await synthesize(engine, path, scored(nodes[1:2]))
    assert str(response) == "Node 1."
    assert [(source.node_id, source.score) for source in response.source_nodes] == [("n1", 0.5)]
    assert str(engine.query("And now?")) == "Node 0.|Node 1.|Node 2."


@BOTH_PATHS
async def test_hits_of_a_retriever_are_what_is_answered_over(path, documents, llm):
    retriever = VectorStoreIndex.from_documents(documents).as_retriever(similarity_top_k=3)
    engine = RLMQueryEngine.from_retriever(retriever, llm=llm)
    hits = engine.retrieve(BUNDLE)
    assert [hit.node_id for hit in hits] == [hit.node_id for hit in retriever.retrieve(BUNDLE)]
    assert all(hit.score is not None for hit in hits)
    response = await synthesize(engine, path, hits[:2])
    assert str(response) == "|".join(hit.text for hit in hits[:2])
    assert {source.node_id for source in response.source_nodes} == {hit.node_id for hit in hits[:2]}
    assert "retrieve(" not in llm.requests[0][-1].content


@BOTH_PATHS
async def test_where_all_hits_were_dropped_there_is_nothing_to_read(path, documents, llm):
    """They may have been dropped because the user must not see them."""
    engine = RLMQueryEngine.from_retriever(VectorStoreIndex.from_documents(documents).as_retriever(), llm=llm)
    assert str(await synthesize(engine, path, [])) == "nothing"


def test_hits_went_through_selection_and_postprocessors(documents, llm):
    from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

    index = VectorStoreIndex.from_documents(documents)
    narrowed = MetadataFilters(filters=[MetadataFilter(key="owner", value="ann")])
    engine = index.as_query_engine(engine="rlm", corpus="retriever", llm=llm, filters=narrowed)
    assert {hit.metadata["owner"] for hit in engine.retrieve(BUNDLE)} == {"ann"}
    dropping = [SimilarityPostprocessor(similarity_cutoff=2.0)]
    engine = index.as_query_engine(engine="rlm", corpus="retriever", llm=llm, node_postprocessors=dropping)
    assert engine.retrieve(BUNDLE) == []


@BOTH_PATHS
async def test_sources_that_are_given_come_after_those_that_were_found_each_once(path, nodes, llm):
    engine = RLMQueryEngine.from_nodes(nodes, llm=llm)
    more = scored([nodes[0], TextNode(id_="deep", text="Deeper.", metadata={"file": "a.txt"})])
    response = await synthesize(engine, path, scored(nodes[:2]), more)
    assert [source.node_id for source in response.source_nodes] == ["n0", "n1", "deep"]
    assert response.metadata["deep"] == {"file": "a.txt"}


async def test_what_is_synthesized_is_streamed_where_the_engine_streams(nodes, llm):
    engine = RLMQueryEngine.from_nodes(nodes, llm=llm, streaming=True)
    assert isinstance(engine.synthesize(BUNDLE, scored(nodes)), StreamingResponse)
    assert isinstance(await engine.asynthesize(BUNDLE, scored(nodes)), AsyncStreamingResponse)


@pytest.fixture
def children(documents):
    return [SummaryIndex.from_documents(documents[:2]), VectorStoreIndex.from_documents(documents[2:])]


@pytest.fixture
def graph(children):
    """A graph whose root retrieves what stands for its two indexes."""
    Settings.llm = MockLLM()
    summaries = ["the first", "the others"]
    return ComposableGraph.from_indices(
        SummaryIndex, children, index_summaries=summaries, storage_context=StorageContext.from_defaults()
    )


@BOTH_PATHS
async def test_children_of_a_graph(path, graph, children, scripted):
    code = "```repl\ncite(context[0]['text'])\nanswer['content'] = f'{len(context)} there'\nanswer['ready'] = True\n```"
    child_llms = [scripted([code]) for _ in children]
    custom = {
        child.index_id: child.as_query_engine(engine="rlm", llm=llm)
        for child, llm in zip(children, child_llms, strict=True)
    }
    root_llm = scripted(["5 in all"])
    engine = graph.as_query_engine(custom_query_engines=custom, llm=root_llm)
    assert isinstance(engine, ComposableGraphQueryEngine)
    response = engine.query(BUNDLE) if path == "sync" else await engine.aquery(BUNDLE)
    assert str(response) == "5 in all"
    assert "2 there" in root_llm.requests[0][-1].content
    assert "3 there" in root_llm.requests[0][-1].content
    assert {"Doc 0. Alice met Bob number 0.", "Doc 2. Alice met Bob number 2."} <= {
        source.text for source in response.source_nodes
    }


def test_a_root_that_was_read_whole_asks_its_children(graph, children, llm):
    with pytest.warns(UserWarning, match="IndexNodes point at"):
        root = graph.root_index.as_query_engine(engine="rlm", llm=llm)
    custom = {child.index_id: child.as_query_engine(engine="rlm", llm=llm) for child in children}
    response = graph.as_query_engine(custom_query_engines={graph.root_id: root, **custom}).query(BUNDLE)
    assert str(response) == "|".join(f"Doc {i}. Alice met Bob number {i}." for i in range(5))


def test_a_root_over_its_retriever_asks_its_children(graph, children, llm, scripted):
    Settings.llm = MockLLM()
    root = RLMQueryEngine.from_retriever(graph.root_index.as_retriever(), llm=llm)
    custom = {child.index_id: child.as_query_engine(engine="rlm", llm=llm) for child in children}
    response = graph.as_query_engine(custom_query_engines={graph.root_id: root, **custom}).query(BUNDLE)
    assert str(response) == "|".join(f"Doc {i}. Alice met Bob number {i}." for i in range(5))


def test_a_text_is_one_node(scripted):
    llm = scripted(always=lambda messages: "```repl\nanswer['content'] = context\nanswer['ready'] = True\n```")
    engine = RLMQueryEngine(llm=llm, context="One.")
    hits = engine.retrieve(BUNDLE)
    assert [hit.text for hit in hits] == ["One."]
    assert str(engine.synthesize(BUNDLE, hits)) == "One."
    assert str(engine.synthesize(BUNDLE, [])) == "One."
