"""The event loop is never held up by reading a corpus: in a coroutine it is read when it is needed, in a thread."""

from __future__ import annotations

import asyncio
import base64
import copy
import pickle
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from llama_index.core import (
    ComposableGraph,
    PropertyGraphIndex,
    StorageContext,
    SummaryIndex,
    VectorStoreIndex,
)
from llama_index.core.embeddings.mock_embed_model import MockEmbedding
from llama_index.core.indices.empty.base import EmptyIndex
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.schema import ImageNode, NodeWithScore, QueryBundle, TextNode
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.tools import QueryEngineTool
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index import RLMQueryEngine

COUNT = "```repl\nanswer['content'] = f'{len(context)} documents'\nanswer['ready'] = True\n```"


class NotingStore(SimpleDocumentStore):
    """Notes the thread of each look at a document; may be closed, and may hold the first look up."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[threading.Thread] = []
        self.closed = False
        self.go = threading.Event()
        self.go.set()

    def get_document(self, doc_id, raise_error=True):
        self.readers.append(threading.current_thread())
        assert self.go.wait(30)
        if self.closed:
            raise ConnectionError("the store is closed")
        return super().get_document(doc_id, raise_error)


@pytest.fixture
def store() -> NotingStore:
    return NotingStore()


@pytest.fixture
def index(store, documents) -> VectorStoreIndex:
    storage = StorageContext.from_defaults(docstore=store)
    made = VectorStoreIndex(
        [TextNode(text=each.text, id_=each.doc_id, metadata=each.metadata) for each in documents],
        storage_context=storage,
        embed_model=MockEmbedding(embed_dim=4),
        store_nodes_override=True,
    )
    store.readers.clear()
    return made


@pytest.fixture
def options(scripted) -> dict:
    return {"llm": scripted(always=lambda messages: COUNT)}


def only_thread(store: NotingStore) -> threading.Thread:
    (thread,) = set(store.readers)
    return thread


async def test_in_a_coroutine_the_index_is_read_in_a_thread_at_the_first_query(index, store, options):
    engine = index.as_query_engine(engine="rlm", **options)
    assert store.readers == []
    assert (await engine.aquery("q?")).response == "5 documents"
    assert only_thread(store) is not threading.main_thread()
    assert len(store.readers) == 5
    assert (await engine.aquery("q?")).response == engine.query("q?").response == "5 documents"
    assert len(store.readers) == 5


async def test_the_loop_turns_while_the_corpus_is_read(index, store, options):
    store.go.clear()
    asking = asyncio.ensure_future(index.as_query_engine(engine="rlm", **options).aquery("q?"))
    while not store.readers:
        await asyncio.sleep(0)
    store.go.set()  # nobody but this loop can have done it
    assert (await asking).response == "5 documents"


def test_in_sync_code_it_is_read_when_the_engine_is_made(index, store, options):
    engine = index.as_query_engine(engine="rlm", **options)
    assert only_thread(store) is threading.current_thread()
    index.delete_ref_doc("d0")
    assert engine.query("q?").response == "5 documents"


async def test_afrom_index_reads_before_it_returns(index, store, options):
    engine = await RLMQueryEngine.afrom_index(index, **options)
    assert only_thread(store) is not threading.main_thread()
    store.closed = True
    assert (await engine.aquery("q?")).response == "5 documents"


async def test_queries_at_once_read_it_once(index, store, options):
    engine = index.as_query_engine(engine="rlm", **options)
    store.go.clear()
    asking = [asyncio.ensure_future(each.aquery("q?")) for each in (engine, engine, copy.copy(engine), engine)]
    other_loop = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(engine.aquery("q?"))))
    sync = asyncio.create_task(asyncio.to_thread(engine.query, "q?"))
    while not store.readers:
        await asyncio.sleep(0)
    asking[0].cancel()  # who gives up ends it for nobody
    store.go.set()
    responses = await asyncio.gather(*asking[1:], other_loop, sync)
    assert {response.response for response in responses} == {"5 documents"}
    assert len(store.readers) == 5


async def test_a_failure_is_told_to_all_who_waited_and_the_next_query_reads_again(index, store, options):
    engine = index.as_query_engine(engine="rlm", **options)
    store.closed = True
    told = await asyncio.gather(*(engine.aquery("q?") for _ in range(3)), return_exceptions=True)
    assert [str(each) for each in told] == ["the store is closed"] * 3
    with pytest.raises(ConnectionError, match="the store is closed"):
        engine.query("q?")
    store.closed = False
    assert (await engine.aquery("q?")).response == "5 documents"


async def test_a_sync_call_in_a_coroutine_reads_where_it_is_called(index, store, options):
    calls: list[Callable[[RLMQueryEngine], object]] = [
        lambda engine: engine.query("q?"),
        lambda engine: engine.retrieve(QueryBundle("q?")),
        lambda engine: engine.synthesize(QueryBundle("q?"), []),
    ]
    for call in calls:
        store.readers.clear()
        call(index.as_query_engine(engine="rlm", **options))
        assert only_thread(store) is threading.current_thread()


async def test_asynthesize_reads_in_a_thread_what_it_needs(index, store, options):
    engine = index.as_query_engine(engine="rlm", **options)
    given = [NodeWithScore(node=TextNode(text="Given."))]
    assert (await engine.asynthesize(QueryBundle("q?"), given)).response == "1 documents"
    assert store.readers == []
    assert (await engine.asynthesize(QueryBundle("q?"), [])).response == "5 documents"
    assert only_thread(store) is not threading.main_thread()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda engine: pickle.loads(pickle.dumps(engine))])
async def test_a_copy_holds_what_was_read(copied, documents, scripted):
    engine = SummaryIndex.from_documents(documents).as_query_engine(engine="rlm", llm=scripted([COUNT] * 2))
    other = copied(engine)
    assert (await other.aquery("q?")).response == (await engine.aquery("q?")).response == "5 documents"


async def test_filters_narrow_what_is_read_later(index, options):
    bo = MetadataFilters(filters=[MetadataFilter(key="owner", value="bo")])
    assert (await index.as_query_engine(engine="rlm", filters=bo, **options).aquery("q?")).response == "3 documents"
    nobody = MetadataFilters(filters=[MetadataFilter(key="owner", value="eve")])
    engine = index.as_query_engine(engine="rlm", filters=nobody, **options)
    with pytest.warns(UserWarning, match="filters: none of the 5 nodes passes"):
        assert (await engine.aquery("q?")).response == "Empty Response"


async def test_a_list_is_taken_as_it_was(documents, options):
    for context in (documents, [each.text for each in documents]):
        engine = RLMQueryEngine(context=context, **options)
        kept = context.copy()
        context.clear()
        assert (await engine.aquery("q?")).response == "5 documents"
        context += kept


async def test_whatever_may_be_long_is_read_in_a_thread(tmp_path, options):
    readers: list[threading.Thread] = []

    def rows():
        readers.append(threading.current_thread())
        yield from ("one", "two", "three")

    (tmp_path / "a.txt").write_text("A file.")
    assert (await RLMQueryEngine(context=rows(), **options).aquery("q?")).response == "3 documents"
    assert readers != [threading.main_thread()]
    engine = RLMQueryEngine(context=Path(tmp_path), **options)
    (tmp_path / "b.txt").write_text("Another one.")
    assert (await engine.aquery("q?")).response == "2 documents"


class Unlisted(BasePydanticVectorStore):
    """A store that keeps text and lists nothing, as Pinecone's did."""

    stores_text: bool = True

    @property
    def client(self):
        return None

    def add(self, nodes, **kwargs):
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id, **kwargs):
        pass

    def query(self, query, **kwargs):
        raise NotImplementedError


async def test_what_is_wrong_at_first_sight_is_raised_at_once(documents, options):
    only = {"doc_ids": ["d0"]}
    unlisted = VectorStoreIndex.from_vector_store(Unlisted(), embed_model=MockEmbedding(embed_dim=4))
    graph = ComposableGraph.from_indices(
        SummaryIndex,
        [SummaryIndex(documents), unlisted],
        index_summaries=["", ""],
        storage_context=StorageContext.from_defaults(),
    )
    for context, more, message in (
        (None, {}, "context: none given"),
        ([], {}, "context: is empty"),
        (b"bytes", {}, "context: bytes is not a corpus"),
        (7, {}, "context: int is not a corpus"),
        ("", {}, "context: is an empty str"),
        ("a text", only, "doc_ids: need nodes, and context is str"),
        (["a text"], only, "doc_ids: need nodes, and context is list"),
        ({"a": "text"}, only, "doc_ids: need nodes, and context is dict"),
        (Path("."), only, "doc_ids: need nodes, and context is PosixPath"),
        (EmptyIndex(), {}, "index: .*EmptyIndex.* holds no nodes to read; pass what it was built from"),
        (unlisted, {}, "index: .*VectorStoreIndex: Unlisted cannot list its nodes .*; pass what it was built from"),
        (graph, {}, "index: .*VectorStoreIndex: Unlisted cannot list its nodes .*; pass what it was built from"),
    ):
        with pytest.raises(InvalidArgumentError, match=message):
            RLMQueryEngine(context=context, **more, **options)


async def test_a_warning_of_the_reading_points_at_the_line_that_made_the_engine(options):
    nodes = [TextNode(text="Alone."), ImageNode(image=base64.b64encode(b"png").decode())]
    engine = RLMQueryEngine.from_nodes(nodes, **options)
    made_at = test_a_warning_of_the_reading_points_at_the_line_that_made_the_engine.__code__.co_firstlineno + 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await engine.aquery("q?")
    (warning,) = [each for each in caught if "hold an image" in str(each.message)]
    assert (warning.filename, warning.lineno) == (__file__, made_at)


async def test_a_property_graph_is_read_in_a_thread(documents, options, build_index):
    index = build_index("property_graph", documents)
    assert isinstance(index, PropertyGraphIndex)
    readers: list[threading.Thread] = []
    listed = index.property_graph_store.get_llama_nodes
    index.property_graph_store.__dict__["get_llama_nodes"] = lambda ids: (
        readers.append(threading.current_thread()) or listed(ids)
    )
    engine = index.as_query_engine(engine="rlm", **options)
    assert not readers
    assert (await engine.aquery("q?")).response == "5 documents"
    assert readers != [threading.main_thread()]


async def test_chats_tools_and_routers_ask_it_as_any_other(index, store, options, scripted):
    with pytest.warns(UserWarning, match="does not use memory"):
        chat = index.as_chat_engine(
            engine="rlm", chat_mode="condense_question", memory=ChatMemoryBuffer.from_defaults(), **options
        )
    assert (await chat.achat("q?")).response == "5 documents"
    tool = QueryEngineTool.from_defaults(index.as_query_engine(engine="rlm", **options), name="all", description="All.")
    assert (await tool.acall("q?")).content == "5 documents"
    selector = LLMSingleSelector.from_defaults(llm=scripted(['[{"choice": 1, "reason": "only"}]'] * 2))
    router = RouterQueryEngine(selector, [tool], llm=options["llm"])
    assert (await router.aquery("q?")).response == "5 documents"
    assert threading.main_thread() not in store.readers
