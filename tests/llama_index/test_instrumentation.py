"""Spans, events and callbacks keep their tree, on the sync and the async path."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter

import pytest
from llama_index.core import Document, Settings, SummaryIndex
from llama_index.core.callbacks import (
    CallbackManager,
    CBEventType,
    EventPayload,
    LlamaDebugHandler,
    TokenCountingHandler,
)
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler

from rlm_integrations.core.trace.events import RunEnded
from rlm_integrations.core.trace.run_errors import RootModelError
from rlm_integrations.llama_index import RLMCodeExecutionEvent, RLMQueryEngine, RLMSubCallEvent

CODE = "```repl\nanswer['content'] = ' '.join(llm_query_batched(['one', 'two']))\nanswer['ready'] = True\n```"


class Collector(BaseEventHandler):
    events: list = []  # noqa: RUF012 - a pydantic field

    def handle(self, event, **kwargs):
        self.events.append(event)


@pytest.fixture
def watched():
    dispatcher, events, spans = get_dispatcher(), Collector(events=[]), SimpleSpanHandler()
    dispatcher.add_event_handler(events)
    dispatcher.add_span_handler(spans)
    yield events.events, spans
    dispatcher.event_handlers.remove(events)
    dispatcher.span_handlers.remove(spans)


@pytest.fixture
def build(long_text, scripted):
    def build(**options):
        llm = scripted([CODE], callback_manager=options.get("callback_manager") or CallbackManager([]))
        sub = scripted(always=lambda messages: messages[-1].content, callback_manager=llm.callback_manager)
        return RLMQueryEngine.from_documents([Document(text=long_text)], llm=llm, sub_llm=sub, **options)

    return build


class BreaksAtTheEnd(LlamaDebugHandler):
    def on_event_end(self, event_type, payload=None, event_id="", **more):
        if event_type is CBEventType.QUERY:
            raise LookupError("broken handler")


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_a_handler_that_raises_when_all_is_done_loses_no_answer(path, build):
    engine = build(callback_manager=CallbackManager([BreaksAtTheEnd(print_trace_on_end=False)]))
    with pytest.raises(LookupError, match="broken handler") as caught:
        await ask(engine, path)
    assert caught.value.result.answer == "one two"


async def ask(engine, path):
    return engine.query("q?") if path == "sync" else await engine.aquery("q?")


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_events_and_spans(path, build, watched):
    events, spans = watched
    assert (await ask(build(), path)).response == "one two"
    names = [event.class_name() for event in events]
    assert (names[0], names[-1]) == ("QueryStartEvent", "QueryEndEvent")
    assert names.count("LLMChatEndEvent") == 3
    assert [name for name in names if name.startswith("RLM")] == [
        "RLMIterationStartEvent",
        "RLMRootReplyEvent",
        "RLMSubCallEvent",
        "RLMSubCallEvent",
        "RLMCodeExecutionEvent",
    ]
    by_id = {span.id_: span for span in spans.completed_spans}
    (code,) = (span for span in by_id.values() if "._run_code" in span.id_)
    path_up = [code.id_.split("-")[0]]
    span = code
    while span.parent_id is not None:
        span = by_id[span.parent_id]
        path_up.append(span.id_.split("-")[0])
    ending = (
        ["RLMQueryEngine._query", "RLMQueryEngine.query"]
        if path == "sync"
        else ["RLMQueryEngine._aquery", "RLMQueryEngine.aquery"]
    )
    assert path_up == ["RLMQueryEngine._run_code", *ending]
    assert {event.span_id for event in events if isinstance(event, (RLMCodeExecutionEvent, RLMSubCallEvent))} == {
        code.id_
    }
    sub_calls = [event for event in events if event.class_name() == "LLMChatEndEvent"][1:]
    assert all(by_id[event.span_id].parent_id == code.id_ for event in sub_calls)
    executed = next(event for event in events if isinstance(event, RLMCodeExecutionEvent))
    assert executed.sub_calls == 2
    assert "llm_query_batched" in executed.code


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_callbacks_nest_sub_calls_in_the_code_in_the_query(path, build):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    response = await ask(build(callback_manager=CallbackManager([debug])), path)
    (query,) = debug.get_event_pairs(CBEventType.QUERY)
    assert query[1].payload[EventPayload.RESPONSE] is response
    (code,) = debug.get_event_pairs(CBEventType.FUNCTION_CALL)
    assert code[1].payload[EventPayload.FUNCTION_OUTPUT] == "one two"
    llm = debug.get_event_pairs(CBEventType.LLM)
    assert len(llm) == 3
    children = debug._trace_map  # event id -> ids of the events inside it
    assert code[0].id_ in children[query[0].id_]
    assert {start.id_ for start, _ in llm[1:]} == set(children[code[0].id_])


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_tokens_are_counted_by_llamaindex_itself(path, build):
    counter = TokenCountingHandler(tokenizer=str.split)
    await ask(build(callback_manager=CallbackManager([counter])), path)
    assert len(counter.llm_token_counts) == 3
    assert counter.total_llm_token_count > 0


def test_settings_callback_manager_counts_where_none_is_passed(long_text, scripted):
    counter = TokenCountingHandler(tokenizer=str.split)
    Settings.callback_manager = CallbackManager([counter])
    Settings.llm = scripted(["```repl\nanswer['content'] = 1\nanswer['ready'] = True\n```"])
    RLMQueryEngine.from_documents([Document(text=long_text)]).query("q?")
    assert len(counter.llm_token_counts) == 1


@pytest.mark.parametrize("index_first", [True, False])
@pytest.mark.parametrize("own", [None, CallbackManager([])])
def test_settings_callback_manager_counts_an_llm_that_is_passed_as_with_any_engine(index_first, own, scripted):
    code = "```repl\nanswer['content'] = llm_query('x')\nanswer['ready'] = True\n```"
    models = [scripted(always=lambda messages, reply=reply: reply, callback_manager=own) for reply in (code, "read")]
    documents, counter = [Document(text="a")], TokenCountingHandler(tokenizer=str.split)
    index = SummaryIndex.from_documents(documents) if index_first else None
    Settings.callback_manager = CallbackManager([counter])
    index = index or SummaryIndex.from_documents(documents)
    llm, sub_llm = models
    index.as_query_engine(engine="rlm", llm=llm, sub_llm=sub_llm).query("q?")
    assert len(counter.llm_token_counts) == 2
    later = TokenCountingHandler(tokenizer=str.split)
    Settings.callback_manager = CallbackManager([later])
    RLMQueryEngine.from_documents(documents, llm=llm, sub_llm=sub_llm).query("q?")
    assert (len(counter.llm_token_counts), len(later.llm_token_counts)) == (2, 2)


def test_a_manager_that_is_passed_goes_before_that_of_the_settings_and_the_llms_own_stays_where_there_is_none(scripted):
    code = "```repl\nanswer['content'] = 1\nanswer['ready'] = True\n```"
    own, of_settings, passed = (TokenCountingHandler(tokenizer=str.split) for _ in range(3))
    llm = scripted(always=lambda messages: code, callback_manager=CallbackManager([own]))
    RLMQueryEngine.from_documents([Document(text="a")], llm=llm).query("q?")
    Settings.callback_manager = CallbackManager([of_settings])
    options = {"llm": llm, "callback_manager": CallbackManager([passed])}
    RLMQueryEngine.from_documents([Document(text="a")], **options).query("q?")
    assert [len(each.llm_token_counts) for each in (own, of_settings, passed)] == [1, 0, 1]


async def test_on_event_hears_the_run_as_well(build):
    heard = []

    async def listen(event):
        heard.append(event)

    await build(on_event=listen).aquery("q?")
    assert isinstance(heard[-1], RunEnded)


def root_of(span, by_id):
    while span.parent_id is not None:
        span = by_id[span.parent_id]
    return span


async def test_runs_side_by_side_keep_their_trees_apart(long_text, scripted, watched):
    _, spans = watched
    llm = scripted(always=lambda messages: CODE if "```repl" in messages[0].content else messages[-1].content)
    engine = RLMQueryEngine.from_documents([Document(text=long_text)], llm=llm)
    in_threads = (asyncio.to_thread(engine.query, f"t{number}") for number in range(3))
    await asyncio.gather(*in_threads, *(engine.aquery(f"q{number}") for number in range(3)))
    by_id = {span.id_: span for span in spans.completed_spans}
    trees: dict[str, Counter[str]] = {}
    for span in by_id.values():
        trees.setdefault(root_of(span, by_id).id_, Counter())[span.id_.partition("-")[0].rpartition(".")[2]] += 1
    assert len(trees) == 6
    sync = {"query": 1, "_query": 1, "_run_code": 1, "chat": 3}
    asynchronous = {
        "aquery": 1,
        "_aquery": 1,
        "_run_code": 1,
        "chat": 3,
    }  # its achat awaits nothing: a thread runs chat
    assert [*trees.values()].count(sync) == [*trees.values()].count(asynchronous) == 3
    assert not spans.open_spans


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_a_run_that_fails_leaves_no_span_and_no_event_open(path, long_text, scripted, watched):
    events, spans = watched
    debug = LlamaDebugHandler(print_trace_on_end=False)
    llm = scripted([ConnectionError("the line is dead")])
    engine = RLMQueryEngine(llm, context=long_text, callback_manager=CallbackManager([debug]))
    with pytest.raises(RootModelError, match="the line is dead"):
        await ask(engine, path)
    assert len(debug.get_event_pairs(CBEventType.QUERY)) == 1
    assert not spans.open_spans
    assert {span.id_.split("-")[0].rpartition(".")[2] for span in spans.dropped_spans} >= {
        "query" if path == "sync" else "aquery",
        "chat",
    }
    assert "QueryEndEvent" not in [event.class_name() for event in events]


@pytest.mark.skipif(
    "token_budget" not in inspect.signature(TokenCountingHandler).parameters,
    reason="this LlamaIndex has no budgets yet",
)
@pytest.mark.parametrize("path", ["sync", "async"])
async def test_a_token_budget_of_llamaindex_ends_a_run(path, build):
    counter = TokenCountingHandler(tokenizer=str.split, token_budget=10)
    with pytest.raises(RootModelError, match="Token budget exceeded"):
        await ask(build(callback_manager=CallbackManager([counter])), path)


async def test_events_of_what_came_from_the_journal_say_so(scripted, long_text, watched, tmp_path):
    """Ended in its second iteration, then gone on with: no event of a model tells of what was not sent."""
    events, _ = watched
    code = "```repl\nsaid = llm_query('one')\n```"
    llm = scripted([code, ConnectionError("cut"), 'FINAL("yes")'])
    sub = scripted(always=lambda messages: messages[-1].content)
    engine = RLMQueryEngine.from_documents(
        [Document(text=long_text)], llm=llm, sub_llm=sub, journal=tmp_path / "runs.sqlite"
    )
    with pytest.raises(ConnectionError):
        await engine.aquery("q?")
    told = {"RLMRootReplyEvent", "RLMSubCallEvent"}
    assert [event.replayed for event in events if event.class_name() in told] == [False, False]
    events.clear()
    response = await engine.aquery("q?")
    assert [event.replayed for event in events if event.class_name() in told] == [True, True, False]
    assert [event.class_name() for event in events].count("LLMChatEndEvent") == 1
    assert response.metadata["rlm"]["journal"] == "resumed"
    assert response.metadata["rlm"]["replayed_tokens"] > 0
