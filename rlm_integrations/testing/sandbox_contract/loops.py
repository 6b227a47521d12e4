"""A REPL between two steps may leave its event loop and join another, or be ended without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.sandbox import Repl, Sandbox
from rlm_integrations.testing.sandbox_contract.contract import Contract, contract_settings
from rlm_integrations.testing.sandbox_contract.open_repl import OpenRepl, echo
from rlm_integrations.wire.calls import LlmQuery


async def _in_this_loop(repl: Repl, code: str, answer: Callable[[Any], Any] = echo) -> str:
    repl.join_loop()
    try:
        return await OpenRepl(repl, answer).value(code)
    finally:
        if not repl.leave_loop():
            await repl.close()


class LoopContract(Contract):
    """A REPL between two steps may leave its event loop and join another, or be ended without one."""

    @pytest.fixture
    def resting(self, sandbox: Sandbox) -> Repl:
        """A REPL whose loop is closed, with a variable."""

        async def begin() -> Repl:
            repl = await sandbox.open(Corpus.of(["one text"]), contract_settings())
            assert await OpenRepl(repl).value("kept = [len(context)]\nprint(kept)") == "[1]"
            assert repl.leave_loop()
            return repl

        return asyncio.run(begin())

    def test_its_variables_go_with_it_from_loop_to_loop(self, resting: Repl) -> None:
        for n in range(3):
            asyncio.run(_in_this_loop(resting, f"kept.append({n})"))
        assert asyncio.run(_in_this_loop(resting, "kept")) == "[1, 0, 1, 2]"
        resting.end()

    def test_its_calls_are_answered_in_the_new_loop(self, resting: Repl) -> None:
        def answer(call: Any) -> Any:
            assert isinstance(call, LlmQuery)
            return f"re: {call.prompt}"

        assert asyncio.run(_in_this_loop(resting, "print(llm_query('hello'))", answer)) == "re: hello"
        resting.end()

    def test_one_that_was_ended_while_it_rested_is_lost_in_its_next_step(self, sandbox: Sandbox) -> None:
        async def play() -> str:
            repl = await sandbox.open(Corpus.of(["one text"]), contract_settings())
            assert repl.leave_loop()
            self.kill(repl)
            repl.join_loop()
            reason = await OpenRepl(repl).death("print(1)")
            assert not repl.leave_loop()
            await repl.close()
            return reason

        assert asyncio.run(play())

    def test_one_that_rests_is_ended_without_a_loop(self, resting: Repl) -> None:
        resting.end()
        resting.end()
