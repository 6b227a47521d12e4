"""Models and functions that cannot do it are refused with the remedy."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from rlm_integrations import Completion, InvalidArgumentError, Message, RLMEngine
from rlm_integrations.testing import ScriptedModel

from .calling_sub_lms import rent


class PlainModel:
    """A model without tools."""

    async def complete(self, messages: Sequence[Message]) -> Completion:
        return Completion("x")


def test_a_model_that_calls_no_tools_is_refused_with_the_remedy() -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"sub_tools: PlainModel cannot call tools .*; pass as sub_llm one that can"
    ):
        RLMEngine(PlainModel(), sub_tools=[rent])
    RLMEngine(PlainModel(), sub_llm=ScriptedModel(), sub_tools=[rent])
    RLMEngine(PlainModel())


def by_place(plot: int, /) -> str:
    return ""


def of_no_schema(where: threading.Lock) -> str:
    return ""


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        ("rent", "sub_tools: str given; pass a list of functions"),
        ([7], "sub_tools: item 1 is int; pass functions with a name and a docstring"),
        ([lambda plot: plot], "sub_tools: item 1 is function"),
        ([rent, rent], "sub_tools: 'rent' stands twice"),
        ([by_place], "sub_tools: by_place cannot be described to a model .*'plot' can be passed by place alone"),
        ([of_no_schema], "sub_tools: of_no_schema cannot be described to a model"),
    ],
)
def test_what_cannot_be_a_tool_is_refused(tools: Any, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        RLMEngine(ScriptedModel(), sub_tools=tools)


@pytest.mark.parametrize("limit", ["max_depth", "max_sub_calls"])
def test_tools_that_no_sub_lm_would_call_are_refused(limit: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"sub_tools: no sub-LM would call them, for {limit} is 0"):
        RLMEngine(ScriptedModel([]), sub_tools=[rent], limits={limit: 0})
