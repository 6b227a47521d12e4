"""LangChain tools in the REPL."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from langchain_core.tools import StructuredTool, tool

from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.langchain.tools import as_functions


@tool
def population(city: str, year: int = 2020) -> str:
    """How many people lived there."""
    return f"{city} {year}: 2,750,000"


CODE = """
answer["content"] = population("Rome") + "; " + population("Rome", year=1990)
answer["ready"] = True
"""


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_a_tool_is_called_by_place_and_by_name_as_a_child_of_the_step(mode, root_model, tracer):
    rlm = RLMRunnable(llm=root_model(CODE), tools=[population], context="c")
    config = {"callbacks": [tracer]}
    message = rlm.invoke("q", config) if mode == "invoke" else await rlm.ainvoke("q", config)
    assert message.content == "Rome 2020: 2,750,000; Rome 1990: 2,750,000"
    assert tracer.lines() == [
        "RLMRunnable [chain]",
        "  RootModel [chat_model]",
        "  python_repl [tool]",
        "    population [tool]",
        "    population [tool]",
    ]


@pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream"])
async def test_a_tool_that_is_only_async_is_called_in_sync_runs_too(mode, root_model, tracer):
    async def population(city: str, year: int = 2020) -> str:
        """How many people lived there."""
        await asyncio.sleep(0)
        return f"{city} {year}: 2,750,000"

    rlm = RLMRunnable(llm=root_model(CODE), tools=[StructuredTool.from_function(coroutine=population)], context="c")
    config = {"callbacks": [tracer]}
    if mode == "stream":
        answer = "".join(chunk.text for chunk in rlm.stream("q", config))
    else:
        answer = (rlm.invoke("q", config) if mode == "invoke" else await rlm.ainvoke("q", config)).text
    assert answer == "Rome 2020: 2,750,000; Rome 1990: 2,750,000"
    assert [line for line in tracer.lines() if "population" in line] == ["    population [tool]"] * 2


def test_the_root_is_told_of_its_signature_and_description(root_model):
    llm = root_model("say:x")
    RLMRunnable(llm=llm, tools=[population]).invoke("q")
    system = llm.requests[0][0].content
    assert "population(city: str, year: int = 2020)" in system
    assert "How many people lived there." in system


def test_a_tool_described_by_a_json_schema_has_its_parameters():
    schema = {
        "type": "object",
        "properties": {"limit": {"type": "integer", "default": 5}, "query": {"type": "string"}, "not-a-name": {}},
        "required": ["query"],
    }
    looked_up = StructuredTool.from_function(
        lambda **kwargs: kwargs, name="web-search", description="Searches.", args_schema=schema
    )
    (function,) = as_functions([looked_up], sync=True)
    assert function.__name__ == "web_search"
    assert str(inspect.signature(function)) == "(query: str, limit: int = 5)"
    assert function("cats", limit=2) == {"query": "cats", "limit": 2}


def test_plain_functions_stay_as_they_are():
    assert as_functions([len], sync=False) == [len]
