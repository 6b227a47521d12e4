"""Sessions: questions one after another over one REPL, with scripted models and real REPLs."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import Document, Message, RLMEngine, RLMSession
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.session.idle_repls import idle_repls
from rlm_integrations.core.trace.events import CodeStarted, Event, SubCallStarted
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.testing import ScriptedModel

NOTES = {"a": "The kiln was lit on Monday.", "b": "The kiln went out on Friday."}
UNSEEN = {"inline_chars": 0}
LONG = "a line\n" * 3_000
GOES_ON, BEGUN_ANEW = "The session goes on", "The session of the questions before has ended"


def repl(code: str) -> str:
    return f"Some thought.\n\n```repl\n{code}\n```"


def finish(expression: str) -> str:
    return repl(f'answer["content"] = {expression}\nanswer["ready"] = True')


def begin(*replies: Any, context: Any = NOTES, sandbox: Any = "process", **options: Any) -> tuple[Any, ScriptedModel]:
    """A session whose root LM gives these replies."""
    llm = ScriptedModel([*replies])
    limits = UNSEEN | options.pop("limits", {})
    return RLMEngine(llm, limits=limits, sandbox=sandbox, **options).session(context), llm


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


def test_a_session_has_the_id_that_is_given() -> None:
    llm = ScriptedModel([finish("1")])
    with RLMEngine(llm).session(NOTES, id="mine") as session:
        assert session.ask("?").trace.session == session.id == "mine"
        assert repr(session) == "RLMSession('mine', 1 questions)"


# --- a REPL that is lost


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


# --- questions that end early


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


# --- several at once


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


# --- what a session's corpus is


class Library:
    """A retriever that finds two documents for each query, one of them for all."""

    async def retrieve(self, query: str) -> list[Document]:
        return [Document("common", "of all"), Document(query[:9], f"about {query}")]


@pytest.mark.parametrize("sandbox", ["process", "wasi"])
def test_what_a_retriever_finds_for_a_later_question_is_added_to_the_context(sandbox: str) -> None:
    session, llm = begin(
        repl("n = [d['id'] for d in retrieve('more of it')]"),
        finish("[d['id'] for d in context]"),
        finish("[n, [d['id'] for d in context], cite('about question2')]"),
        context=Library(),
        sandbox=sandbox,
    )
    with session, llm:
        first, second = session.ask("question1"), session.ask("question2")
    assert first.text == '["common", "question1", "more of i"]'
    ids = '["common", "question1", "more of i", "question2"]'
    assert second.text == f'[["common", "more of i"], {ids}, "about question2"]'
    assert second.citations[0].document_id == "question2"
    assert "retrieve" not in str(second.trace.executions[0].host_calls)


class ByQuery:
    """A retriever that has the text of its one document by the query."""

    async def retrieve(self, query: str) -> list[Document]:
        return [Document("lease", f"The lease says of {query}: nothing.")]


def test_another_text_under_a_known_id_is_another_document() -> None:
    texts = "[(d['id'], d['text'].split()[4][:-1]) for d in context]"
    more = f"[d['id'] for d in retrieve('dogs') + retrieve('rent') + retrieve('dogs')], {texts}"
    session, llm = begin(finish(f"str([{more}])"), finish(f"str({texts})"), finish(f"str([{more}])"), context=ByQuery())
    rent, dogs, cats = ("lease", "rent"), ("lease#2", "dogs"), ("lease#3", "cats")
    with session, llm:
        assert session.ask("rent").answer == str([["lease#2", "lease", "lease#2"], [rent, dogs]])
        assert session.ask("cats").answer == str([rent, dogs, cats])
        assert session.ask("dogs").answer == str([["lease#2", "lease", "lease#2"], [rent, dogs, cats]])


def test_a_corpus_is_read_once_for_all_questions() -> None:
    reads = list[int]()

    class Texts(list[str]):
        def __iter__(self) -> Any:
            reads.append(1)
            return super().__iter__()

    session, llm = begin(finish("len(context)"), finish("len(context)"), finish("1"), context=Texts(["a", "b"]))
    with session, llm:
        session.ask("?")
        once = len(reads)
        session.ask("?")
        session.ask("?")
    assert len(reads) == once


def test_a_later_question_that_is_too_long_to_show_becomes_a_document_of_a_new_repl() -> None:
    session, llm = begin(
        finish("(x := 1)"), finish("['x' in globals(), [d['id'] for d in context], len(context[0]['text'])]")
    )
    with session, llm:
        session.ask("?")
        second = session.ask(LONG)
    assert second.text == f'[false, ["question-2-message-1", "a", "b"], {len(LONG)}]'
    assert f"{BEGUN_ANEW}: the question is too long to be shown" in llm.requests[1][-1].content


def test_a_long_message_of_the_history_is_not_read_again() -> None:
    session, llm = begin(finish("(x := 1)"), finish("[x, len(context)]"))
    with session, llm:
        session.ask(LONG)
        assert session.ask([Message("user", LONG), Message("assistant", "1"), Message("user", "And now?")]).text == (
            "[1, 3]"
        )
    assert "in the document 'message-1' of `context`" in llm.requests[1][1].content


def test_without_a_corpus_or_code_there_is_only_the_conversation() -> None:
    session, llm = begin("4", "8", context=None)
    with session, llm:
        assert session.ask("What is 2 + 2?").answer == "4"
        assert not idle_repls._idle
        assert session.ask("And twice that?").answer == "8"
    told = llm.requests[1]
    assert [message.content for message in told[1:3]] == ["What is 2 + 2?", "4"]
    assert "session" not in told[-1].content


def test_a_question_over_another_corpus_begins_anew_and_is_told() -> None:
    session, llm = begin(finish("(x := 1)"), finish("['x' in globals(), len(context)]"), finish("len(context)"))
    engine, memory = session._ask.__self__, session._memory
    with session, llm:
        session.ask("?")
        assert engine.ask_in(memory, "And now?", ["a", "b", "c"]).text == "[false, 3]"
        assert session.ask("And then?").text == "3"
    assert f"{BEGUN_ANEW}: this question came with another corpus" in llm.requests[1][-1].content
    assert GOES_ON in llm.requests[2][-1].content


def test_a_question_of_an_engine_with_other_functions_begins_anew_and_is_told() -> None:
    session, llm = begin(finish("(x := 1)"), finish("['x' in globals(), double(4)]"))

    def double(n: int) -> int:
        return 2 * n

    other = RLMEngine(llm, limits=UNSEEN, tools=[double])
    with session, llm:
        session.ask("?")
        assert other.ask_in(session._memory, "And now?", NOTES).text == "[false, 8]"
    assert f"{BEGUN_ANEW}: this question came with other limits, functions" in llm.requests[1][-1].content


def test_a_system_message_of_the_user_takes_no_place_of_what_was_said() -> None:
    session, llm = begin(finish("1"), finish("2"))
    with session, llm:
        session.ask("First?")
        session.ask([Message("system", "Be brief."), Message("user", "And now?")])
    system, *before, _ = llm.requests[1]
    assert "Be brief." in system.content
    assert [message.content for message in before] == ["First?", "1"]


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


# --- nothing leaks


def test_a_session_that_nobody_holds_ends_its_repl() -> None:
    session, _ = begin(finish("1"))
    session.ask("?")
    [idle] = idle_repls._idle.values()
    repl_: Any = idle.repl
    assert repl_ is not None
    del session
    gc.collect()
    assert not idle_repls._idle
    assert idle.repl is None
    assert not repl_._close_pidfd.alive


def test_close_may_come_while_a_question_is_answered() -> None:
    session: Any = None

    def close(event: Event) -> None:
        if isinstance(event, CodeStarted):
            session.close()

    session, llm = begin(finish("1"), on_event=close)
    with llm:
        assert session.ask("?").answer == "1"
    assert not idle_repls._idle
    session.close()


@pytest.mark.parametrize("end", ["", "session.close()", "del session", "os._exit(0)"])
async def test_a_program_that_ends_leaves_no_process(run_program: Callable[..., Any], until: Any, end: str) -> None:
    ended = run_program(f"""
import os
from rlm_integrations import RLMEngine
from rlm_integrations.core.session.idle_repls import idle_repls
from rlm_integrations.testing import ScriptedModel
llm = ScriptedModel(["```repl\\nanswer['content'] = 'ok'; answer['ready'] = True\\n```"])
session = RLMEngine(llm, limits={{"inline_chars": 0}}).session(["a text"])
session.ask("?")
[idle] = idle_repls._idle.values()
print(idle.repl.pid, flush=True)
del idle
{end}
""")
    assert (ended.stderr, ended.returncode) == ("", 0)
    worker = Path(f"/proc/{int(ended.stdout)}")
    await until(lambda: not worker.exists())


def test_a_fork_of_the_program_begins_anew_and_leaves_the_repl_to_its_parent(run_program: Callable[..., Any]) -> None:
    ended = run_program("""
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from rlm_integrations import RLMEngine
from rlm_integrations.testing import ScriptedModel
def reply(messages):
    anew = "the program was forked" in messages[-1].content
    return f"```repl\\nx = globals().get('x', 0) + 1\\nanswer['content'] = [x, {anew}]; answer['ready'] = True\\n```"
session = RLMEngine(ScriptedModel(always=reply), limits={"inline_chars": 0}).session(["a text"])
print(session.ask("?").text, flush=True)
child = os.fork()
if child == 0:
    print(session.ask("?").text, flush=True)
    session.close()
    os._exit(0)
os.waitpid(child, 0)
print(session.ask("?").text, flush=True)
""")
    assert (ended.stdout, ended.stderr, ended.returncode) == ("[1, false]\n[1, true]\n[2, false]\n", "", 0)


def test_rlm_session_is_public() -> None:
    session, _ = begin()
    assert isinstance(session, RLMSession)
