"""What `filters`, `doc_ids` and `node_ids` leave in the corpus."""

from __future__ import annotations

import pytest
from llama_index.core import SummaryIndex, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.llama_index.node_selection import NodeSelection

ANN = MetadataFilter(key="owner", value="ann")
LATE = MetadataFilter(key="i", value=3, operator=FilterOperator.GTE)


def seen(documents, **selection) -> list[int]:
    return [node.metadata["i"] for node in NodeSelection(**selection).of(documents)]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (MetadataFilters(filters=[ANN]), [0, 1]),
        (MetadataFilters(filters=[ANN, LATE], condition=FilterCondition.OR), [0, 1, 3, 4]),
        (MetadataFilters(filters=[ANN, LATE], condition=FilterCondition.NOT), [2]),
        (MetadataFilters(filters=[MetadataFilter(key="i", value=[1, 2], operator=FilterOperator.IN)]), [1, 2]),
        (MetadataFilters(filters=[MetadataFilter(key="doc_id", value="None")]), [0, 1, 2, 3, 4]),
        (MetadataFilters(filters=[]), [0, 1, 2, 3, 4]),
        (
            MetadataFilters(
                filters=[
                    MetadataFilters(filters=[ANN, LATE], condition=FilterCondition.OR),
                    MetadataFilter(key="i", value=4, operator=FilterOperator.NE),
                ]
            ),
            [0, 1, 3],
        ),
    ],
)
def test_filters(documents, filters, expected):
    assert seen(documents, filters=filters) == expected


def test_ids(documents):
    nodes = [*documents, TextNode(id_="n", text="x", metadata={"i": 9})]
    assert seen(nodes, doc_ids=["d1", "d4"]) == [1, 4]
    assert seen(nodes, node_ids=["n"]) == [9]
    assert seen(nodes, doc_ids=["d1", "d4"], filters=MetadataFilters(filters=[ANN])) == [1]


def test_only_the_selected_nodes_reach_the_corpus(documents):
    index = VectorStoreIndex.from_documents(documents)
    engine = index.as_query_engine(engine="rlm", filters=MetadataFilters(filters=[ANN]))
    assert [document.id for document in engine._context.core_context.documents] == ["d0", "d1"]


@pytest.mark.parametrize(
    ("selection", "problem"),
    [
        ({"doc_ids": "d1"}, "doc_ids: the str 'd1' given"),
        ({"filters": {"owner": "ann"}}, "filters: dict given"),
        (
            {
                "filters": MetadataFilters(
                    filters=[
                        MetadataFilters(
                            filters=[MetadataFilter(key="owner", value="joann", operator=FilterOperator.IN)]
                        )
                    ]
                )
            },
            r"filters: 'owner' in the str 'joann' would match parts of it; pass a list: value=\['joann'\]",
        ),
        (
            {"filters": MetadataFilters(filters=[MetadataFilter(key="owner", value=3, operator=FilterOperator.GT)])},
            "filters: 'owner' > 3 cannot be compared with the value 'ann'",
        ),
    ],
)
def test_a_wrong_selection_names_the_argument(documents, selection, problem):
    with pytest.raises(InvalidArgumentError, match=problem):
        RLMQueryEngine.from_nodes(documents, **selection)


def test_a_selection_over_a_retriever_or_plain_text_is_refused(documents):
    retriever = SummaryIndex.from_documents(documents).as_retriever()
    with pytest.raises(InvalidArgumentError, match=r"doc_ids: cannot be applied.*as_retriever\(doc_ids"):
        RLMQueryEngine.from_retriever(retriever, doc_ids=["d1"])
    with pytest.raises(InvalidArgumentError, match="doc_ids: need nodes, and context is str"):
        RLMQueryEngine(context="a plain text", doc_ids=["d1"])


def test_a_single_node_is_a_corpus_and_can_be_selected(documents):
    engine = RLMQueryEngine(context=documents[3], filters=MetadataFilters(filters=[LATE]))
    assert [document.id for document in engine._context.core_context.documents] == ["d3"]
