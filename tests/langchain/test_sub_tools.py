"""Tools of the sub-LMs in LangChain: real tools, each call a tool run under the sub-call that it belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, FakeListLLM
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, StructuredTool, ToolException, tool
from langchain_openai import ChatOpenAI

from rlm_integrations import Completion, InvalidArgumentError, Message, RLMTrace, ToolCall, Usage
from rlm_integrations.langchain import ChatRLM, RLMRunnable
from rlm_integrations.langchain.tool_calling import bind_tools, with_calls
from rlm_integrations.testing.langchain import ScriptedChatModel

DOCUMENTS = [Document(f"Plot {n}.\n" + "Nothing of note.\n" * 300, id=f"plot-{n}") for n in range(20)]
ASK = 'answer["content"] = llm_query("What is the rent of plot 7?")\nanswer["ready"] = True'
SPENT = Usage(input_tokens=100, output_tokens=10)


class SubModel(ScriptedChatModel):
    """The sub-LM of a test."""


@tool
def rent(plot: int) -> dict[str, int]:
    """The rent of a plot, in pounds."""
    return {"pounds": plot * 10}


def owner(plot: int) -> str:
    """The owner of a plot."""
    return f"owner {plot}"


async def read_page(page: int) -> tuple[list[dict[str, str]], object]:
    await asyncio.sleep(0)
    return [{"type": "text", "text": f"page {page}, "}, {"type": "text", "text": "read"}], object()


def mcp_tool() -> StructuredTool:
    """As langchain-mcp-adapters makes them: async only, described by a JSON schema, giving blocks of content."""
    schema = {"type": "object", "properties": {"page": {"type": "integer"}}, "required": ["page"]}
    return StructuredTool(
        name="read.page",
        description="Reads a page.",
        args_schema=schema,
        coroutine=read_page,
        response_format="content_and_artifact",
    )


def calling(name: str, arguments: str, call_id: str = "call_1") -> Completion:
    return Completion("", SPENT, "sub", "stop", tool_calls=(ToolCall(name, arguments, call_id),))


def saying(text: str) -> Completion:
    return Completion(text, SPENT, "sub", "stop")


def echo(messages: Sequence[Message]) -> Completion:
    return saying(messages[-1].content)


async def ask(way: str, rlm: Any, config: Any = None) -> AIMessage:
    if way == "invoke":
        return await asyncio.to_thread(rlm.invoke, "?", config)
    if way == "ainvoke":
        return await rlm.ainvoke("?", config)
    first, *rest = [chunk async for chunk in rlm.astream("?", config)]
    return sum(rest, first)


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "astream"])
@pytest.mark.parametrize(
    ("given", "name", "arguments", "gave"),
    [
        (rent, "rent", '{"plot": 7}', '{"pounds": 70}'),
        (owner, "owner", '{"plot": 7}', "owner 7"),
        (mcp_tool(), "read_page", '{"page": 3}', "page 3, read"),
    ],
    ids=["tool", "function", "mcp"],
)
async def test_each_call_is_a_tool_run_under_its_sub_call(
    way: str, given: Any, name: str, arguments: str, gave: str, root_model: Any, tracer: Any
) -> None:
    usage, sub = UsageMetadataCallbackHandler(), SubModel([calling(name, arguments), echo])
    rlm = RLMRunnable(llm=root_model(ASK), sub_llm=sub, context=DOCUMENTS, sub_tools=[given], trace="full")
    message = await ask(way, rlm, {"callbacks": [tracer, usage]})
    assert message.content == gave
    assert tracer.lines() == [
        "RLMRunnable [chain]",
        "  RootModel [chat_model]",
        "  python_repl [tool]",
        "    llm_query [chain]",
        "      SubModel [chat_model]",
        f"      {given.name if isinstance(given, StructuredTool) else name} [tool]",
        "      SubModel [chat_model]",
    ]
    trace = RLMTrace.of(message)
    [call] = trace.executions[0].sub_calls
    assert (call.requests, [made.name for made in call.tool_calls], trace.sub_call_count) == (2, [name], 2)
    assert trace.usage.total_tokens == sum(each["total_tokens"] for each in usage.usage_metadata.values())
    assert message.usage_metadata["total_tokens"] == trace.usage.total_tokens  # pyright: ignore[reportOptionalSubscript]


async def test_a_chat_rlm_has_them_too(root_model: Any, tracer: Any) -> None:
    sub = SubModel([calling("rent", '{"plot": 7}'), echo])
    chat = ChatRLM(llm=root_model(ASK), sub_llm=sub, context=DOCUMENTS, sub_tools=[rent])
    assert (await chat.ainvoke("?", {"callbacks": [tracer]})).content == '{"pounds": 70}'
    assert "      rent [tool]" in tracer.lines()


async def test_iterations_count_each_request_of_a_sub_lm(root_model: Any) -> None:
    root = root_model('print(llm_query("?"))', 'answer["content"] = "done"\nanswer["ready"] = True')
    rlm = RLMRunnable(
        llm=root, sub_llm=SubModel([calling("rent", '{"plot": 7}'), echo]), context=DOCUMENTS, sub_tools=[rent]
    )
    told = [e["data"] async for e in rlm.astream_events("?", version="v2") if e["event"] == "on_custom_event"]
    assert [each["sub_calls"] for each in told] == [0, 2]


@tool
def broken(plot: int) -> str:
    """Fails."""
    raise ToolException(f"no ledger for {plot}")


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("broken", '{"plot": 7}', "no ledger for 7"),
        ("rent", '{"plot": "x"}', "plot: Input should be a valid integer"),
        ("rent", '{"plot": 7', "the arguments are no JSON object"),
        ("rant", '{"plot": 7}', "there is no tool 'rant'; the tools are rent, broken"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_sub_lm(name: str, arguments: str, words: str, root_model: Any) -> None:
    sub = SubModel([calling(name, arguments), echo])
    rlm = RLMRunnable(llm=root_model(ASK), sub_llm=sub, context=DOCUMENTS, sub_tools=[rent, broken])
    content = str((await rlm.ainvoke("?")).content)
    assert content.startswith("error: ")
    assert words in content


@tool
def with_id(plot: int, call_id: Annotated[str, InjectedToolCallId]) -> str:
    """Knows its call."""
    return f"{plot} {bool(call_id)}"


async def test_an_injected_argument_is_not_the_models(root_model: Any) -> None:
    sub = SubModel([calling("with_id", '{"plot": 7}'), echo])
    rlm = RLMRunnable(llm=root_model(ASK), sub_llm=sub, context=DOCUMENTS, sub_tools=[with_id])
    assert (await rlm.ainvoke("?")).content == "7 True"
    [spec] = sub.double.offered[0]
    assert list(spec.parameters["properties"]) == ["plot"]


@pytest.mark.parametrize("wrap", ["bind", "retry", "fallbacks"])
async def test_wrapped_models_call_tools(wrap: str, root_model: Any) -> None:
    model = SubModel([calling("rent", '{"plot": 7}'), echo])
    wrapped = {
        "bind": lambda: model.bind(stop=["x"]),
        "retry": lambda: model.with_retry(),
        "fallbacks": lambda: SubModel([ConnectionError("down")] * 2).with_fallbacks([model]),
    }[wrap]()
    rlm = RLMRunnable(llm=root_model(ASK), sub_llm=wrapped, context=DOCUMENTS, sub_tools=[rent])
    assert (await rlm.ainvoke("?")).content == '{"pounds": 70}'


@pytest.mark.parametrize(
    ("sub", "words"),
    [
        (
            FakeListChatModel(responses=["x"]),
            r"sub_tools: FakeListChatModel cannot call tools \(it has no bind_tools\)",
        ),
        (FakeListChatModel(responses=["x"]).with_retry(), "sub_tools: FakeListChatModel cannot call tools"),
        (FakeListLLM(responses=["x"]), "sub_tools: FakeListLLM cannot call tools"),
        (
            ScriptedChatModel(["x"], profile={"tool_calling": False}),
            r"sub_tools: ScriptedChatModel cannot call tools \(its profile says so\)",
        ),
        (ScriptedChatModel(["x"]).with_fallbacks([FakeListChatModel(responses=["x"])]), "FakeListChatModel cannot"),
        (ScriptedChatModel(["x"]).bind_tools([owner]), "some are bound to it already"),
    ],
)
def test_a_model_that_cannot_call_tools_is_refused_at_construction(sub: Any, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        RLMRunnable(llm=ScriptedChatModel(["x"]), sub_llm=sub, sub_tools=[rent])
    RLMRunnable(llm=ScriptedChatModel(["x"]), sub_llm=sub)


def test_the_remedy_is_named() -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"pass as sub_llm a chat model that can, .* or give .*tools=\[...\]"
    ):
        ChatRLM(llm=FakeListChatModel(responses=["x"]), sub_tools=[rent])


def test_wrong_tools_are_refused_by_the_arguments_name() -> None:
    llm = ScriptedChatModel(["x"])
    with pytest.raises(InvalidArgumentError, match="sub_tools: str given"):
        RLMRunnable(llm=llm, sub_tools="rent")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="sub_tools: item 2 is int"):
        RLMRunnable(llm=llm, sub_tools=[rent, 7])
    with pytest.raises(InvalidArgumentError, match="sub_tools: 'rent' stands twice"):
        RLMRunnable(llm=llm, sub_tools=[rent, rent])


def test_a_real_model_is_told_of_a_tool_as_it_describes_itself() -> None:
    [spec] = [each.spec for each in _sub_tools(mcp_tool())]
    bound: Any = bind_tools(ChatOpenAI(model="m", api_key="none"), [spec])  # type: ignore[arg-type]
    assert bound.kwargs["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "read_page",
                "description": "Reads a page.",
                "parameters": {"type": "object", "properties": {"page": {"type": "integer"}}, "required": ["page"]},
            },
        }
    ]


def _sub_tools(*tools: Any) -> Any:
    from rlm_integrations.langchain.sub_tools import as_sub_tools

    return as_sub_tools(tools, sync=False)


def test_what_is_sent_back_has_ids_and_arguments_that_can_be_read_again() -> None:
    reply = AIMessage(
        "",
        tool_calls=[{"name": "a", "args": {"x": 1}, "id": None}],
        invalid_tool_calls=[{"name": "b", "args": '{"x": ', "id": "2", "error": None, "type": "invalid_tool_call"}],
    )
    said = with_calls(Completion(""), reply)
    assert said.tool_calls == (ToolCall("a", '{"x": 1}', "call_1"), ToolCall("b", '{"x": ', "2"))
    native: Any = said.native
    assert [(call["id"], call["args"]) for call in native.tool_calls] == [("call_1", {"x": 1}), ("2", {})]
    assert native.invalid_tool_calls == []


async def test_a_graph_that_interrupts_in_a_tool_ends_the_run_as_with_any_tool(root_model: Any) -> None:
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import START, MessagesState, StateGraph
    from langgraph.types import interrupt

    @tool
    def confirm(plot: int) -> str:
        """Asks a person."""
        return str(interrupt({"plot": plot}))

    sub = SubModel([calling("confirm", '{"plot": 7}'), *[calling("confirm", '{"plot": 7}'), echo]])
    rlm = RLMRunnable(llm=root_model(ASK, ASK), sub_llm=sub, context=DOCUMENTS, sub_tools=[confirm])
    graph = StateGraph(MessagesState)
    graph.add_node("rlm", rlm.as_node())
    graph.add_edge(START, "rlm")
    app = graph.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    stopped = await app.ainvoke({"messages": [HumanMessage("?")]}, config)
    assert stopped["__interrupt__"][0].value == {"plot": 7}


def test_results_go_to_the_model_as_tool_messages() -> None:
    from rlm_integrations import ToolResult, ToolRound
    from rlm_integrations.langchain.tool_calling import round_messages

    call, native = ToolCall("a", "{}", "1"), AIMessage("")
    reply = Completion("", tool_calls=(call,), native=native)
    sent = round_messages([ToolRound(reply, (ToolResult(call, "x", failed=True),))])
    assert sent == [native, ToolMessage(content="x", tool_call_id="1", name="a", status="error")]
