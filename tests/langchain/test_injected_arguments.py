"""Tools with arguments that are injected: by the graph that a run is in, or by nobody."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import pytest
from langchain.agents import AgentState, create_agent
from langchain_core.documents import Document
from langchain_core.tools import BaseTool, InjectedToolArg, InjectedToolCallId, StructuredTool, tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, InjectedStore, ToolRuntime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain import ChatRLM, RLMRunnable

# LangGraph's own, of its ToolNode, before 1.1
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")

NEWER_GRAPHS = pytest.mark.skipif(
    version("langgraph-prebuilt").startswith("1.0."),
    reason="LangGraph gave no runtime to tools with a schema without it",
)
CALL = 'answer["content"] = repr({0})\nanswer["ready"] = True'


class State(MessagesState):
    tenant: str


@tool
def whoami(runtime: ToolRuntime, suffix: str = "") -> dict[str, Any]:
    """Who asks."""
    assert runtime.tool_call_id
    return {"tenant": runtime.state["tenant"] + suffix, "store": runtime.store is not None}


@tool
def tenant_of(
    tenant: Annotated[str, InjectedState("tenant")], messages: Annotated[list, InjectedState("messages")]
) -> str:
    """The tenant."""
    return f"{tenant}, {len(messages)}"


@tool
def whole_state(state: Annotated[dict, InjectedState]) -> list[str]:
    """The names in the state."""
    return sorted(state)


@tool
def remembered(key: str, store: Annotated[BaseStore, InjectedStore()]) -> Any:
    """What is kept under a key."""
    item = store.get(("notes",), key)
    return None if item is None else item.value


class Asked(BaseModel):
    city: str


def _weather(runtime: ToolRuntime, city: str) -> str:
    return f"{city} for {runtime.state['tenant']}"


weather = StructuredTool.from_function(
    func=_weather, name="weather", description="The weather.", args_schema=Asked, infer_schema=False
)


class Where(BaseTool):
    name: str = "where"
    description: str = "Where we are."

    def _run(self, tenant: Annotated[str, InjectedState("tenant")]) -> str:
        return f"with {tenant}"


def graph_of(rlm: RLMRunnable) -> Any:
    store = InMemoryStore()
    store.put(("notes",), "kiln", {"day": "Monday"})
    graph = StateGraph(State)
    graph.add_node("rlm", rlm.as_node())
    graph.add_edge(START, "rlm")
    return graph.compile(store=store)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    ("given", "code", "returns"),
    [
        (whoami, "whoami()", {"tenant": "acme", "store": True}),
        (whoami, "whoami(suffix='!')", {"tenant": "acme!", "store": True}),
        (tenant_of, "tenant_of()", "acme, 1"),
        (whole_state, "whole_state()", ["messages", "tenant"]),
        (remembered, "remembered('kiln')", {"day": "Monday"}),
        (remembered, "remembered(key='none')", None),
        pytest.param(weather, "weather('Rome')", "Rome for acme", marks=NEWER_GRAPHS),
        (Where(), "where()", "with acme"),
    ],
)
async def test_a_graph_gives_them_and_the_code_gets_the_value(given, code, returns, mode, root_model, tracer):
    llm = root_model(CALL.format(code))
    graph = graph_of(RLMRunnable(llm=llm, tools=[given], context="c"))
    value, config = {"messages": [("user", "q")], "tenant": "acme"}, {"callbacks": [tracer]}
    state = graph.invoke(value, config) if mode == "sync" else await graph.ainvoke(value, config)
    assert state["messages"][-1].content == repr(returns)
    lines = tracer.lines()
    step = next(place for place, line in enumerate(lines) if "python_repl" in line)
    assert lines[step + 1].strip() == f"{given.name} [tool]"
    system = llm.requests[0][0].content
    assert not any(word in system for word in ("runtime:", "tenant:", "store:", "state:"))


def test_within_an_agents_tool_it_is_the_agents_state(root_model, agent_model):
    class Mine(AgentState):
        tenant: str

    rlm = RLMRunnable(llm=root_model(CALL.format("whoami()['tenant']")), tools=[whoami], context="c")
    agent = create_agent(agent_model(), tools=[rlm.as_tool()], state_schema=Mine)
    state = agent.invoke({"messages": [("user", "q")], "tenant": "acme"})
    assert state["messages"][-1].text == "It is 'acme'"


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_the_id_of_a_tool_call_needs_no_graph(mode, root_model):
    ids = []

    @tool
    def numbered(x: int, tool_call_id: Annotated[str, InjectedToolCallId]) -> int | None:
        """Numbers it."""
        ids.append(tool_call_id)
        return x or None

    rlm = RLMRunnable(llm=root_model(CALL.format("[numbered(7), numbered(0)]")), tools=[numbered], context="c")
    message = rlm.invoke("q") if mode == "sync" else await rlm.ainvoke("q")
    assert message.content == "[7, None]"
    assert len(set(ids)) == 2


def test_a_command_is_refused_where_only_a_graph_could_obey_it(root_model):
    @tool
    def rename(tool_call_id: Annotated[str, InjectedToolCallId]) -> Command:
        """Renames."""
        return Command(update={"tenant": "other"})

    code = "try:\n    rename()\nexcept Exception as error:\n    answer = {'content': str(error), 'ready': True}"
    message = RLMRunnable(llm=root_model(code), tools=[rename], context="c").invoke("q")
    assert "returned a Command, which only the tool node of a graph can obey" in message.content


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_outside_of_a_graph_the_call_is_refused_before_anything_is_paid(mode, root_model):
    llm = root_model(CALL.format("whoami()"))
    rlm = RLMRunnable(llm=llm, tools=[whoami], context="c")
    with pytest.raises(
        InvalidArgumentError, match=r"tools: 'whoami' needs a LangGraph run, .* argument 'runtime'; use"
    ):
        rlm.invoke("q") if mode == "sync" else await rlm.ainvoke("q")
    assert not llm.requests


@pytest.mark.parametrize("make", [RLMRunnable, ChatRLM])
def test_what_nobody_injects_is_refused_at_construction(make, root_model):
    @tool
    def priced(item: str, currency: Annotated[str, InjectedToolArg]) -> str:
        """A price."""
        return item + currency

    with pytest.raises(InvalidArgumentError, match="tools: 'priced' has the injected argument 'currency'"):
        make(llm=root_model(), tools=[priced])


def test_a_default_will_do(root_model):
    @tool
    def priced(item: str, currency: Annotated[str, InjectedToolArg] = "EUR") -> str:
        """A price."""
        return item + currency

    rlm = RLMRunnable(llm=root_model(CALL.format("priced('tea ')")), tools=[priced], context=[Document("c")])
    assert rlm.invoke("q").content == "'tea EUR'"
