"""A selection that no node passes, as of a tenant without documents: what LlamaIndex's own engine would answer."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.event_handlers import BaseEventHandler
from pydantic import BaseModel

from rlm_integrations.llama_index import RLMChatEngine, RLMQueryEngine, RLMWarningEvent

OF_NOBODY = {"filters": MetadataFilters(filters=[MetadataFilter(key="owner", value="nobody")])}
BOTH_PATHS = pytest.mark.parametrize("path", ["sync", "async"])
WARNING = "none of the 5 nodes passes, so .* 'Empty Response'.* calls no model"


class Facts(BaseModel):
    count: int


@pytest.fixture
def llm(scripted):
    """It has no reply to give."""
    return scripted()


async def asked(engine: Any, path: str) -> Any:
    return engine.query("How many?") if path == "sync" else await engine.aquery("How many?")


@BOTH_PATHS
@pytest.mark.parametrize("options", [{}, {"output_cls": Facts}, {"inline_citations": True}])
async def test_the_answer_is_that_of_the_default_engine(path, options, documents, llm):
    index = VectorStoreIndex.from_documents(documents)
    with pytest.warns(UserWarning, match=WARNING) as caught:
        ours = await asked(index.as_query_engine(engine="rlm", llm=llm, **OF_NOBODY, **options), path)
    assert [warning.filename for warning in caught] == [__file__]
    own = await asked(index.as_query_engine(**OF_NOBODY), path)
    assert (type(ours), ours.response, ours.source_nodes) == (type(own), own.response, own.source_nodes)
    assert llm.requests == []
    report = ours.metadata["rlm"]
    assert report["nothing_selected"] == "filters: none of the 5 nodes passes"
    assert (report["citations"], report["sub_calls"]) == ([], 0)


async def test_a_stream_says_it_too(documents, llm):
    engine = RLMQueryEngine.from_nodes(documents, llm=llm, doc_ids=["elsewhere"], streaming=True)
    with pytest.warns(UserWarning, match=WARNING):
        whole, pieces = engine.query("q?"), await engine.aquery("q?")
    assert isinstance(whole, StreamingResponse)
    assert isinstance(pieces, AsyncStreamingResponse)
    assert (str(whole), str(await pieces.get_response())) == ("Empty Response", "Empty Response")


def test_what_is_watched_is_told(documents, llm):
    class Watching(BaseEventHandler):
        def handle(self, event: BaseEvent, **kwargs: Any) -> None:
            seen.append(event)

    seen: list[BaseEvent] = []
    watching, debug = Watching(), LlamaDebugHandler(print_trace_on_end=False)
    with pytest.warns(UserWarning, match=WARNING):
        engine = RLMQueryEngine.from_nodes(documents, llm=llm, node_ids=[], callback_manager=CallbackManager([debug]))
    dispatcher = get_dispatcher()
    dispatcher.add_event_handler(watching)
    try:
        engine.query("q?")
    finally:
        dispatcher.event_handlers.remove(watching)
    (told,) = [event for event in seen if isinstance(event, RLMWarningEvent)]
    assert (told.kind, told.message) == ("nothing_selected", "node_ids: none of the 5 nodes passes")
    ((_, ended),) = debug.get_event_pairs(CBEventType.QUERY)
    assert str(ended.payload["response"]) == "Empty Response"


async def test_within_a_loop_it_is_known_when_the_corpus_is_read(documents, llm):
    engine = RLMQueryEngine.from_nodes(documents, llm=llm, **OF_NOBODY)
    with pytest.warns(UserWarning, match=WARNING):
        assert str(await engine.aquery("q?")) == "Empty Response"
    other = pickle.loads(pickle.dumps(engine))
    assert str(await other.aquery("q?")) == "Empty Response"


@BOTH_PATHS
async def test_a_chat_goes_on(path, documents, llm):
    chat = RLMChatEngine(RLMQueryEngine.from_nodes(documents, llm=llm, **OF_NOBODY))
    said = []
    with pytest.warns(UserWarning, match=WARNING):
        said += [chat.chat("How many?") if path == "sync" else await chat.achat("How many?") for _ in range(2)]
    assert [(each.response, each.source_nodes) for each in said] == [("Empty Response", [])] * 2
    assert [message.content for message in chat.chat_history] == ["How many?", "Empty Response"] * 2


def test_in_two_halves(documents, scripted):
    llm = scripted(["```repl\nanswer['content'] = context[0]['text']\nanswer['ready'] = True\n```"])
    with pytest.warns(UserWarning, match=WARNING):
        engine = RLMQueryEngine.from_nodes(documents, llm=llm, **OF_NOBODY)
    bundle = QueryBundle("q?")
    assert engine.retrieve(bundle) == []
    assert str(engine.synthesize(bundle, [])) == "Empty Response"
    assert str(engine.synthesize(bundle, [NodeWithScore(node=TextNode(text="Given."))])) == "Given."
