"""An RLMRunnable as a tool of an agent."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain import RLMRunnable

COUNT = 'answer["content"] = len(context)\nanswer["ready"] = True'
CALL = {"name": "ask_corpus", "args": {"question": "How many?"}, "id": "c1", "type": "tool_call"}


class AgentModel(BaseChatModel):
    """Calls the tool, then repeats what it returned."""

    @property
    def _llm_type(self) -> str:
        return "agent"

    def bind_tools(self, tools: Any, **kwargs: Any) -> AgentModel:
        return self

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        last = messages[-1]
        reply = AIMessage(f"It is {last.text}") if isinstance(last, ToolMessage) else AIMessage("", tool_calls=[CALL])
        return ChatResult(generations=[ChatGeneration(message=reply)])


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_an_agent_sees_the_answer_and_the_run_hangs_below_the_tool(mode, root_model, tracer):
    rlm = RLMRunnable(llm=root_model(COUNT), context="x" * 9_000)
    agent = create_agent(AgentModel(), tools=[rlm.as_tool()])
    asked, config = {"messages": [("user", "How many?")]}, {"callbacks": [tracer]}
    state = agent.invoke(asked, config) if mode == "invoke" else await agent.ainvoke(asked, config)

    assert state["messages"][-1].text == "It is 9000"
    returned = state["messages"][-2]
    assert returned.content == "9000"
    assert returned.artifact.response_metadata["rlm"]["stop_reason"] == "answer"
    lines = tracer.lines()
    place = next(n for n, line in enumerate(lines) if line.strip() == "ask_corpus [tool]")
    depth = len(lines[place]) - len(lines[place].lstrip())
    assert [line[depth:] for line in lines[place : place + 4]] == [
        "ask_corpus [tool]",
        "  RLMRunnable [chain]",
        "    RootModel [chat_model]",
        "    python_repl [tool]",
    ]


async def test_without_a_tool_call_it_returns_the_text(root_model, tracer):
    tool = RLMRunnable(llm=root_model(COUNT, COUNT), context="x" * 9_000).as_tool()
    assert tool.invoke({"question": "How many?"}, {"callbacks": [tracer]}) == "9000"
    assert await tool.ainvoke("How many?") == "9000"
    assert tracer.lines()[:2] == ["ask_corpus [tool]", "  RLMRunnable [chain]"]


def test_name_and_description_tell_of_the_corpus_or_are_the_users(root_model):
    rlm = RLMRunnable(llm=root_model("say:x"), context=["one", "two"])
    tool = rlm.as_tool()
    assert (tool.name, list(tool.args)) == ("ask_corpus", ["question"])
    assert "2 documents" in tool.description
    tool = rlm.as_tool(name="ask_contracts", description="Answers about contracts.")
    assert (tool.name, tool.description) == ("ask_contracts", "Answers about contracts.")


@pytest.mark.parametrize("arguments", [{"args_schema": BaseModel}, {"arg_types": {"q": str}}])
def test_another_schema_is_refused(root_model, arguments):
    with pytest.raises(InvalidArgumentError, match=r"arg(s_schema|_types): the tool takes one argument, question: str"):
        RLMRunnable(llm=root_model("say:x")).as_tool(**arguments)
