from __future__ import annotations

import asyncio
import inspect

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.llms import MockLLM
from llama_index.core.tools import BaseTool, FunctionTool, QueryEngineTool, ToolMetadata, ToolOutput

from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.llama_index.tools import tool_functions


def lookup(word: str, limit: int = 3) -> list[str]:
    """Synonyms of a word."""
    return [f"{word}{n}" for n in range(limit)]


def test_a_function_tool_keeps_name_signature_docstring_and_value():
    (function,) = tool_functions([FunctionTool.from_defaults(lookup)], sync=True)
    assert function.__name__ == "lookup"
    assert "Synonyms of a word." in function.__doc__
    assert list(inspect.signature(function).parameters) == ["word", "limit"]
    assert function("x", limit=2) == ["x0", "x1"]


def test_a_query_engine_tool_gives_its_text(documents):
    engine = SummaryIndex.from_documents(documents).as_query_engine(llm=MockLLM(max_tokens=2))
    (function,) = tool_functions(
        [QueryEngineTool.from_defaults(engine, name="my-docs", description="Docs.")], sync=True
    )
    assert function.__name__ == "my_docs"
    assert function("What?") == "text text"


def test_an_error_of_a_tool_is_raised():
    def broken() -> None:
        """Fails."""
        raise LookupError("no such word")

    (function,) = tool_functions([FunctionTool.from_defaults(broken)], sync=True)
    with pytest.raises(LookupError, match="no such word"):
        function()


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_an_async_tool_runs_on_the_callers_loop_where_there_is_one(path, documents, scripted):
    loops: list[object] = []

    async def weigh(word: str, factor: int = 2) -> int:
        """The weight of a word."""
        loops.append(asyncio.get_running_loop())
        return len(word) * factor

    code = "```repl\nanswer['content'] = weigh('kiln') + weigh(word='kiln', factor=3)\nanswer['ready'] = True\n```"
    tools = [FunctionTool.from_defaults(async_fn=weigh)]
    engine = RLMQueryEngine.from_documents(documents, llm=scripted([code]), tools=tools)
    response = engine.query("q?") if path == "sync" else await engine.aquery("q?")
    assert response.response == "20"
    assert (set(loops) == {asyncio.get_running_loop()}) is (path == "async")


async def test_an_error_of_an_async_tool_is_raised():
    async def broken() -> None:
        """Fails."""
        raise LookupError("no such word")

    (function,) = tool_functions([FunctionTool.from_defaults(async_fn=broken)], sync=False)
    with pytest.raises(LookupError, match="no such word"):
        await function()


class Plain(BaseTool):
    """Has no async method."""

    metadata = ToolMetadata("Says it again.", name="again")

    def __call__(self, input):
        return ToolOutput(content=input * 2, tool_name="again", raw_input={}, raw_output=input * 2)


def test_a_tool_without_an_async_method_is_called_as_it_is():
    (function,) = tool_functions([Plain()], sync=False)
    assert function("x") == "xx"


def test_plain_functions_stay_as_they_are():
    assert tool_functions([lookup], sync=True) == [lookup]
