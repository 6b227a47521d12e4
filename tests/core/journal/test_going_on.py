"""The same call, made again after whatever ended the first: nothing is paid for twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import (
    Completion,
    Document,
    Event,
    Message,
    RLMEngine,
    RLMResult,
    RootModelError,
    Twice,
    Usage,
    Warned,
)
from rlm_integrations.testing import ScriptedModel

TEXTS = {f"doc-{n}": f"Text {n}. " + "Nothing of note. " * 20 for n in range(4)}


def repl(code: str) -> str:
    return f"```repl\n{code}\n```"


class Model(ScriptedModel):
    """Ends the run amid a call, where it is to."""

    def __init__(self, paid: Paid, always: Any, usage: Usage | None = None) -> None:
        super().__init__(always=always, usage=usage)
        self.paid = paid

    async def complete(self, messages: Sequence[Message]) -> Completion:
        if len(self.paid.asked) == self.paid.ends_at:
            assert self.paid.run is not None
            self.paid.run.cancel()
            await asyncio.Event().wait()
        return await super().complete(messages)


class Paid:
    """Models that count what they are asked, and a tool; the run is ended when the count comes to `ends_at`."""

    def __init__(self, *codes: str, ends_at: int = -1) -> None:
        self.asked: list[str] = []
        self.counting = threading.Lock()
        self.tools: list[str] = []
        self.ends_at = ends_at
        self.codes = codes
        self.run: asyncio.Task[Any] | None = None
        self.llm = Model(self, self.root, Usage(input_tokens=100, output_tokens=10))
        self.sub_llm = Model(self, self.sub, Usage(input_tokens=7, output_tokens=1))

    def root(self, messages: Sequence[Message]) -> str:
        step = sum(message.role == "assistant" for message in messages)
        self.asked.append(f"root {step}")
        return repl(self.codes[step])

    def sub(self, messages: Sequence[Message]) -> str:
        prompt = messages[-1].content
        with self.counting:
            self.asked.append(prompt)
            return f"{prompt} {self.asked.count(prompt)}"

    def charge_tool(self, amount: int) -> int:
        """Charges."""
        self.tools.append(str(amount))
        return amount * 2

    def engine(self, path: Path, **options: Any) -> RLMEngine:
        return RLMEngine(self.llm, sub_llm=self.sub_llm, journal=path, tools=[self.charge_tool], **options)


CODES = (
    "n = charge_tool(21)\nfound = [llm_query(w) for w in sorted({'a', 'b', 'c'})]\nprint(n, found)",
    "votes = llm_query_batched(['vote'] * 5)\nprint(votes)",
    "answer['content'] = f'{n} {found} {votes}'\nanswer['ready'] = True",
)
ANSWER = "42 ['a 1', 'b 1', 'c 1'] ['vote 1', 'vote 2', 'vote 3', 'vote 4', 'vote 5']"
CALLS = ["root 0", "a", "b", "c", "root 1", *["vote"] * 5, "root 2"]


async def until_done(paid: Paid, path: Path, context: Any = TEXTS, **options: Any) -> RLMResult[str]:
    paid.run = asyncio.create_task(paid.engine(path, **options).arun("?", context))
    with pytest.raises(asyncio.CancelledError):
        await paid.run
    paid.ends_at = -1
    return await paid.engine(path, **options).arun("?", context)


@pytest.mark.parametrize("ends_at", range(len(CALLS)))
async def test_a_run_that_was_ended_goes_on_where_it_was(path: Path, ends_at: int) -> None:
    paid = Paid(*CODES, ends_at=ends_at)
    result = await until_done(paid, path)
    assert result.answer == ANSWER
    assert paid.asked == CALLS
    assert paid.tools == ["21"]
    assert result.trace.journal == ("resumed" if ends_at else "new")
    assert result.usage == Usage(input_tokens=3 * 100 + 8 * 7, output_tokens=3 * 10 + 8)
    assert not result.trace.warnings


async def test_the_trace_says_what_was_paid_for_when(path: Path) -> None:
    result = await until_done(Paid(*CODES, ends_at=6), path)
    first, second, third = result.trace.iterations
    assert [first.call.replayed, second.call.replayed, third.call.replayed] == [True, True, False]
    assert first.execution
    assert second.execution
    assert [call.replayed for call in first.execution.sub_calls] == [1, 1, 1]
    assert [call.replayed for call in first.execution.host_calls] == [True]
    assert sum(call.replayed for call in second.execution.sub_calls) == 1
    assert result.trace.replayed_usage == Usage(input_tokens=2 * 100 + 4 * 7, output_tokens=2 * 10 + 4)
    assert result.trace.paid_usage == Usage(input_tokens=100 + 4 * 7, output_tokens=10 + 4)


async def test_a_run_that_has_ended_is_answered_from_the_journal(path: Path) -> None:
    paid, events = Paid(*CODES), list[Event]()
    first = await paid.engine(path).arun("?", TEXTS)
    second = await paid.engine(path, sandbox="process", on_event=events.append).arun("?", TEXTS)
    assert paid.asked == CALLS
    assert second.answer == first.answer
    assert second.sources == first.sources
    assert second.trace.journal == "finished"
    assert second.usage == first.usage == second.trace.replayed_usage
    assert second.trace.paid_usage == Usage()
    assert [type(event).__name__ for event in events] == ["RunStarted", "RunEnded"]


async def test_another_question_or_context_is_another_run(path: Path) -> None:
    paid = Paid(*CODES)
    for question, context in [("?", TEXTS), ("??", TEXTS), ("?", [*TEXTS.values()]), ("?", TEXTS | {"more": "x"})]:
        assert (await paid.engine(path).arun(question, context)).trace.journal == "new"
    assert len(paid.asked) == 4 * len(CALLS)


def test_sync_runs_have_it_too(path: Path) -> None:
    """Their models are asked in threads, in any order where it is at once."""
    paid = Paid(
        *(code.replace("llm_query_batched(['vote'] * 5)", "sorted(llm_query_batched(['vote'] * 5))") for code in CODES)
    )
    first = paid.engine(path).run("?", TEXTS)
    second = paid.engine(path).run("?", TEXTS)
    assert first.answer == second.answer == ANSWER
    assert sorted(paid.asked) == sorted(CALLS)


async def test_equal_calls_at_one_time_are_runs_of_their_own(path: Path) -> None:
    paid, all_there = Paid("answer['content'] = llm_query('x')\nanswer['ready'] = True"), asyncio.Barrier(5)

    class Meets(Model):
        async def complete(self, messages: Sequence[Message]) -> Completion:
            await all_there.wait()
            return await super().complete(messages)

    paid.llm = Meets(paid, paid.root, Usage(input_tokens=100, output_tokens=10))
    engine, five = paid.engine(path), [f"x {n}" for n in range(1, 6)]
    first = await asyncio.gather(*[engine.arun("?", TEXTS) for _ in range(5)])
    assert sorted(result.answer for result in first) == five
    # One that has ended before the next begins answers that, too.
    again = await asyncio.gather(*[engine.arun("?", TEXTS) for _ in range(5)])
    assert {result.answer for result in again} <= set(five)
    assert len(paid.asked) == 10


async def test_code_that_comes_to_something_else_is_said_and_the_transcript_holds(path: Path) -> None:
    codes = (
        "import os\nword = os.urandom(8).hex()\nprint(word)",
        "got = llm_query('x')\nprint('second')",
        "answer['content'] = got\nanswer['ready'] = True",
    )
    paid = Paid(*codes, ends_at=3)
    seen: list[Event] = []
    result = await until_done(paid, path, on_event=seen.append)
    assert result.answer == "x 1"
    assert paid.asked == ["root 0", "root 1", "x", "root 2"]
    (warning,) = [event for event in seen if isinstance(event, Warned)]
    assert warning.kind == "replay_diverged"
    assert "iteration 1" in warning.message
    assert "output" in warning.message
    shown = [request[3].content for request in paid.llm.requests if len(request) > 3]
    assert len(shown) == 2
    assert shown[0] == shown[1], "the root LM is shown what it was shown at first"


async def test_a_replay_that_asks_for_more_says_so_before_it_pays(path: Path) -> None:
    codes = (
        "import os\ngot = llm_query(os.urandom(8).hex())\nprint('first')",
        "answer['content'] = 'done'\nanswer['ready'] = True",
    )
    paid = Paid(*codes, ends_at=2)
    result = await until_done(paid, path)
    assert len(paid.asked) == 4
    assert len(result.trace.warnings) == 1
    assert "iteration 1" in result.trace.warnings[0]
    assert "paid" in result.trace.warnings[0]


@pytest.mark.parametrize("kept", [True, False])
async def test_a_failed_call_is_kept_with_its_step_alone(path: Path, kept: bool) -> None:
    """Else an outage would be one for ever."""
    codes = (
        "try:\n    got = llm_query('x')\nexcept Exception as error:\n    got = str(error)\nllm_query('y')\nprint(got)",
        "answer['content'] = got\nanswer['ready'] = True",
    )
    paid = Paid(*codes, ends_at=3 if kept else 2)
    outage = [True]

    def sub(messages: Sequence[Message]) -> str:
        if messages[-1].content == "x" and outage:
            paid.asked.append(f"outage {outage.pop()}")
            raise ConnectionError("no route")
        return paid.sub(messages)

    paid.sub_llm = Model(paid, sub)
    result = await until_done(paid, path)
    assert ("no route" in result.answer) is kept
    assert paid.asked.count("x") == (0 if kept else 1)
    assert not result.trace.warnings


async def test_a_root_lm_that_gave_nothing_usable_is_asked_again(path: Path) -> None:
    is_down = True

    def root(messages: Sequence[Message]) -> str:
        return "" if is_down else repl("answer['content'] = 'x'\nanswer['ready'] = True")

    llm = ScriptedModel(always=root)
    engine = RLMEngine(llm, journal=path)
    with pytest.raises(RootModelError):
        await engine.arun("?", TEXTS)
    asked, is_down = len(llm.requests), False
    assert (await engine.arun("?", TEXTS)).answer == "x"
    assert len(llm.requests) == asked + 1


async def test_a_larger_limit_lets_a_run_go_on(path: Path) -> None:
    codes = (
        "print(llm_query('x'))",
        "answer['content'] = 'so far'\nprint(1)",
        "answer['content'] = 'done'\nanswer['ready'] = True",
    )
    paid = Paid(*codes)
    few = await paid.engine(path, limits={"max_iterations": 1}).arun("?", TEXTS)
    assert few.stop_reason == "max_iterations"
    again = await paid.engine(path, limits={"max_iterations": 1}).arun("?", TEXTS)
    assert (again.answer, again.trace.journal) == (few.answer, "finished")
    assert paid.asked == ["root 0", "x", "root 1"]
    more = await paid.engine(path, limits={"max_iterations": 9}).arun("?", TEXTS)
    assert more.answer == "done"
    assert paid.asked[3:] == ["root 1", "root 2"]


async def test_what_the_last_call_ran_is_no_step_of_a_run_that_goes_on(path: Path) -> None:
    """The step after the limit is another one under a larger limit, with what its own code comes to."""
    paid = Paid("print(1)", "print(2)", "answer['content'] = llm_query('forced')\nanswer['ready'] = True")
    few = await paid.engine(path, limits={"max_iterations": 2}).arun("?", TEXTS)
    assert (few.answer, few.stop_reason) == ("forced 1", "max_iterations")
    paid.codes = ("", "", "print(llm_query('more'))", "answer['content'] = 'done'\nanswer['ready'] = True")
    more = await paid.engine(path, limits={"max_iterations": 9}).arun("?", TEXTS)
    assert (more.answer, more.stop_reason) == ("done", "answer")
    assert paid.asked == ["root 0", "root 1", "root 2", "forced", "root 2", "more", "root 3"]
    assert not more.trace.warnings


async def test_a_last_call_that_was_ended_goes_on_too(path: Path) -> None:
    codes = ("print(1)", "answer['content'] = llm_query('a') + llm_query('b')\nanswer['ready'] = True")
    paid = Paid(*codes, ends_at=3)
    result = await until_done(paid, path, limits={"max_iterations": 1})
    assert (result.answer, result.stop_reason) == ("a 1b 1", "max_iterations")
    assert paid.asked == ["root 0", "root 1", "a", "b"]


async def test_what_chance_gives_is_the_runs_own(path: Path) -> None:
    codes = (
        "import random\nwords = list({f'word {n}' for n in range(50)})\nprint(random.random(), words[:3])",
        "print(random.random())",
        "answer['content'] = f'{random.random()} {words}'\nanswer['ready'] = True",
    )
    paid = Paid(*codes, ends_at=2)
    result = await until_done(paid, path)
    assert len(paid.asked) == 3
    assert not result.trace.warnings
    other = await Paid(*codes).engine(path.with_name("other.sqlite")).arun("?", TEXTS)
    assert other.answer != result.answer


async def test_two_blind_runs_stay_two(path: Path) -> None:
    """The second is no equal call that was made again."""
    paid = Paid("answer['content'] = llm_query('x')[:1]\nanswer['ready'] = True")
    first = await paid.engine(path, verify=Twice()).arun("?", TEXTS)
    assert paid.asked == ["root 0", "x"] * 2
    again = await paid.engine(path, verify=Twice()).arun("?", TEXTS)
    assert len(paid.asked) == 4
    assert (first.agreement, again.agreement) == ("agreed", "agreed")
    assert again.trace.paid_usage.total_tokens == 0


async def test_what_a_retriever_found_is_found_again(path: Path) -> None:
    class Retriever:
        def __init__(self) -> None:
            self.queries: list[str] = []

        async def retrieve(self, query: str) -> list[Document]:
            self.queries.append(query)
            return [Document(f"{query} {len(self.queries)}", f"About {query}.", {"n": len(self.queries)})]

    retriever = Retriever()
    codes = (
        "found = retrieve('more')\nprint(found[0]['id'], found[0]['metadata'])",
        "answer['content'] = f'{len(context)} {found[0][\"id\"]}'\nanswer['ready'] = True",
    )
    paid = Paid(*codes, ends_at=1)
    result = await until_done(paid, path, context=retriever)
    assert retriever.queries == ["?", "more"]
    assert result.answer == "2 more 2"
    assert not result.trace.warnings
    again = await paid.engine(path).arun("?", retriever)
    assert (again.trace.journal, retriever.queries) == ("finished", ["?", "more"])
    assert again.answer == result.answer


@pytest.mark.parametrize("ends_at", range(1, 5))
async def test_a_map_that_the_host_asks_goes_on_too(path: Path, ends_at: int) -> None:
    """Its packs are sub-calls of their own."""
    code = (
        "texts = [f'{n} ' + 'x' * 40_000 for n in range(6)]\n"
        "answer['content'] = str([reply[:1] for reply in llm_map('Say its number.', texts)])\nanswer['ready'] = True"
    )
    paid = Paid(code, ends_at=ends_at)
    result = await until_done(paid, path, limits={"max_concurrency": 1})
    replies = [asked for asked in paid.asked if asked != "root 0"]
    assert len(replies) == len(set(replies)) > 2
    assert len(paid.asked) == 1 + result.trace.sub_call_count
    assert not [warning for warning in result.trace.warnings if "journal" in warning]
