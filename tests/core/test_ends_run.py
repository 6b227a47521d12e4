"""Exceptions of the user's code that are meant for whoever called the run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.events import RunFailed
from rlm_integrations.testing import ScriptedModel

TRIES = """```repl
answer["content"] = "a draft"
try:
    {call}
except BaseException:
    answer["content"], answer["ready"] = "swallowed", True
```"""


class Pause(Exception):  # noqa: N818 - no error
    """Someone must be asked."""


def ask(question: str) -> str:
    raise Pause(question)


async def aask(question: str) -> str:
    raise Pause(question)


aask.__name__ = "ask"


class Archive:
    def __init__(self, fails_at: int) -> None:
        self.asked, self.fails_at = 0, fails_at

    async def retrieve(self, query: str) -> list[Any]:
        self.asked += 1
        if self.asked == self.fails_at:
            raise Pause(query)
        return []


def paused(_: Any) -> Any:
    raise Pause("May I?")


CASES = {
    "tool": {"tools": [ask], "call": "ask('May I?')"},
    "async tool": {"tools": [aask], "call": "ask('May I?')"},
    "retrieve": {"context": lambda: Archive(2), "call": "retrieve('May I?')"},
    "retriever, for the question": {"context": lambda: Archive(1), "call": "1"},
    "sub-LM": {"sub_llm": lambda: ScriptedModel(always=paused), "call": "llm_query('x')"},
    "sub-LM, in a batch": {"sub_llm": lambda: ScriptedModel(always=paused), "call": "llm_query_batched(['x', 'y'])"},
    "root LM": {"llm": lambda: ScriptedModel(always=paused)},
}


@pytest.mark.parametrize("sync", [True, False], ids=["run", "arun"])
@pytest.mark.parametrize("case", CASES)
def test_what_ends_a_run_is_raised_as_it_is_with_the_result_so_far(case: str, sync: bool) -> None:
    given = dict(CASES[case])
    made = {name: make() for name, make in given.items() if name in ("context", "sub_llm", "llm")}
    llm = made.get("llm") or ScriptedModel([TRIES.format(call=given["call"])])
    events: list[Any] = []
    engine = RLMEngine(
        llm,
        sub_llm=made.get("sub_llm"),
        tools=given.get("tools", ()),
        ends_run=lambda error: isinstance(error, Pause),
        on_event=events.append,
    )
    context = made.get("context", "x" * 9_000)
    with pytest.raises(Pause) as caught:
        engine.run("May I?", context) if sync else asyncio.run(engine.arun("May I?", context))
    assert str(caught.value) == "May I?"
    trace = caught.value.result.trace
    assert trace.error == "the run was ended by Pause"
    assert "swallowed" not in trace.answer
    assert isinstance(events[-1], RunFailed)
    assert all(iteration.observation is None for iteration in trace.iterations)
    if "tool" in case:
        (call,) = trace.executions[0].host_calls
        assert call.error == "Pause: May I?"


def test_without_it_the_code_is_told_as_of_any_failure() -> None:
    engine = RLMEngine(ScriptedModel([TRIES.format(call="ask('May I?')")]), tools=[ask])
    assert engine.run("?", "x" * 9_000).answer == "swallowed"


def test_what_cannot_say_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"ends_run: int given; pass a function\(error\)"):
        RLMEngine(ScriptedModel(), ends_run=5)  # type: ignore[arg-type]
