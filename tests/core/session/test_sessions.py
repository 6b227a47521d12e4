"""Questions of a session, one after the other: what stays, what is new, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from rlm_integrations import Message, RLMEngine, RLMSession
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.events import Event, SubCallStarted
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.testing import ScriptedModel

from .questions import BEGUN_ANEW, GOES_ON, NOTES, begin, finish, repl

pytestmark = pytest.mark.usefixtures("nothing_rests")


@pytest.mark.parametrize("sandbox", ["process", "wasi"])
def test_variables_stay_and_the_answer_begins_empty(sandbox: str) -> None:
    session, llm = begin(
        repl("days = [d['text'].split()[-1] for d in context]\nanswer['content'] = days[0]\nanswer['ready'] = True"),
        repl("print(answer)"),
        finish("days[1]"),
        sandbox=sandbox,
    )
    with session, llm:
        assert session.ask("When was it lit?").answer == "Monday."
        assert session.ask("When did it go out?").answer == "Friday."
    told = llm.requests[1][-1].content
    assert f"{GOES_ON} from the questions before" in told
    assert "Your variables: days: list[str] 2." in told
    assert "{'content': '', 'ready': False}" in llm.requests[2][-1].content


def test_the_root_lm_sees_the_questions_and_answers_before() -> None:
    session, llm = begin(finish("'on Monday'"), finish("'on Friday'"))
    with session, llm:
        session.ask("When was it lit?")
        session.ask("And when did it go out?")
    system, *before, now = llm.requests[1]
    assert system.role == "system"
    assert before == [Message("user", "When was it lit?"), Message("assistant", "on Monday")]
    assert "And when did it go out?" in now.content
    assert GOES_ON not in llm.requests[0][-1].content


def test_messages_that_are_passed_stand_in_place_of_what_the_session_remembers() -> None:
    session, llm = begin(finish("'on Monday'"), finish("'on Friday'"))
    mine = [Message("user", "Mine?"), Message("assistant", "Yours.")]
    with session, llm:
        session.ask("When was it lit?")
        session.ask([*mine, Message("user", "And when did it go out?")])
    assert [*llm.requests[1][1:-1]] == mine


def test_it_goes_from_loop_to_loop_and_to_sync_code() -> None:
    session, llm = begin(finish("(n := 1)"), finish("(n := n + 1)"), finish("(n := n + 1)"), finish("n + 1"))
    with session, llm:
        answers = [
            session.ask("?").answer,
            asyncio.run(session.aask("?")).answer,
            asyncio.run(session.aask("?")).answer,
            session.ask("?").answer,
        ]
    assert answers == ["1", "2", "3", "4"]


async def test_an_async_context_manager_ends_it() -> None:
    session, llm = begin(finish("1"))
    async with session as entered:
        assert entered is session
        await session.aask("?")
    assert session.closed
    with pytest.raises(InvalidArgumentError, match="session: it is closed; begin another"):
        await session.aask("?")
    llm.assert_exhausted()


def test_each_question_has_its_own_trace_citations_and_limits() -> None:
    session, llm = begin(
        finish("cite('lit on Monday')"),
        repl("print(1)"),
        finish("cite('lit on Monday')"),
        limits={"max_iterations": 2},
    )
    with session, llm:
        first, second = session.ask("When?"), session.ask("Again?")
    assert [first.trace.question_number, second.trace.question_number] == [1, 2]
    assert first.trace.session == second.trace.session == session.id
    assert [len(each.citations) for each in (first, second)] == [1, 1]
    assert [each.trace.iteration_count for each in (first, second)] == [1, 2]
    assert first.trace.sandbox == second.trace.sandbox == "process"
    assert second.stop_reason == "answer"


def test_a_run_of_no_session_tells_of_none() -> None:
    with ScriptedModel([finish("1")]) as llm:
        trace = RLMEngine(llm).run("?", NOTES).trace
    assert (trace.session, trace.question_number) == (None, None)


def test_an_id_that_is_no_str_is_refused() -> None:
    wrong: Any = 5
    with pytest.raises(InvalidArgumentError, match=r"^id: int given; pass a str, or leave it out$"):
        RLMEngine(ScriptedModel()).session(NOTES, id=wrong)


def test_a_session_has_the_id_that_is_given() -> None:
    llm = ScriptedModel([finish("1")])
    with RLMEngine(llm).session(NOTES, id="mine") as session:
        assert session.ask("?").trace.session == session.id == "mine"
        assert repr(session) == "RLMSession('mine', 1 questions)"


class KeepsNothing:
    """A REPL of somebody's own sandbox, which knows nothing of sessions."""

    def __init__(self, repl: Any) -> None:
        self.step, self.reply, self.refuse, self.close = repl.step, repl.reply, repl.refuse, repl.close


class OwnSandbox:
    modules, subset = (), ""

    def capabilities(self) -> Any:
        return resolve_sandbox("process").capabilities()

    async def open(self, *arguments: Any) -> Any:
        return KeepsNothing(await resolve_sandbox("process").open(*arguments))


def test_a_sandbox_that_knows_no_sessions_is_warned_of_and_each_question_begins_anew() -> None:
    session, llm = begin(finish("(x := 1)"), finish("'x' in globals()"), sandbox=OwnSandbox())
    with session, llm:
        with pytest.warns(RuntimeWarning, match="KeepsNothing has no leave_loop, so variables end with each"):
            session.ask("?")
        with pytest.warns(RuntimeWarning, match="KeepsNothing has no leave_loop"):
            assert session.ask("And now?").text == "false"
    assert BEGUN_ANEW in llm.requests[1][-1].content


def test_a_wrong_question_changes_nothing() -> None:
    session, llm = begin(finish("1"), finish("2"))
    with session, llm:
        session.ask("?")
        with pytest.raises(InvalidArgumentError, match="question: is empty"):
            session.ask(" ")
        assert session.ask("And now?").trace.question_number == 2


def test_a_wrong_context_is_said_with_the_first_question_and_again() -> None:
    session, llm = begin(context=[])
    with session, llm:
        for _ in range(2):
            with pytest.raises(InvalidArgumentError, match="context: is empty"):
                session.ask("?")


def test_child_rlms_work_in_a_later_question() -> None:
    def child(messages: Sequence[Message]) -> str:
        return finish("context[0]['text'].split()[-1]")

    session, llm = begin(
        finish("(x := 1)"),
        finish("[x, rlm_query('Which day?', context[:1])]"),
        sub_llm=ScriptedModel(always=child),
        limits={"max_depth": 2},
    )
    with session, llm:
        session.ask("?")
        assert session.ask("And now?").text == '[1, "Monday."]'


def test_code_of_a_thread_that_a_question_left_behind_asks_nothing_in_the_next() -> None:
    events = list[Event]()
    code = (
        "import threading, time\ndef later():\n    time.sleep(0.2)\n    llm_query('late')\n"
        "threading.Thread(target=later).start()\nx = 1"
    )
    session, llm = begin(repl(code), finish("x"), finish("x"), sub_llm=ScriptedModel(), on_event=events.append)
    with session, llm:
        session.ask("?")
        assert session.ask("And now?").answer == "1"
    assert not [event for event in events if isinstance(event, SubCallStarted)]


def test_rlm_session_is_public() -> None:
    session, _ = begin()
    assert isinstance(session, RLMSession)
