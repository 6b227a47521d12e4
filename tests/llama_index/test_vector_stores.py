"""Indexes over stores that keep the text themselves: a real Chroma, LanceDB and Qdrant, on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.embeddings.mock_embed_model import MockEmbedding
from llama_index.core.instrumentation.events.query import QueryEndEvent
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.llama_index.index_nodes import each_node_of_index

# What the stores do to their own libraries; nothing of it passes through this package.
pytestmark = [
    pytest.mark.filterwarnings(r"ignore:table_names\(\) is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant:UserWarning"),
]
ANN = MetadataFilters(filters=[MetadataFilter(key="owner", value="ann")])


def chroma(folder: Path) -> BasePydanticVectorStore:
    import chromadb
    from llama_index.vector_stores.chroma import ChromaVectorStore

    client = chromadb.PersistentClient(str(folder), settings=chromadb.Settings(anonymized_telemetry=False))
    return ChromaVectorStore(chroma_collection=client.get_or_create_collection("corpus"))


def lancedb(folder: Path) -> BasePydanticVectorStore:
    from llama_index.vector_stores.lancedb import LanceDBVectorStore

    return LanceDBVectorStore(uri=str(folder))


def qdrant(folder: Path) -> BasePydanticVectorStore:
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    return QdrantVectorStore("corpus", client=QdrantClient(":memory:"))


OpenStore = Callable[[Path], BasePydanticVectorStore]


@pytest.fixture(scope="module", params=[chroma, lancedb, qdrant], ids=lambda open_store: open_store.__name__)
def open_store(request: pytest.FixtureRequest) -> OpenStore:
    """Two on disk, Qdrant in memory."""
    return request.param


def index_in(store: BasePydanticVectorStore, documents: list[Document], **options: Any) -> VectorStoreIndex:
    storage = StorageContext.from_defaults(vector_store=store)
    return VectorStoreIndex.from_documents(documents, storage_context=storage, **options)


@pytest.fixture(scope="module")
def index(open_store: OpenStore, new_documents, long_text: str, splitter, tmp_path_factory) -> VectorStoreIndex:
    """Five short documents of two owners, and the ledger. All tests have the same one, and change nothing."""
    ledger = Document(text=long_text, doc_id="ledger", metadata={"key": "k"}, excluded_llm_metadata_keys=["key"])
    documents = [*reversed(new_documents()), ledger]
    store = open_store(tmp_path_factory.mktemp("store"))
    return index_in(store, documents, embed_model=MockEmbedding(8), transformations=[splitter])


def corpus_of(engine: RLMQueryEngine) -> dict[str, tuple[str, dict[str, Any]]]:
    return {doc.id: (doc.text, dict(doc.metadata)) for doc in engine._context.core_context.documents}


def test_the_corpus_is_the_documents_themselves(index, documents, long_text):
    assert not index.docstore.docs
    assert len([*each_node_of_index(index)]) > 20
    corpus = corpus_of(index.as_query_engine(engine="rlm"))
    assert corpus == {doc.doc_id: (doc.text, doc.metadata) for doc in documents} | {"ledger": (long_text, {})}
    assert list(corpus) == ["d0", "d1", "d2", "d3", "d4", "ledger"]


def test_an_index_opened_on_a_store_that_was_filled_before(index):
    opened = VectorStoreIndex.from_vector_store(index.vector_store)
    assert corpus_of(opened.as_query_engine(engine="rlm")) == corpus_of(index.as_query_engine(engine="rlm"))


def test_the_answers_sources_are_nodes_of_the_store_that_travel_as_json(index, finding_llm):
    response = index.as_query_engine(engine="rlm", llm=finding_llm()).query("What is the passphrase?")
    assert response.response == "heliotrope under glass"
    assert {source.node.ref_doc_id for source in response.source_nodes} == {"ledger"}
    assert all("heliotrope under glass" in source.text for source in response.source_nodes)
    assert {source.node_id for source in response.source_nodes} < {
        node.node_id for node in [*each_node_of_index(index)]
    }
    event = json.loads(QueryEndEvent(query="q?", response=response).model_dump_json())
    assert event["response"]["source_nodes"][0]["node"]["embedding"] is None


def test_filters_keep_owners_apart(index):
    assert list(corpus_of(index.as_query_engine(engine="rlm", filters=ANN))) == ["d0", "d1"]
    assert list(corpus_of(index.as_query_engine(engine="rlm", doc_ids=["d1", "d4"]))) == ["d1", "d4"]


def test_filters_keep_owners_apart_where_the_retriever_is_the_corpus(index, scripted):
    code = "```repl\nanswer['content'] = sorted(d['metadata']['i'] for d in context)\nanswer['ready'] = True\n```"
    engine = index.as_query_engine(engine="rlm", corpus="retriever", filters=ANN, llm=scripted([code]))
    response = engine.query("Who met Bob?")
    assert response.response == "[0, 1]"
    assert sorted(source.node.ref_doc_id for source in response.source_nodes) == ["d0", "d1"]
    assert all(source.score is not None for source in response.source_nodes)
    assert json.loads(QueryEndEvent(query="q?", response=response).model_dump_json())


def test_a_deleted_document_is_gone(open_store, documents, tmp_path):
    store = open_store(tmp_path)
    index = index_in(store, [*reversed(documents), Document(text="A ledger.", doc_id="ledger")])
    if type(store).__name__ == "LanceDBVectorStore":
        store.table.delete("doc_id = 'd3'")  # its own `delete` quotes the id as LanceDB quotes a column
    else:
        index.delete_ref_doc("d3")
    assert list(corpus_of(index.as_query_engine(engine="rlm"))) == ["d0", "d1", "d2", "d4", "ledger"]


def test_an_empty_store_is_loud(open_store, tmp_path):
    store = open_store(tmp_path)
    index = VectorStoreIndex.from_vector_store(store)
    if type(store).__name__ == "ChromaVectorStore":  # the others have no table yet
        with pytest.warns(UserWarning, match="VectorStoreIndex: it holds no nodes"):
            assert corpus_of(index.as_query_engine(engine="rlm")) == {}
        return
    with pytest.raises(InvalidArgumentError, match=r"this VectorStoreIndex: .*documents= or nodes="):
        index.as_query_engine(engine="rlm")


def test_a_store_is_asked_for_what_its_listing_leaves_out(monkeypatch):
    store = qdrant(Path())
    store.add([TextNode(id_=str(UUID(int=n)), text=f"Note {n}.", embedding=[0.0, 1.0]) for n in range(10_000)])
    listed: list[int] = []
    list_nodes = type(store).get_nodes

    def counted(self: BasePydanticVectorStore, *arguments: Any, limit: int | None = None, **keywords: Any):
        nodes = list_nodes(self, *arguments, limit=limit, **keywords)
        listed.append(len(nodes))
        return nodes

    monkeypatch.setattr(type(store), "get_nodes", counted)
    assert len([*each_node_of_index(VectorStoreIndex.from_vector_store(store))]) == 10_000
    assert listed == [9_999, 10_000]
