"""What stands behind an IndexNode is the corpus, as it is what a retriever gives; or it is said that it is not."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core import Document, SummaryIndex, VectorStoreIndex
from llama_index.core.node_parser import MarkdownElementNodeParser
from llama_index.core.schema import IndexNode, NodeWithScore, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

from rlm_integrations.llama_index import RLMQueryEngine

TABLE = "| part | qty |\n|---|---|\n| gear | 15 |"


def corpus_of(engine: RLMQueryEngine) -> list[str]:
    return [document.text for document in engine._context.core_context.documents]


def pointer(behind: object = None, **metadata: object) -> IndexNode:
    return IndexNode(text="A table of parts.", index_id="t", obj=behind, metadata=metadata)


@pytest.mark.parametrize("kind", [VectorStoreIndex, SummaryIndex])
@pytest.mark.parametrize(
    "behind",
    [
        TextNode(text=TABLE, id_="t"),
        NodeWithScore(node=TextNode(text=TABLE, id_="t"), score=0.5),
        IndexNode(text="A pointer at it.", index_id="u", obj=TextNode(text=TABLE, id_="t")),
    ],
    ids=["node", "hit", "row"],
)
def test_the_node_behind_an_index_node_is_the_corpus(kind, behind, scripted):
    index = kind(nodes=[TextNode(text="Parts are listed below.")], objects=[pointer(behind)])
    code = "```repl\ncite('| gear | 15 |')\nanswer['content'] = '15'\nanswer['ready'] = True\n```"
    engine = index.as_query_engine(engine="rlm", llm=scripted([code]))
    assert corpus_of(engine) == ["Parts are listed below.", TABLE]
    assert [source.node_id for source in engine.query("How many gears?").source_nodes] == ["t"]


def test_tables_that_a_parser_put_behind_summaries_are_read():
    text = f"# Stock\n\nParts are listed below.\n\n{TABLE}\n| wheel | 7 |\n\nThat is all."
    parser = MarkdownElementNodeParser(show_progress=False)
    with asyncio.Runner() as runner:
        runner.get_loop()  # the parser asks for the thread's own, which not every Python makes without a warning
        nodes, objects = parser.get_nodes_and_objects(parser.get_nodes_from_documents([Document(text=text)]))
    assert objects
    text_of_all = "\n".join(corpus_of(VectorStoreIndex(nodes=nodes, objects=objects).as_query_engine(engine="rlm")))
    assert all(word in text_of_all for word in ("gear", "15", "wheel", "7", "That is all."))


def test_nodes_with_objects_are_read_without_an_index():
    assert corpus_of(RLMQueryEngine.from_nodes([pointer(TextNode(text=TABLE))])) == [TABLE]


def test_what_is_behind_is_seen_where_the_index_node_is():
    ann, bo = (TextNode(text=f"The table of {name}.") for name in ("ann", "bo"))
    nodes = [IndexNode(text="A.", index_id="a", obj=ann, metadata={"owner": "ann"})]
    nodes.append(IndexNode(text="B.", index_id="b", obj=bo, metadata={"owner": "bo"}))
    index = VectorStoreIndex(nodes=[], objects=nodes)
    filters = MetadataFilters(filters=[MetadataFilter(key="owner", value="ann")])
    assert corpus_of(index.as_query_engine(engine="rlm", filters=filters)) == ["The table of ann."]


def test_an_engine_or_a_retriever_behind_an_index_node_is_said_to_be_left_out(documents):
    inner = VectorStoreIndex(documents)
    objects = [
        IndexNode(text="The engine.", index_id="e", obj=inner.as_query_engine()),
        IndexNode(text="The retriever.", index_id="r", obj=inner.as_retriever()),
    ]
    index = VectorStoreIndex(nodes=[], objects=objects)
    told = r"behind 2 of the 2 IndexNodes stands no text \(RetrieverQueryEngine, VectorIndexRetriever\).*corpus=\"retr"
    with pytest.warns(UserWarning, match=told):
        assert corpus_of(index.as_query_engine(engine="rlm")) == ["The engine.", "The retriever."]


def test_an_index_node_whose_object_is_gone_is_said_to_be_a_mere_pointer():
    with pytest.warns(UserWarning, match=r"what 1 of the 1 IndexNodes point at \(`index_id`\) is not here"):
        assert corpus_of(RLMQueryEngine.from_nodes([pointer()])) == ["A table of parts."]
    assert corpus_of(RLMQueryEngine.from_nodes([pointer(), TextNode(text=TABLE, id_="t")])) == [
        "A table of parts.",
        TABLE,
    ]
