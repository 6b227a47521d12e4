"""`interrupt()` inside of a run: it reaches LangGraph, and the run is begun anew with the answer."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

ASK = """```repl
try:
    said = [ask_human(question) for question in {questions}]
except Exception as error:
    said = [str(error)]
answer["content"] = ", ".join(said)
answer["ready"] = True
```"""
THREAD: Any = {"configurable": {"thread_id": "1"}}
ASKED: Any = {"messages": [("user", "May you?")]}


@tool
def ask_human(question: str) -> str:
    """Ask the person who is in charge."""
    return interrupt(question)


def ask_human_plainly(question: str) -> str:
    """Ask the person who is in charge."""
    return interrupt(question)


ask_human_plainly.__name__ = "ask_human"


def as_node(rlm: RLMRunnable, _: Any = None) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("rlm", rlm.as_node())
    graph.add_edge(START, "rlm")
    return graph.compile(checkpointer=InMemorySaver())


def as_tool(rlm: RLMRunnable, agent_model: Any) -> Any:
    return create_agent(agent_model(), tools=[rlm.as_tool()], checkpointer=InMemorySaver())


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("graph_of", [as_node, as_tool])
@pytest.mark.parametrize("asking", [ask_human, ask_human_plainly])
async def test_questions_reach_the_graph_one_by_one_and_the_answers_the_code(asking, graph_of, mode, agent_model):
    code = ASK.format(questions=["May I count?", "May I add?"])
    llm = ScriptedChatModel(always=lambda _: code)
    graph = graph_of(RLMRunnable(llm=llm, tools=[asking], context="x" * 9_000), agent_model)

    async def call(value: Any) -> Any:
        return graph.invoke(value, THREAD) if mode == "sync" else await graph.ainvoke(value, THREAD)

    (asked,) = (await call(ASKED))["__interrupt__"]
    assert asked.value == "May I count?"
    (asked,) = (await call(Command(resume="count")))["__interrupt__"]
    assert asked.value == "May I add?"
    state = await call(Command(resume="add"))
    assert state["messages"][-1].text.removeprefix("It is ") == "count, add"
    assert not any("GraphInterrupt" in message.content for request in llm.requests for message in request)


def test_of_a_retriever_and_of_a_model_too():
    retriever = RunnableLambda(lambda query: interrupt("May I search?"))
    graph = as_node(RLMRunnable(llm=ScriptedChatModel(), context=retriever))
    assert graph.invoke(ASKED, THREAD)["__interrupt__"][0].value == "May I search?"
    person = RunnableLambda(lambda messages: interrupt("What do you say?"))
    graph = as_node(RLMRunnable(llm=person, context="x" * 9_000))
    assert graph.invoke(ASKED, THREAD)["__interrupt__"][0].value == "What do you say?"
