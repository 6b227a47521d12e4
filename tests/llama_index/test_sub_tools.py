"""Tools of the sub-LMs in LlamaIndex: real tools, each call a span and a callback event under its sub-call."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core import Document
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock, ToolCallBlock
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
from llama_index.core.llms import MockLLM
from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.core.workflow import Context
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

from rlm_integrations import Completion, InvalidArgumentError, RLMTrace, ToolCall, Usage
from rlm_integrations.llama_index import RLMQueryEngine, RLMToolCallEvent
from rlm_integrations.llama_index.tool_calling import with_calls
from rlm_integrations.testing.llama_index import ScriptedLLM

DOCUMENTS = [Document(text=f"Plot {n}.\n" + "Nothing of note.\n" * 300, doc_id=f"plot-{n}") for n in range(20)]
ASK = '```repl\nanswer["content"] = llm_query("What is the rent of plot 7?")\nanswer["ready"] = True\n```'
SPENT = Usage(input_tokens=100, output_tokens=10)


def rent(plot: int) -> dict[str, int]:
    """The rent of a plot, in pounds."""
    return {"pounds": plot * 10}


def broken(plot: int) -> str:
    """Fails."""
    raise ValueError(f"no ledger for {plot}")


class Page(BaseModel):
    page: int


async def read_page(page: int) -> str:
    await asyncio.sleep(0)
    return f"page {page}"


def mcp_tool() -> FunctionTool:
    """As llama-index-tools-mcp makes them: async only, with a class for the arguments."""
    metadata = ToolMetadata(name="read.page", description="Reads a page.", fn_schema=Page)
    return FunctionTool.from_defaults(async_fn=read_page, tool_metadata=metadata)


def calling(name: str, arguments: str) -> Completion:
    return Completion("", SPENT, "sub", "stop", tool_calls=(ToolCall(name, arguments, "call_1"),))


def echo(messages: Any) -> Completion:
    return Completion(messages[-1].content, SPENT, "sub", "stop")


class Collector(BaseEventHandler):
    events: list[Any] = []  # noqa: RUF012 - a pydantic field

    def handle(self, event: Any, **kwargs: Any) -> None:
        self.events.append(event)


def engine_of(*replies: Any, tools: list[Any], manager: CallbackManager | None = None) -> RLMQueryEngine:
    manager = manager or CallbackManager([])
    sub = ScriptedLLM(replies, is_function_calling_model=True, callback_manager=manager)
    root = ScriptedLLM([ASK], callback_manager=manager, usage=SPENT)
    return RLMQueryEngine.from_documents(
        DOCUMENTS, llm=root, sub_llm=sub, callback_manager=manager, sub_tools=tools, trace="full"
    )


@pytest.mark.parametrize("path", ["sync", "async"])
@pytest.mark.parametrize(
    ("given", "name", "arguments", "gave"),
    [
        (rent, "rent", '{"plot": 7}', '{"pounds": 70}'),
        (FunctionTool.from_defaults(rent), "rent", '{"plot": 7}', '{"pounds": 70}'),
        (mcp_tool(), "read_page", '{"page": 3}', "page 3"),
    ],
    ids=["function", "tool", "mcp"],
)
async def test_each_call_is_a_span_and_an_event_under_its_sub_call(
    path: str, given: Any, name: str, arguments: str, gave: str
) -> None:
    debug, counter = LlamaDebugHandler(print_trace_on_end=False), TokenCountingHandler()
    engine = engine_of(calling(name, arguments), echo, tools=[given], manager=CallbackManager([debug, counter]))
    dispatcher, events, spans = get_dispatcher(), Collector(events=[]), SimpleSpanHandler()
    dispatcher.add_event_handler(events)
    dispatcher.add_span_handler(spans)
    try:
        response: Any = engine.query("?") if path == "sync" else await engine.aquery("?")
    finally:
        dispatcher.event_handlers.remove(events)
        dispatcher.span_handlers.remove(spans)
    assert response.response == gave
    [told] = [event for event in events.events if isinstance(event, RLMToolCallEvent)]
    assert (told.sub_call, told.name, told.result, told.error) == (1, name, repr(gave), None)
    by_id = {span.id_: span for span in spans.completed_spans}
    called = [span for span in by_id.values() if span.id_.startswith("FunctionTool.")]  # __call__, and call within it
    [outer] = [span for span in called if not str(span.parent_id).startswith("FunctionTool.")]
    assert str(outer.parent_id).startswith("RLMQueryEngine._run_sub_call")
    [(started, _)] = debug.get_event_pairs(CBEventType.AGENT_STEP)
    inside = set(debug._trace_map[started.id_])
    pairs = debug.get_event_pairs(CBEventType.FUNCTION_CALL)
    [(tool, done)] = [pair for pair in pairs if pair[0].id_ in inside]
    assert (tool.payload or {})[EventPayload.TOOL].description
    assert (done.payload or {})[EventPayload.FUNCTION_OUTPUT] in (gave, {"pounds": 70})
    assert len([pair for pair in debug.get_event_pairs(CBEventType.LLM) if pair[0].id_ in inside]) == 2
    trace = RLMTrace.of(response)
    [call] = trace.executions[0].sub_calls
    assert (call.requests, [made.name for made in call.tool_calls], trace.sub_call_count) == (2, [name], 2)
    assert trace.usage.total_tokens == counter.total_llm_token_count


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("broken", '{"plot": 7}', "no ledger for 7"),
        ("rent", '{"plot": "x"}', "plot: Input should be a valid integer"),
        ("rent", '{"plot": 7', "the arguments are no JSON object"),
        ("rant", '{"plot": 7}', "there is no tool 'rant'; the tools are rent, broken"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_sub_lm(name: str, arguments: str, words: str) -> None:
    tools = [FunctionTool.from_defaults(rent), FunctionTool.from_defaults(broken)]
    response: Any = await engine_of(calling(name, arguments), echo, tools=tools).aquery("?")
    assert response.response.startswith("error: ")
    assert words in response.response


def test_the_llm_is_told_of_a_tool_as_it_describes_itself() -> None:
    engine = engine_of(calling("read_page", '{"page": 3}'), echo, tools=[mcp_tool(), rent])
    assert str(engine.query("?")) == "page 3"
    offered = engine._sub_llm.llm.double.offered  # type: ignore[attr-defined]
    (page, own), *_ = offered
    assert (page.name, page.description) == ("read_page", "Reads a page.")
    assert page.parameters == {
        "type": "object",
        "properties": {"page": {"title": "Page", "type": "integer"}},
        "required": ["page"],
    }
    assert (own.name, own.parameters["required"]) == ("rent", ["plot"])


@pytest.mark.parametrize(
    ("sub", "words"),
    [
        (MockLLM(), r"sub_tools: MockLLM cannot call tools \(it is no FunctionCallingLLM\); pass as sub_llm"),
        (
            OpenAILike(model="m", api_base="http://localhost:1/v1", api_key="none", is_chat_model=True),
            r"sub_tools: OpenAILike cannot call tools \(its metadata says so; .* OpenAILike\(is_function",
        ),
    ],
)
def test_an_llm_that_cannot_call_tools_is_refused_at_construction(sub: Any, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        RLMQueryEngine.from_documents(DOCUMENTS, llm=ScriptedLLM(), sub_llm=sub, sub_tools=[rent])
    RLMQueryEngine.from_documents(DOCUMENTS, llm=ScriptedLLM(), sub_llm=sub)


async def of_a_workflow(ctx: Context, plot: int) -> str:
    """Needs its workflow."""
    return ""


of_a_workflow.__annotations__["ctx"] = Context  # LlamaIndex does not see it in a str


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        (7, "sub_tools: int given; pass a list of LlamaIndex tools or functions"),
        ([7], "sub_tools: item 1 is int"),
        ([rent, rent], "sub_tools: 'rent' stands twice"),
        ([FunctionTool.from_defaults(async_fn=of_a_workflow)], "sub_tools: 'of_a_workflow' needs the Context"),
    ],
)
def test_wrong_tools_are_refused(tools: Any, words: str) -> None:
    llm = ScriptedLLM(is_function_calling_model=True)
    with pytest.raises(InvalidArgumentError, match=words):
        RLMQueryEngine.from_documents(DOCUMENTS, llm=llm, sub_tools=tools)


def test_what_is_sent_back_has_ids_and_arguments_that_can_be_read_again() -> None:
    blocks = [
        TextBlock(text="so"),
        ToolCallBlock(tool_call_id=None, tool_name="a", tool_kwargs={"x": 1}),
        ToolCallBlock(tool_call_id="2", tool_name="b", tool_kwargs='{"x": '),
    ]
    response = ChatResponse(message=ChatMessage(role="assistant", blocks=blocks))
    said = with_calls(Completion("so"), response, ScriptedLLM())
    assert said.tool_calls == (ToolCall("a", '{"x": 1}', "call_1"), ToolCall("b", '{"x": ', "2"))
    native: Any = said.native
    assert [(block.tool_call_id, block.tool_kwargs) for block in native.blocks[1:]] == [
        ("call_1", {"x": 1}),
        ("2", "{}"),
    ]
