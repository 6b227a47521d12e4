from __future__ import annotations

import inspect

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.llms import MockLLM
from llama_index.core.tools import FunctionTool, QueryEngineTool

from rlm_integrations.llama_index.tools import tool_functions


def lookup(word: str, limit: int = 3) -> list[str]:
    """Synonyms of a word."""
    return [f"{word}{n}" for n in range(limit)]


def test_a_function_tool_keeps_name_signature_docstring_and_value():
    (function,) = tool_functions([FunctionTool.from_defaults(lookup)])
    assert function.__name__ == "lookup"
    assert "Synonyms of a word." in function.__doc__
    assert list(inspect.signature(function).parameters) == ["word", "limit"]
    assert function("x", limit=2) == ["x0", "x1"]


def test_a_query_engine_tool_gives_its_text(documents):
    engine = SummaryIndex.from_documents(documents).as_query_engine(llm=MockLLM(max_tokens=2))
    (function,) = tool_functions([QueryEngineTool.from_defaults(engine, name="my-docs", description="Docs.")])
    assert function.__name__ == "my_docs"
    assert function("What?") == "text text"


def test_an_error_of_a_tool_is_raised():
    def broken() -> None:
        """Fails."""
        raise LookupError("no such word")

    (function,) = tool_functions([FunctionTool.from_defaults(broken)])
    with pytest.raises(LookupError, match="no such word"):
        function()


def test_plain_functions_stay_as_they_are():
    assert tool_functions([lookup]) == [lookup]
