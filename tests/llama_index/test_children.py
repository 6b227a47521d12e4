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

ROOT = """```repl
answers = rlm_query_batched([("How many?", context[:3]), ("How many?", ["plot-7"])])
answer["content"] = ", ".join(answers)
answer["ready"] = True
```"""
CHILD = """```repl
cite("Plot", context[0]["id"])
answer["content"] = f"{len(context)} of " + llm_query("plain")
answer["ready"] = True
```"""


class Collector(BaseEventHandler):
    events: list = []  # noqa: RUF012 - a pydantic field

    def handle(self, event, **kwargs):
        self.events.append(event)


def reply(messages):
    return CHILD if messages[0].content.startswith("You answer a question about a corpus") else "plain"


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_a_child_has_a_span_under_its_step_and_its_citations_are_the_runs(path, scripted):
    debug, counter = LlamaDebugHandler(print_trace_on_end=False), TokenCountingHandler()
    manager = CallbackManager([debug, counter])
    documents = [Document(text=f"Plot {n}.\n" + "Nothing of note.\n" * 300, doc_id=f"plot-{n}") for n in range(20)]
    engine = RLMQueryEngine.from_documents(
        documents,
        llm=scripted([ROOT], callback_manager=manager),
        sub_llm=scripted(always=reply, callback_manager=manager),
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
    assert response.response == "3 of plain, 1 of plain"
    assert {node.node.ref_doc_id for node in response.source_nodes[:2]} == {"plot-0", "plot-7"}
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
    assert trace.sub_call_count == 4
    assert trace.usage.total_tokens == counter.total_llm_token_count
