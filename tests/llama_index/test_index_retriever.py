"""`corpus="retriever"`: an index whose store cannot list its nodes, answered from its own retriever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from llama_index.core import Document, SQLDatabase, StorageContext, SummaryIndex, VectorStoreIndex
from llama_index.core.indices import EmptyIndex, SQLStructStoreIndex
from llama_index.core.postprocessor import PrevNextNodePostprocessor, SimilarityPostprocessor
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from sqlalchemy import create_engine, text

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index import RLMQueryEngine

from .stores import ClosedStore

ANN = MetadataFilters(filters=[MetadataFilter(key="owner", value="ann")])
IDS = "```repl\nanswer['content'] = sorted(d['metadata']['i'] for d in context)\nanswer['ready'] = True\n```"
MORE = (
    "```repl\nfirst = len(context)\nfor word in ('one', 'two'):\n    retrieve(word)\n"
    "answer['content'] = [first, sorted(d['metadata']['i'] for d in context)]\nanswer['ready'] = True\n```"
)


class Unlisted(ClosedStore):
    """It finds by similarity."""

    def query(self, query, **kwargs):
        query.node_ids = query.node_ids or None  # empty where the store keeps the text, and meant as no restriction
        found = super().query(query, **kwargs)
        found.nodes = [self.kept[node_id] for node_id in found.ids]
        return found


class Forgetful(Unlisted):
    """It passes over what narrows a query, as some stores do with a part of it."""

    def query(self, query, **kwargs):
        query.filters = query.doc_ids = None
        return super().query(query, **kwargs)


@pytest.fixture(params=[Unlisted, Forgetful])
def index(request, documents) -> VectorStoreIndex:
    storage = StorageContext.from_defaults(vector_store=request.param(kept={}))
    return VectorStoreIndex.from_documents(documents, storage_context=storage)


async def test_an_index_that_cannot_be_listed_answers_from_its_retriever(index, scripted):
    engine = index.as_query_engine(engine="rlm", corpus="retriever", llm=scripted([IDS, IDS]))
    for response in (engine.query("Who met Bob?"), await engine.aquery("Who met Bob?")):
        assert response.response == "[0, 1, 2, 3, 4]"
        assert len(response.source_nodes) == 5
        assert all(source.score is not None for source in response.source_nodes)


def test_similarity_top_k_is_of_each_retrieval(index, scripted):
    engine = index.as_query_engine(engine="rlm", corpus="retriever", similarity_top_k=1, llm=scripted([MORE]))
    assert engine.query("Who met Bob?").response.startswith("[1, ")


@pytest.mark.parametrize(
    ("narrowed", "expected"), [({"filters": ANN}, [0, 1]), ({"doc_ids": ["d1", "d3"]}, [1, 3]), ({"doc_ids": []}, [])]
)
async def test_no_hit_outside_the_selection_is_seen_whatever_the_store_does(index, scripted, narrowed, expected):
    llm = scripted([MORE, MORE])
    engine = index.as_query_engine(engine="rlm", corpus="retriever", llm=llm, **narrowed)
    for response in (engine.query("Who met Bob?"), await engine.aquery("Who met Bob?")):
        assert response.response == str([len(expected), expected])
        assert sorted(source.node.metadata["i"] for source in response.source_nodes) == expected
    shown = "\n".join(message.content for request in llm.requests for message in request)
    assert {i for i in range(5) if f"Bob number {i}" in shown} <= set(expected)


@pytest.mark.parametrize("kind", ["summary", "vector", "document_summary", "keyword"])
def test_the_selection_holds_for_every_kind_of_index(kind, build_index, documents, scripted):
    index = build_index(kind, documents)
    engine = index.as_query_engine(engine="rlm", corpus="retriever", filters=ANN, llm=scripted([IDS]))
    response = engine.query("Alice met Bob?")
    assert {source.node.metadata["i"] for source in response.source_nodes} <= {0, 1}
    assert response.response == str(sorted(source.node.metadata["i"] for source in response.source_nodes))


def test_postprocessors_cannot_bring_in_what_the_selection_keeps_out(scripted):
    nodes = [TextNode(id_=f"n{i}", text=f"Part {i}.", metadata={"i": i, "owner": "ann" if i else "bo"}) for i in (0, 1)]
    nodes[1].relationships = {"2": nodes[0].as_related_node_info()}
    index = VectorStoreIndex(nodes)
    before = PrevNextNodePostprocessor(docstore=index.docstore, mode="previous")
    options = {"corpus": "retriever", "node_postprocessors": [before], "similarity_top_k": 1}
    whole = index.as_query_engine(engine="rlm", llm=scripted([IDS]), **options | {"doc_ids": None})
    anns = index.as_query_engine(engine="rlm", llm=scripted([IDS]), filters=ANN, **options)
    assert anns.query("Part 1.").response == "[1]"
    assert "0" in whole.query("Part 1.").response


def test_postprocessors_are_applied_to_the_hits(index, scripted):
    cutoff = SimilarityPostprocessor(similarity_cutoff=2.0)
    engine = index.as_query_engine(engine="rlm", corpus="retriever", node_postprocessors=[cutoff], llm=scripted([IDS]))
    assert engine.query("Who?").response == "[]"


def test_only_what_has_no_meaning_is_ignored(index):
    with pytest.warns(UserWarning, match="does not use response_mode: it") as caught:
        engine = index.as_query_engine(
            engine="rlm", corpus="retriever", similarity_top_k=3, vector_store_kwargs={}, response_mode="refine"
        )
    assert len(caught) == 1
    assert isinstance(engine, RLMQueryEngine)


@pytest.fixture
def sql_index() -> Iterator[SQLStructStoreIndex]:
    """An index over a table."""
    database = create_engine("sqlite://")
    with database.begin() as connection:
        connection.execute(text("create table towns (name text primary key)"))
    yield SQLStructStoreIndex([], sql_database=SQLDatabase(database), table_name="towns")
    database.dispose()


def test_an_index_without_a_retriever_says_so(sql_index):
    for index in (EmptyIndex(), sql_index):
        name = type(index).__name__
        with pytest.raises(InvalidArgumentError, match=f'corpus: "retriever" given, and a {name} has no retriever'):
            index.as_query_engine(engine="rlm", corpus="retriever")
        with pytest.raises(InvalidArgumentError, match=f"cannot read the corpus of this {name}"):
            index.as_query_engine(engine="rlm")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"corpus": "retrievr"}, 'corpus: \'retrievr\' is unknown; pass "nodes" or "retriever"'),
        ({"corpus": "retriever", "node_ids": ["n"]}, "node_ids: cannot be retrieved by similarity.*nodes="),
        ({"corpus": "retriever", "sub_retrievers": []}, "sub_retrievers: cannot be honoured"),
        (
            {"corpus": "retriever", "documents": [Document(text="x")]},
            'documents and corpus="retriever": given together',
        ),
    ],
)
def test_wrong_arguments_are_refused(documents, arguments, problem):
    with pytest.raises(InvalidArgumentError, match=problem):
        SummaryIndex.from_documents(documents).as_query_engine(engine="rlm", **arguments)
