"""Filters that a store applies before its nodes are read: the same nodes come as if all had been read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import BaseNode, TextNode
from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.simple import SimpleVectorStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from rlm_integrations.llama_index.index_nodes import each_node_of_index
from rlm_integrations.llama_index.node_selection import NodeSelection
from rlm_integrations.llama_index.store_filters import narrowing

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant:UserWarning")

VALUES = [7, 7.0, "7", 0, 1, 0.0, 1.0, True, False, "a", "A", "", "a'b", 2**60, -3, None]
ROWS = [{"k": value} for value in VALUES if value is not None] + [
    {"k": "a", "other": "x"},
    {"other": "y"},
    {"a.b": "a"},
]


def chroma(folder: Path) -> BasePydanticVectorStore:
    import chromadb
    from llama_index.vector_stores.chroma import ChromaVectorStore

    client = chromadb.PersistentClient(str(folder), settings=chromadb.Settings(anonymized_telemetry=False))
    return ChromaVectorStore(chroma_collection=client.get_or_create_collection("corpus"))


def qdrant(folder: Path) -> BasePydanticVectorStore:
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    return QdrantVectorStore("corpus", client=QdrantClient(":memory:"))


@pytest.fixture(scope="module", params=[chroma, qdrant], ids=lambda open_store: open_store.__name__)
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VectorStoreIndex:
    from uuid import UUID

    from llama_index.core.embeddings.mock_embed_model import MockEmbedding

    store = request.param(tmp_path_factory.mktemp("store"))
    nodes = [TextNode(id_=str(UUID(int=n)), text=f"Row {n}.", metadata=row) for n, row in enumerate(ROWS)]
    storage = StorageContext.from_defaults(vector_store=store)
    return VectorStoreIndex(nodes, storage_context=storage, embed_model=MockEmbedding(4))


@pytest.fixture(scope="module")
def everything(index) -> list[BaseNode]:
    return [*each_node_of_index(index)]


def one(value: object, operator: FilterOperator = FilterOperator.EQ, key: str = "k") -> MetadataFilter:
    return MetadataFilter(key=key, value=value, operator=operator)


SINGLE = [
    *[one(value) for value in VALUES if not isinstance(value, bool) and value is not None],
    one(["a", "7"], FilterOperator.IN),
    one([7, -3], FilterOperator.IN),
    one([], FilterOperator.IN),
    one("a", FilterOperator.NE),
    one(["a", "A"], FilterOperator.NIN),
    one(None, FilterOperator.IS_EMPTY),
    one("a", key="a.b"),
]


@pytest.mark.parametrize("condition", [None, *FilterCondition])
@pytest.mark.parametrize("first", SINGLE, ids=lambda each: f"{each.key} {each.operator.value} {each.value!r}")
@pytest.mark.parametrize("second", [one("x", key="other"), one("x", FilterOperator.NE, key="other")], ids=["eq", "ne"])
def test_the_nodes_are_those_that_pass_in_python(index, everything, condition, first, second):
    parts = [first] if condition is None else [first, MetadataFilters(filters=[second])]
    filters = MetadataFilters(filters=parts, condition=condition or FilterCondition.AND)
    selection = NodeSelection(filters)
    expected = [node.node_id for node in everything if selection.passes(node)]
    listed = [*each_node_of_index(index, filters)]
    assert [node.node_id for node in listed if selection.passes(node)] == expected


@pytest.mark.parametrize("value", ["a", 7, 0, ["a", "A"]])
def test_the_store_lists_no_more_than_it_must(index, value, monkeypatch):
    asked: list[int] = []
    list_nodes = type(index.vector_store).get_nodes

    def counted(self, node_ids=None, filters=None, **kwargs):
        nodes = list_nodes(self, node_ids, filters=filters, **kwargs)
        asked.append(len(nodes))
        return nodes

    monkeypatch.setattr(type(index.vector_store), "get_nodes", counted)
    filters = MetadataFilters(filters=[one(value, FilterOperator.IN if isinstance(value, list) else FilterOperator.EQ)])
    engine = index.as_query_engine(engine="rlm", filters=filters)
    (count,) = asked
    assert len(engine._context.core_context.documents) == count < len(ROWS)


def test_where_no_node_passes_it_says_of_how_many(index):
    with pytest.warns(UserWarning, match=f"filters: none of the {len(ROWS)} nodes passes"):
        index.as_query_engine(engine="rlm", filters=MetadataFilters(filters=[one("nobody")]))


class PGVectorStore(SimpleVectorStore):
    """Of that name, by which it is known."""


class MilvusVectorStore(SimpleVectorStore):
    text_key: str = "body"


WRITING = [PGVectorStore, MilvusVectorStore]
"""Those that write a value into the text of a query: Postgres' runs what stands behind a quote as SQL."""


def sent(store: type[BasePydanticVectorStore], *conditions: MetadataFilter, condition=FilterCondition.AND) -> object:
    narrowed = narrowing(MetadataFilters(filters=[*conditions], condition=condition), store())
    return None if narrowed is None else [(each.key, each.value) for each in narrowed.filters]


@pytest.mark.parametrize("store", WRITING)
@pytest.mark.parametrize("value", ["x'; drop table data_notes; --", "O'Neil", 'a"b', "ends with \\"])
def test_what_would_not_stay_a_value_is_not_sent(store, value):
    assert sent(store, one(value)) is None
    assert sent(store, one(["a", value], FilterOperator.IN)) is None
    assert sent(store, one("ann", key="owner"), one(value)) == [("owner", "ann")]
    assert sent(store, one("ann", key="owner"), one(value), condition=FilterCondition.OR) is None
    assert sent(store, one("a", key=value)) is None


@pytest.mark.parametrize("store", WRITING)
@given(value=st.text())
def test_a_text_that_is_sent_can_end_no_quotation(store, value):
    assert sent(store, one(value)) == (None if set(value) & set("'\"\\") else [("k", value)])


def test_of_milvus_columns_and_numbers_it_is_not_asked():
    assert sent(MilvusVectorStore, one("a", key="body")) is None
    assert sent(MilvusVectorStore, one("a", key="id")) is None
    assert sent(MilvusVectorStore, one(7)) is None
    assert sent(PGVectorStore, one("a", key="body")) == [("body", "a")]
    assert sent(PGVectorStore, one(7)) == [("k", 7.0)]
