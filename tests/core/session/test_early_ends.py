"""Questions that end early: cancelled, killed or failed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from rlm_integrations import Message
from rlm_integrations.core.session.idle_repls import idle_repls
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.testing import ScriptedModel

from .questions import BEGUN_ANEW, GOES_ON, begin, finish, repl

pytestmark = pytest.mark.usefixtures("nothing_rests")


async def test_a_question_that_is_cancelled_amid_its_code_leaves_the_variables() -> None:
    running = asyncio.Event()

    async def started() -> None:
        running.set()

    session, llm = begin(repl("x = 7\nstarted()\nwhile True: pass"), finish("x"), tools=[started])
    with session, llm:
        asked = asyncio.create_task(session.aask("?"))
        await running.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError) as ended:
            await asked
        assert ended.value.result.trace.error == "the run was cancelled"  # type: ignore[attr-defined]
        assert (await session.aask("And now?")).answer == "7"
    told = llm.requests[1]
    assert GOES_ON in told[-1].content
    assert not any(message.content == "?" for message in told)  # it had no answer


async def test_a_sub_call_that_is_open_then_is_given_up_and_no_other_is_sent() -> None:
    asked, given_up = asyncio.Event(), asyncio.Event()

    class Hung(ScriptedModel):
        async def complete(self, messages: Sequence[Message]) -> Any:
            assert not asked.is_set()
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                given_up.set()

    code = "x = 7\nfor n in range(9):\n    try:\n        llm_query('?')\n    except Exception:\n        pass"
    session, llm = begin(repl(code), finish("x"), sub_llm=Hung())
    with session, llm:
        question = asyncio.create_task(session.aask("?"))
        await asked.wait()
        question.cancel()
        with pytest.raises(asyncio.CancelledError):
            await question
        assert given_up.is_set()
        assert (await session.aask("And now?")).answer == "7"


async def test_code_that_cannot_be_interrupted_is_killed_and_that_is_told() -> None:
    running = asyncio.Event()

    async def started() -> None:
        running.set()

    # Signals wait until the sum has ended, and nothing that comes before it is left half done.
    stubborn = "try:\n    started()\nexcept BaseException:\n    pass\nsum(range(10**12))"
    session, llm = begin(repl("x = 7\n" + stubborn), finish("'x' in globals()"), tools=[started])
    with session, llm:
        asked = asyncio.create_task(session.aask("?"))
        await running.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert (await session.aask("And now?")).text == "false"
    assert f"{BEGUN_ANEW}: the question before was ended while its code ran" in llm.requests[1][-1].content


def test_a_question_that_fails_is_forgotten_and_its_variables_are_not() -> None:
    session, llm = begin(repl("x = 7"), ConnectionError("gone"), finish("x"))
    with session, llm:
        with pytest.raises(RunError, match="gone"):
            session.ask("Which?")
        assert session.ask("And now?").answer == "7"
    assert all("Which?" not in message.content for message in llm.requests[2])


def test_a_loss_is_told_again_where_the_root_lm_that_was_told_failed() -> None:
    session, llm = begin(finish("(x := 1)"), ConnectionError("gone"), finish("2"), finish("3"))
    with session, llm:
        session.ask("?")
        [idle] = idle_repls._idle.values()
        idle.repl._end_process()  # type: ignore[union-attr]
        with pytest.raises(RunError, match="gone"):
            session.ask("And?")
        session.ask("And now?")
        session.ask("And then?")
    told = [BEGUN_ANEW in request[-1].content for request in llm.requests]
    assert told[:2] == [False, True]
    # A REPL was opened beside the root LM that failed: it may be there for the next one.
    assert told[2] or GOES_ON in llm.requests[2][-1].content
    assert not told[3]
