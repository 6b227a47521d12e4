"""A REPL that is lost: in a question, between two, or because others rest."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations import Message
from rlm_integrations.core.session.idle_repls import idle_repls

from .questions import BEGUN_ANEW, GOES_ON, begin, finish, repl

pytestmark = pytest.mark.usefixtures("nothing_rests")


def test_a_repl_that_was_lost_in_a_question_is_told_to_the_next() -> None:
    session, llm = begin(
        repl("x = 1"), repl("import os\nos._exit(3)"), 'FINAL("gone")', repl("print('x' in globals())"), finish("2")
    )
    with session, llm:
        session.ask("?")
        session.ask("And now?")
    told = llm.requests[3][-1].content
    assert f"{BEGUN_ANEW}: it ended its own process" in told
    assert GOES_ON not in told
    assert "False" in llm.requests[4][-1].content


def test_one_that_was_begun_anew_within_the_question_goes_on() -> None:
    session, llm = begin(repl("import os\nos._exit(3)"), repl("y = 5"), finish("1"), finish("y"))
    with session, llm:
        session.ask("?")
        assert session.ask("And now?").answer == "5"
    assert "Your variables: y: int 5." in llm.requests[3][-1].content


def test_one_that_died_between_questions_is_told_and_begun_anew() -> None:
    session, llm = begin(finish("(x := 1)"), finish("'x' in globals()"))
    with session, llm:
        session.ask("?")
        [idle] = idle_repls._idle.values()
        idle.repl._end_process()  # type: ignore[union-attr]  # as the kernel does where memory is short
        assert session.ask("And now?").text == "false"
    assert BEGUN_ANEW in llm.requests[1][-1].content


async def test_one_that_is_idle_for_too_long_ends_and_the_session_goes_on(until: Any) -> None:
    session, llm = begin(finish("(x := 1)"), finish("'x' in globals()"), limits={"session_idle_s": 0.01})
    with session, llm:
        await session.aask("?")
        await until(lambda: not idle_repls._idle)
        assert (await session.aask("And now?")).text == "false"
    told = llm.requests[1]
    assert f"{BEGUN_ANEW}: it was not used for 0.01 s (session_idle_s)" in told[-1].content
    assert Message("assistant", "1") in told


def test_of_too_many_sessions_the_one_that_rested_longest_loses_its_variables() -> None:
    limits = {"max_sessions": 2}
    begun = [begin(finish(f"(x := {n})"), finish("x if 'x' in globals() else 'gone'"), limits=limits) for n in range(3)]
    for session, _ in begun:
        session.ask("?")
    assert len(idle_repls._idle) == 2
    assert [session.ask("And now?").answer for session, _ in begun[1:]] == ["1", "2"]
    assert begun[0][0].ask("And now?").answer == "gone"
    assert f"{BEGUN_ANEW}: there were more than 2 sessions (max_sessions)" in begun[0][1].requests[1][-1].content
    for session, _ in begun:
        session.close()


async def test_sessions_that_hold_too_much_memory_end(until: Any) -> None:
    session, llm = begin(
        finish("len(x := bytearray(b'x') * (100 << 20))"), finish("1"), limits={"sessions_memory_mb": 64}
    )
    with session, llm:
        await session.aask("?")
        await until(lambda: not idle_repls._idle)
        await session.aask("And now?")
    assert "sessions held more than 64 MB (sessions_memory_mb)" in llm.requests[1][-1].content


def test_a_small_one_stays_within_the_memory_of_sessions() -> None:
    session, llm = begin(finish("(x := 1)"), finish("x"), limits={"sessions_memory_mb": 64})
    with session, llm:
        session.ask("?")
        idle_repls.look()
        assert session.ask("And now?").answer == "1"
