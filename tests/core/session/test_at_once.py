"""Several questions at once, of one session and of many."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rlm_integrations import Message, RLMEngine
from rlm_integrations.testing import ScriptedModel

from .questions import NOTES, UNSEEN, begin, finish, repl

pytestmark = pytest.mark.usefixtures("nothing_rests")


def test_questions_of_one_session_wait_for_each_other_in_their_order() -> None:
    lock, order = threading.Lock(), list[str]()
    session: Any = None
    stands = threading.Event()

    def reply(messages: Sequence[Message]) -> str:
        assert lock.acquire(blocking=False), "two questions of a session are answered at once"
        try:
            stands.wait(10)
            order.append(messages[-1].content.split("Question:\n")[1].split("\n")[0])
            return finish("(n := n + 1 if 'n' in globals() else 1)")
        finally:
            lock.release()

    session = RLMEngine(ScriptedModel(always=reply), limits=UNSEEN).session(NOTES)
    line = session._memory._line
    with session, ThreadPoolExecutor(8) as threads:
        asked = []
        for n in range(8):
            asked.append(threads.submit(session.ask, f"question {n}"))
            while len(line._line) <= n:  # it stands in line
                pass
        stands.set()
        assert [each.result().answer for each in asked] == [str(n + 1) for n in range(8)]
    assert order == [f"question {n}" for n in range(8)]


async def test_tasks_and_threads_wait_in_one_line_and_one_that_gives_up_leaves_it() -> None:
    session, llm = begin(*[finish("(n := n + 1 if 'n' in globals() else 1)")] * 3)
    with session, llm:
        first = asyncio.create_task(session.aask("?"))
        await asyncio.sleep(0)
        given_up = asyncio.create_task(session.aask("?"))
        await asyncio.sleep(0)
        thread = asyncio.create_task(asyncio.to_thread(session.ask, "?"))
        given_up.cancel()
        last = asyncio.create_task(session.aask("?"))
        with pytest.raises(asyncio.CancelledError):
            await given_up
        answers = [(await each).answer for each in (first, thread, last)]
    assert sorted(answers) == ["1", "2", "3"]
    assert answers[0] == "1"


def test_questions_of_different_sessions_go_on_side_by_side() -> None:
    meet = threading.Barrier(3, timeout=30)

    def reply(messages: Sequence[Message]) -> str:
        meet.wait()  # fails unless all three are asked at once
        return finish("(n := n + 1 if 'n' in globals() else 1)")

    engine = RLMEngine(ScriptedModel(always=reply), limits=UNSEEN)
    sessions = [engine.session(NOTES) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        for round_ in ("1", "2"):
            assert [each.answer for each in threads.map(lambda session: session.ask("?"), sessions)] == [round_] * 3
    for session in sessions:
        session.close()


def test_a_tool_that_asks_its_own_session_is_refused_in_place_of_waiting_for_ever() -> None:
    session: Any = None

    def again() -> str:
        return str(session.ask("Within?").answer)

    session, llm = begin(repl("again()"), finish("1"), tools=[again])
    with session, llm:
        session.ask("?")
    assert "it is asked by what one of its own questions calls" in llm.requests[1][-1].content


def test_a_tool_may_ask_another_session() -> None:
    other, other_llm = begin(finish("'from the other'"))

    def another() -> str:
        return str(other.ask("?").answer)

    session, llm = begin(finish("another()"), tools=[another])
    with session, other, llm, other_llm:
        assert session.ask("?").answer == "from the other"
