"""Child RLMs in LlamaIndex: a span under the step that called it, events that name the node, whole totals."""

from __future__ import annotations

import pytest
from llama_index.core import Document
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler, TokenCountingHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler

from rlm_integrations import RLMTrace
from rlm_integrations.llama_index import RLMIterationStartEvent, RLMQueryEngine


class Collector(BaseEventHandler):
    events: list = []  # noqa: RUF012 - a pydantic field

    def handle(self, event, **kwargs):
        self.events.append(event)


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_a_child_has_a_span_under_its_step_and_its_citations_are_the_runs(path, scripted, child_script):
    debug, counter = LlamaDebugHandler(print_trace_on_end=False), TokenCountingHandler()
    manager = CallbackManager([debug, counter])
    documents = [Document(text=text, doc_id=name) for name, text in child_script.texts.items()]
    engine = RLMQueryEngine.from_documents(
        documents,
        llm=scripted([f"```repl{child_script.root_code}```"], callback_manager=manager),
        sub_llm=scripted(always=child_script.sub_reply, callback_manager=manager),
        callback_manager=manager,
        limits={"max_depth": 2},
        trace="full",
    )
    dispatcher, events, spans = get_dispatcher(), Collector(events=[]), SimpleSpanHandler()
    dispatcher.add_event_handler(events)
    dispatcher.add_span_handler(spans)
    try:
        response = engine.query("?") if path == "sync" else await engine.aquery("?")
    finally:
        dispatcher.event_handlers.remove(events)
        dispatcher.span_handlers.remove(spans)
    assert response.response == child_script.answer
    assert {node.node.ref_doc_id for node in response.source_nodes[:2]} == {*child_script.cited}
    started = [event.node for event in events.events if isinstance(event, RLMIterationStartEvent)]
    assert sorted(started) == [[], [1], [2]]
    by_id = {span.id_: span for span in spans.completed_spans}
    children = [span for span in by_id.values() if "._run_child" in span.id_]
    assert len(children) == 2
    for child in children:
        assert "._run_code" in by_id[child.parent_id].id_
        steps = [span for span in by_id.values() if "._run_code" in span.id_ and span.parent_id == child.id_]
        assert len(steps) == 1
    assert len(debug.get_event_pairs(CBEventType.SUB_QUESTION)) == 2
    trace = RLMTrace.of(response)
    assert trace.sub_call_count == child_script.sub_calls
    assert trace.usage.total_tokens == counter.total_llm_token_count
