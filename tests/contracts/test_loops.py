"""A REPL between two steps may leave its event loop and join another, or be ended without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.sandbox import Repl, Sandbox
from rlm_integrations.wire.calls import LlmQuery
from rlm_integrations.wire.settings import ReplSettings

Attach = Callable[..., Any]


@pytest.fixture
def resting(sandbox: Sandbox, settings: Callable[..., ReplSettings], attach: Attach) -> Repl:
    """A REPL whose loop is closed, with a variable."""

    async def begin() -> Repl:
        repl = await sandbox.open(Corpus.of(["one text"]), settings())
        assert await attach(repl).value("kept = [len(context)]\nprint(kept)") == "[1]"
        assert repl.leave_loop()
        return repl

    return asyncio.run(begin())


async def in_this_loop(repl: Repl, attach: Attach, code: str, answer: Callable[[Any], Any] | None = None) -> str:
    repl.join_loop()
    try:
        return await attach(repl, **({} if answer is None else {"answer": answer})).value(code)
    finally:
        if not repl.leave_loop():
            await repl.close()


def test_its_variables_go_with_it_from_loop_to_loop(resting: Repl, attach: Attach) -> None:
    for n in range(3):
        asyncio.run(in_this_loop(resting, attach, f"kept.append({n})"))
    assert asyncio.run(in_this_loop(resting, attach, "kept")) == "[1, 0, 1, 2]"
    resting.end()


def test_its_calls_are_answered_in_the_new_loop(resting: Repl, attach: Attach) -> None:
    def answer(call: Any) -> Any:
        assert isinstance(call, LlmQuery)
        return f"re: {call.prompt}"

    assert asyncio.run(in_this_loop(resting, attach, "print(llm_query('hello'))", answer)) == "re: hello"
    resting.end()


def test_one_that_was_ended_while_it_rested_is_lost_in_its_next_step(
    sandbox: Sandbox, settings: Callable[..., ReplSettings], attach: Attach
) -> None:
    async def play() -> str:
        repl = await sandbox.open(Corpus.of(["one text"]), settings())
        assert repl.leave_loop()
        repl._end_process()  # type: ignore[attr-defined]  # as the kernel does where memory is short
        repl.join_loop()
        reason: str = await attach(repl).death("print(1)")
        assert not repl.leave_loop()
        await repl.close()
        return reason

    assert asyncio.run(play())


def test_one_that_rests_is_ended_without_a_loop(resting: Repl) -> None:
    resting.end()
    resting.end()
