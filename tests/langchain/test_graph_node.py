"""RLMRunnable as a node of a LangGraph graph, and as a tool of an agent."""

from __future__ import annotations

import asyncio
import operator
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from pydantic import BaseModel
from typing_extensions import TypedDict

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain import RLMRunnable, collect_rlm_traces
from rlm_integrations.langchain.response import CITATIONS_CHARS
from rlm_integrations.testing.langchain import ScriptedChatModel

READY = 'answer["content"] = {0}\nanswer["ready"] = True'
LOOK = "print(len(context))"
CORPUS = [Document("The kiln was lit on Monday. " * 2_000, id="log")]
THREAD = {"configurable": {"thread_id": "1"}}


def graph_of(rlm: RLMRunnable, state: Any = MessagesState, **options: Any) -> CompiledStateGraph[Any, Any, Any, Any]:
    graph = StateGraph(state)
    graph.add_node("rlm", rlm.as_node())
    graph.add_edge(START, "rlm")
    graph.add_edge("rlm", END)
    return graph.compile(**options)


async def ask(graph: Any, mode: str, question: str, config: Any = None) -> list[AnyMessage]:
    value = {"messages": [HumanMessage(question)]}
    state = graph.invoke(value, config) if mode == "sync" else await graph.ainvoke(value, config)
    return state["messages"]


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_messages_go_in_and_the_answers_message_comes_out(mode, root_model, tracer):
    graph = graph_of(RLMRunnable(llm=root_model(LOOK, READY.format("'On Monday.'")), context=CORPUS))
    asked, answer = await ask(graph, mode, "When?", {"callbacks": [tracer], "tags": ["mine"]})
    assert (asked.content, answer.content) == ("When?", "On Monday.")
    assert isinstance(answer, AIMessage)
    assert answer.usage_metadata["total_tokens"] == 30
    assert answer.response_metadata["rlm"] == {
        "trace": None,
        "stop_reason": "answer",
        "sub_calls": 0,
        "failed_sub_calls": 0,
        "citations": [],
    }
    assert [line.strip() for line in tracer.lines()][-4:] == [
        "RootModel [chat_model]",
        "python_repl [tool]",
        "RootModel [chat_model]",
        "python_repl [tool]",
    ]
    assert all({"mine", "nostream"} <= set(run.tags) for run in tracer.named("RootModel"))


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_a_follow_up_sees_the_history_that_the_checkpointer_kept(mode, root_model):
    llm = root_model("say:On Monday.", "say:By Ada.")
    graph = graph_of(RLMRunnable(llm=llm), checkpointer=InMemorySaver())
    await ask(graph, mode, "When was the kiln lit?", THREAD)
    messages = await ask(graph, mode, "And by whom?", THREAD)
    assert [message.content for message in messages] == [
        "When was the kiln lit?",
        "On Monday.",
        "And by whom?",
        "By Ada.",
    ]
    shown = [(message.role, message.content) for message in llm.requests[1][1:-1]]
    assert shown == [("user", "When was the kiln lit?"), ("assistant", "On Monday.")]
    assert "And by whom?" in llm.requests[1][-1].content


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_streamed_messages_are_the_answer_and_no_code_and_custom_ones_the_progress(mode, root_model, sub_model):
    rlm = RLMRunnable(llm=root_model(LOOK, READY.format("llm_query('how long?')")), sub_llm=sub_model, context=CORPUS)
    graph = graph_of(rlm)
    value, modes = {"messages": [HumanMessage("How long?")]}, ["messages", "custom"]
    if mode == "sync":
        parts = list(graph.stream(value, stream_mode=modes))
    else:
        parts = [part async for part in graph.astream(value, stream_mode=modes)]
    assert [part[0].content for kind, part in parts if kind == "messages"] == ["len=9"]
    assert [part for kind, part in parts if kind == "custom"] == [
        {"rlm_iteration": {"iteration": n, "max_iterations": 20, "sub_calls": 0, "failed_sub_calls": 0, **tokens}}
        for n, tokens in ((1, {"total_tokens": 0}), (2, {"total_tokens": 15}))
    ]
    assert parts[-1][0] == "messages"


def test_ten_checkpointed_turns_carry_no_trace_and_bounded_citations(root_model):
    cites = "for n in range(20, 40):\n    cite('The kiln was lit on Monday. ' * n, 'log')\n"
    turns = [cites + READY.format(f"'turn {n}'") for n in range(10)]
    saver = InMemorySaver()
    rlm = RLMRunnable(llm=root_model(*turns), context=CORPUS)
    graph = graph_of(rlm, checkpointer=saver)
    with collect_rlm_traces() as traces:
        for n in range(10):
            messages = graph.invoke({"messages": [HumanMessage(f"question {n}")]}, THREAD)["messages"]
    assert [message.content for message in messages[1::2]] == [f"turn {n}" for n in range(10)]
    for message, trace in zip(messages[1::2], traces, strict=True):
        report = message.response_metadata["rlm"]
        assert report["trace"] is None
        assert len(report["citations"]) + report["omitted_citations"] == 20 == len(trace.citations)
    _, kept = saver.serde.dumps_typed(messages)
    assert len(kept) < 10 * (CITATIONS_CHARS + 1_000)


@dataclass
class DataclassState:
    messages: Annotated[list[AnyMessage], add_messages]
    context: list[Document] = field(default_factory=list)


class ModelState(BaseModel):
    messages: Annotated[list[AnyMessage], add_messages]
    context: Annotated[list[Document], operator.add] = []


@pytest.mark.parametrize("state", [DataclassState, ModelState])
def test_the_documents_of_a_state_are_the_context_of_any_kind_of_state(state, root_model):
    rlm = RLMRunnable(llm=root_model(READY.format('context[0]["text"]')))
    graph = StateGraph(state)
    graph.add_node("retrieve", lambda _: {"context": [Document("found")]})
    graph.add_node("rlm", rlm.as_node())
    graph.add_edge(START, "retrieve")
    graph.add_edge("retrieve", "rlm")
    assert graph.compile().invoke({"messages": [HumanMessage("What?")]})["messages"][-1].content == "found"


def test_a_node_outside_of_a_graph_is_a_runnable_like_any_other(root_model):
    node = RLMRunnable(llm=root_model("say:one", "say:two", "say:three")).as_node()
    assert node.invoke({"messages": [("user", "q")], "question": "unread"})["messages"][0].content == "one"
    assert node.invoke([HumanMessage("q")])["messages"][0].content == "two"
    (update,) = node.stream({"messages": [HumanMessage("q")]})
    assert update["messages"][0].content == "three"


def test_a_state_without_messages_says_what_to_do(root_model):
    with pytest.raises(InvalidArgumentError, match=r'state: dict has no "messages"; as_node\(\) is for graphs'):
        RLMRunnable(llm=root_model("say:x")).as_node().invoke({"question": "q"})


def test_a_question_that_ends_in_no_answer_ends_the_graph_with_the_error(root_model):
    graph = graph_of(RLMRunnable(llm=ScriptedChatModel([RuntimeError("down")])), checkpointer=InMemorySaver())
    with pytest.raises(Exception, match="down") as caught:
        graph.invoke({"messages": [HumanMessage("q")]}, THREAD)
    assert caught.value.result.trace.error is not None
    assert [message.content for message in graph.get_state(THREAD).values["messages"]] == ["q"]


class Agent(FakeMessagesListChatModel):
    """Calls the tool, then answers."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_behind_a_tool_of_an_agent_it_shows_no_code_and_hangs_below_the_tool(mode, root_model, tracer):
    rlm = RLMRunnable(llm=root_model(LOOK, READY.format("'On Monday.'")), context=CORPUS)
    ask_log = rlm.as_tool(name="ask_log", description="Answers from the log.")
    call = {"name": "ask_log", "args": {"question": "When?"}, "id": "1"}
    replies = [AIMessage("", tool_calls=[call], id="a1"), AIMessage("It was a Monday.", id="a2")]
    agent = create_agent(Agent(responses=replies), tools=[ask_log])
    asked, config = {"messages": [HumanMessage("When was it lit?")]}, {"callbacks": [tracer]}
    if mode == "sync":
        parts = list(agent.stream(asked, config, stream_mode="messages"))
    else:
        parts = [part async for part in agent.astream(asked, config, stream_mode="messages")]
    assert [message.text for message, _ in parts if message.text] == ["On Monday.", "It was a Monday."]
    lines = tracer.lines()
    below = lines[next(n for n, line in enumerate(lines) if "ask_log [tool]" in line) :][:5]
    assert [line.strip() for line in below] == [
        "ask_log [tool]",
        "RLMRunnable [chain]",
        "RootModel [chat_model]",
        "python_repl [tool]",
        "RootModel [chat_model]",
    ]
    assert [len(line) - len(line.lstrip()) for line in below[1:]] == [
        len(below[0]) - len(below[0].lstrip()) + 2 * depth for depth in (1, 2, 2, 2)
    ]


class Asked(TypedDict, total=False):
    question: str
    context: list[Document]
    answer: AIMessage


def bound(rlm: RLMRunnable) -> Any:
    return rlm.with_config(tags=["mine"])


@pytest.mark.parametrize("given", [lambda rlm: rlm, bound], ids=["itself", "bound"])
@pytest.mark.parametrize("state", [MessagesState, Asked])
def test_a_runnable_as_a_node_by_itself_is_told_that_its_answer_is_lost(state, given, root_model):
    node = given(RLMRunnable(llm=root_model("say:x"), context="c"))
    graph = StateGraph(state).add_node("rlm", node).add_edge(START, "rlm").compile()
    asked = {"messages": [HumanMessage("q")]} if state is MessagesState else {"question": "q"}
    with pytest.warns(UserWarning, match=r"a node of a LangGraph graph by itself.*rlm\.as_node\(\)") as caught:
        state = graph.invoke(asked)
    assert caught[0].filename == __file__
    assert len(state) == 1  # LangGraph says nothing of a message that it drops
    assert len(next(iter(state.values()))) == 1


async def test_what_calls_the_runnable_within_a_node_is_told_nothing(root_model):
    rlm = RLMRunnable(llm=ScriptedChatModel(always=lambda messages: "x"), context="c")

    def called(state: Any) -> Any:
        return {"messages": [rlm.invoke(state)]}

    def called_with_config(state: Any, config: RunnableConfig) -> Any:
        return {"messages": [rlm.invoke(state, config)]}

    async def awaited(state: Any, config: RunnableConfig) -> Any:
        return {"messages": [await rlm.ainvoke(state, config)]}

    async def gathered(state: Any) -> Any:
        return {"messages": await asyncio.gather(rlm.ainvoke(state), rlm.ainvoke(state))}

    in_chain = rlm | RunnableLambda(lambda message: {"messages": [message]})
    for node in (called, called_with_config, awaited, gathered, in_chain, rlm.as_node()):
        graph = StateGraph(MessagesState).add_node("rlm", node).set_entry_point("rlm").compile()
        state = await graph.ainvoke({"messages": [HumanMessage("q")]})
        assert state["messages"][-1].content == "x"
        if node not in (awaited, gathered):
            assert graph.invoke({"messages": [HumanMessage("q")]})["messages"][-1].content == "x"


async def test_a_state_that_is_a_list_of_messages_takes_the_runnable_itself(root_model):
    graph = StateGraph(Annotated[list[AnyMessage], add_messages])
    graph.add_node("rlm", RLMRunnable(llm=root_model("say:x", "say:x"), context="c")).set_entry_point("rlm")
    for messages in (graph.compile().invoke([HumanMessage("q")]), await graph.compile().ainvoke([HumanMessage("q")])):
        assert [message.content for message in messages] == ["q", "x"]


def test_what_gives_a_value_is_no_node():
    typed = RLMRunnable(llm=ScriptedChatModel([]), context="c").with_structured_output(dict[str, int])
    with pytest.raises(InvalidArgumentError, match="as_node: a node adds a message alone, and this gives a value; use"):
        typed.as_node()
