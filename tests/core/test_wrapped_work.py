"""What wraps a step, a child or a sub-call has it done once, and is no judge of how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from rlm_integrations import Completion, Message, RLMEngine, RLMResult, RunError, ToolRound, ToolSpec
from rlm_integrations.testing import ScriptedModel

from .calling_sub_lms import rent

LONG = "a line\n" * 5_000
CODE = {
    "around_step": "FINAL(llm_query('a'))",
    "around_child": "FINAL(rlm_query('a', context))",
    "around_sub_call": "FINAL(llm_query('a'))",
}
each = pytest.mark.parametrize("argument", CODE)
Execute = Callable[[], Awaitable[str]]


class Sub:
    """A sub-LM whose calls do this."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work

    def with_tools(self, tools: Sequence[ToolSpec]) -> Sub:
        return self

    async def complete(self, messages: Sequence[Message], rounds: Sequence[ToolRound] = ()) -> Completion:
        await self._work()
        raise AssertionError("it went on")


def engine(argument: str, sub: Any, around: Callable[[Execute], Awaitable[str]], code: str | None = None) -> RLMEngine:
    """One whose sub-LM is called in what is wrapped."""
    options: dict[str, Any] = {argument: lambda *given: around(given[-1])}
    if argument == "around_child":
        options["limits"] = {"max_depth": 2}
    if argument == "around_sub_call":
        options["sub_tools"] = [rent]
    return RLMEngine(ScriptedModel([f"```repl\n{code or CODE[argument]}\n```"]), sub_llm=sub, **options)


def answers() -> ScriptedModel:
    return ScriptedModel(always=lambda _: "```repl\nFINAL('b')\n```")


@each
async def test_it_may_look_at_what_was_done(argument: str) -> None:
    seen: list[str] = []

    async def looks(execute: Execute) -> str:
        seen.append(await execute())
        return seen[0]

    result = await engine(argument, answers(), looks).arun("?", LONG)
    assert "b" in result.text
    assert "b" in seen[0]


@each
async def test_it_must_have_it_done(argument: str) -> None:
    async def idle(execute: Execute) -> str:
        return "nothing"

    sub = answers()
    with pytest.raises(RunError, match=rf"^{argument}: returned without awaiting execute\(\)"):
        await engine(argument, sub, idle).arun("?", LONG)
    assert not sub.requests


@each
async def test_it_cannot_have_it_done_twice(argument: str) -> None:
    async def again(execute: Execute) -> str:
        await execute()
        return await execute()

    sub = answers()
    with pytest.raises(RunError, match=rf"^{argument}: it awaited execute\(\) twice"):
        await engine(argument, sub, again).arun("?", LONG)
    assert len(sub.requests) == 1


@each
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (LookupError("no tracer"), "LookupError: no tracer"),
        (SystemExit("no tracer"), "RuntimeError: SystemExit: no tracer"),
        (asyncio.CancelledError("no tracer"), "RuntimeError: CancelledError: no tracer"),
    ],
    ids=["an error", "what would end the program", "what would end the task"],
)
async def test_what_it_raises_ends_the_run_with_its_name_and_the_trace(
    argument: str, error: BaseException, words: str
) -> None:
    async def broken(execute: Execute) -> str:
        raise error

    with pytest.raises(RunError, match=f"^{argument}: it raised {words}") as caught:
        await engine(argument, answers(), broken).arun("?", LONG)
    assert caught.value.result is not None
    assert len(caught.value.result.trace.iterations) == 1


async def swallows(execute: Execute) -> str:
    try:
        return await execute()
    except BaseException:
        return "all is well"


async def tries_again(execute: Execute) -> str:
    try:
        return await execute()
    except BaseException:
        return await execute()


async def renames(execute: Execute) -> str:
    try:
        return await execute()
    except BaseException as error:
        raise LookupError("something") from error


@each
@pytest.mark.parametrize("around", [swallows, tries_again, renames])
async def test_what_ends_the_run_in_it_is_not_its_to_judge(
    argument: str, around: Callable[[Execute], Awaitable[str]]
) -> None:
    async def interrupts() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        await engine(argument, Sub(interrupts), around).arun("?", LONG)
    result: RLMResult[Any] = caught.value.result  # type: ignore[attr-defined]
    assert result.trace.error == "the run was ended by KeyboardInterrupt"


@each
@pytest.mark.parametrize("around", [swallows, tries_again, renames])
async def test_nor_is_that_the_run_is_cancelled(argument: str, around: Callable[[Execute], Awaitable[str]]) -> None:
    asked = asyncio.Event()

    async def hangs() -> None:
        asked.set()
        await asyncio.Event().wait()

    run = asyncio.create_task(engine(argument, Sub(hangs), around).arun("?", LONG))
    await asked.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await run
    assert caught.value.result.trace.error == "the run was cancelled"  # type: ignore[attr-defined]


@pytest.mark.parametrize("argument", ["around_child", "around_sub_call"])
@pytest.mark.parametrize("around", [swallows, tries_again, renames])
async def test_code_hears_why_a_call_of_its_own_failed(
    argument: str, around: Callable[[Execute], Awaitable[str]]
) -> None:
    async def fails() -> None:
        raise ConnectionError("gone")

    code = f"try:\n    {CODE[argument]}\nexcept SubCallError as error:\n    FINAL(str(error))"
    result = await engine(argument, Sub(fails), around, code).arun("?", LONG)
    assert "ConnectionError: gone" in result.text
