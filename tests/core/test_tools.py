from __future__ import annotations

import functools
from typing import Any

import pytest

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.tools import read_tools


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
    assert read_tools([max])["max"].description.signature == "max(...)"


def test_annotations_that_cannot_be_resolved_are_shown_as_they_were_written() -> None:
    def later(when: NoSuchType) -> None:  # type: ignore[name-defined] # noqa: F821
        """Waits."""

    assert read_tools([later])["later"].description.signature == "later(when: 'NoSuchType') -> 'None'"


@pytest.mark.parametrize(
    ("tools", "problem"),
    [
        ([weather, 5], "tools: item 1 is int; pass functions with a name and a docstring"),
        ([lambda x: x], "tools: item 0 is function; pass functions with a name and a docstring"),
        ([functools.partial(weather)], "tools: item 0 is partial; pass functions with a name and a docstring"),
        (["weather"], "tools: item 0 is str; pass functions with a name and a docstring"),
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
