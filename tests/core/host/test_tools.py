from __future__ import annotations

import functools
import math
import subprocess
import sys
from typing import Any

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.host.tools import read_tools
from rlm_integrations.testing import ScriptedModel


def weather(city: str, days: int = 1, *, unit: str = "C") -> str:
    """The forecast,
    one line a day.

    Ask for at most ten days.
    """
    return f"{city} {days} {unit}"


async def lookup(key: str) -> str:
    return key


class Shelf:
    def take(self, name: str) -> str:
        """Takes a book."""
        return name


def search(pattern: str) -> str:
    return pattern


def test_tools_are_described_by_signature_and_first_paragraph() -> None:
    tools = read_tools([weather, lookup, Shelf().take])
    assert list(tools) == ["weather", "lookup", "take"]
    assert [(tool.description.signature, tool.description.description) for tool in tools.values()] == [
        ("weather(city: str, days: int = 1, *, unit: str = 'C') -> str", "The forecast, one line a day."),
        ("lookup(key: str) -> str", "a function of the user."),
        ("take(name: str) -> str", "Takes a book."),
    ]
    assert [tool.is_async for tool in tools.values()] == [False, True, False]
    assert tools["weather"].function("Bern", unit="F") == "Bern 1 F"
    assert read_tools(()) == {}


def test_a_function_without_a_readable_signature() -> None:
    assert read_tools([math.hypot])["hypot"].description.signature == "hypot(...)"


def test_annotations_that_cannot_be_resolved_are_shown_as_they_were_written() -> None:
    def later(when: NoSuchType) -> None:  # type: ignore[name-defined] # noqa: F821
        """Waits."""

    assert read_tools([later])["later"].description.signature == "later(when: 'NoSuchType') -> 'None'"


@pytest.mark.parametrize(
    "name",
    ["context", "answer", "exit", "quit", "llm_map", "SubCallError", "SubCallLimitError", "_rlm_show", "__name__"],
)
def test_no_tool_takes_the_place_of_what_the_repl_has_itself(name: str) -> None:
    def tool() -> None:
        """Does something else."""

    tool.__name__ = name
    with pytest.raises(InvalidArgumentError, match=f"^tools: '{name}' is a name of the REPL itself; rename"):
        read_tools([tool])


def test_no_tool_takes_the_place_of_what_all_code_finds_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def tool() -> None:
        """Does something else."""

    code = "import builtins; print(*(name for name, value in vars(builtins).items() if callable(value)))"
    bare = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    monkeypatch.setattr("builtins.print", lambda *_: None)  # as programs do that draw on the terminal
    for name in {name for name in bare.stdout.split() if not name.startswith("_")}:
        tool.__name__ = name
        with pytest.raises(InvalidArgumentError, match=f"^tools: '{name}' is a name of Python itself, .*; rename"):
            read_tools([tool])


def test_a_tool_may_have_a_name_that_only_a_notebook_or_a_shell_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def display() -> None:
        """Shows a page."""

    def license() -> None:
        """Finds the licence of a work."""

    monkeypatch.setattr("builtins.display", lambda: None, raising=False)
    assert list(read_tools([display, license])) == ["display", "license"]


@pytest.mark.parametrize("name", ["class", "await", "None"])
def test_a_tool_that_no_code_could_call_is_refused(name: str) -> None:
    def tool() -> None:
        """Could not be called."""

    tool.__name__ = name
    with pytest.raises(InvalidArgumentError, match=f"^tools: '{name}' is a word of Python's grammar, .*; rename"):
        read_tools([tool])


@pytest.mark.parametrize(
    ("tools", "problem"),
    [
        ([weather, 5], "tools: item 2 is int; pass functions with a name and a docstring"),
        ([lambda x: x], "tools: item 1 is function; pass functions with a name and a docstring"),
        ([functools.partial(weather)], "tools: item 1 is partial; pass functions with a name and a docstring"),
        (["weather"], "tools: item 1 is str; pass functions with a name and a docstring"),
        ([search], "tools: 'search' is a name of the REPL itself; rename the function"),
        ([weather, weather], "tools: 'weather' stands twice; rename the function"),
        (weather, "tools: function given; pass a list of functions"),
        ("weather", "tools: str given; pass a list of functions"),
    ],
)
def test_what_cannot_be_a_tool_is_refused(tools: Any, problem: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        read_tools(tools)
    assert str(caught.value) == problem


def test_a_loop_of_tool_calls_meets_the_limit_and_the_run_goes_on() -> None:
    made: list[int] = []

    def look_up(number: int) -> int:
        """Look a number up."""
        made.append(number)
        return number

    loop = "found = []\nfor n in range(10**9): found.append(look_up(n))"
    root = ScriptedModel([f"```repl\n{loop}\n```", "```repl\nanswer.update(content=str(found), ready=True)\n```"])
    result = RLMEngine(root, tools=[look_up], limits={"max_tool_calls": 3}).run("?", "a line\n" * 20_000)
    assert (result.answer, made) == ("[0, 1, 2]", [0, 1, 2])
    told = root.requests[1][-1].content
    assert (
        "RuntimeError: look_up: the 3 calls of tools and `retrieve` of this run are made; go on with what you have"
        in told
    )


def test_a_loop_of_retrieve_meets_the_same_limit() -> None:
    class Paid:
        calls = 0

        async def retrieve(self, query: str) -> list[Document]:
            self.calls += 1
            return [Document(f"d{self.calls}", "a line\n" * 2_000, {})]

    retriever = Paid()
    loop = "n = 0\nwhile True:\n    retrieve('x')\n    n += 1"
    root = ScriptedModel([f"```repl\n{loop}\n```", "```repl\nanswer.update(content=str(n), ready=True)\n```"])
    result = RLMEngine(root, limits={"max_tool_calls": 2}).run("?", retriever)
    assert (result.answer, retriever.calls) == ("2", 3), "the one for the question is not the code's"
