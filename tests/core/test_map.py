"""Many questions over one context: in order, bounded, each failing alone."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import (
    Completion,
    Document,
    Event,
    InvalidArgumentError,
    JournalError,
    MapError,
    Message,
    RLMEngine,
    RLMResult,
    RunEnded,
    RunError,
    Usage,
)
from rlm_integrations.core.journal.run_journal import RunJournal
from rlm_integrations.testing import ScriptedModel

QUESTIONS = [f"Question {n:03}?" for n in range(12)]


def asked(messages: Sequence[Message]) -> str:
    return messages[-1].content.split("Question ")[-1][:3]


def answers(messages: Sequence[Message]) -> str:
    return f"to {asked(messages)}"


class Gate:
    """A model that answers when `at_once` of its calls are open, so fewer would hang; and keeps how many ever were."""

    def __init__(self, at_once: int) -> None:
        self.open = self.most = 0
        self._at_once = at_once
        self._barrier: asyncio.Barrier | None = None

    async def complete(self, messages: Sequence[Message]) -> Completion:
        self._barrier = self._barrier or asyncio.Barrier(self._at_once)
        self.open += 1
        self.most = max(self.most, self.open)
        await self._barrier.wait()
        self.open -= 1
        return Completion(answers(messages))


async def mapped(engine: RLMEngine[Any], way: str, *args: Any, **options: Any) -> list[RLMResult[Any]]:
    if way == "amap":
        return await engine.amap(*args, **options)
    return await asyncio.to_thread(engine.map, *args, **options)


@pytest.fixture(params=["map", "amap"])
def way(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("at_once", [1, 4])
async def test_so_many_runs_are_open_at_once_and_the_results_in_order(way: str, at_once: int) -> None:
    gate = Gate(at_once)
    results = await mapped(RLMEngine(gate), way, QUESTIONS, "A text.", concurrency=at_once)
    assert [result.answer for result in results] == [f"to {n:03}" for n in range(12)]
    assert gate.most == at_once


async def test_each_is_told_of_as_it_ends(way: str) -> None:
    """The first question ends last."""
    released = threading.Event()

    def reply(messages: Sequence[Message]) -> str:
        if asked(messages) == "000":
            assert released.wait(20)
        return answers(messages)

    class Slow:
        async def complete(self, messages: Sequence[Message]) -> Completion:
            return Completion(await asyncio.to_thread(reply, messages))

    told: list[tuple[int, str]] = []

    def on_result(place: int, result: RLMResult[str]) -> None:
        told.append((place, result.answer))
        if len(told) == 2:
            released.set()

    await mapped(RLMEngine(Slow()), way, QUESTIONS[:3], "A text.", on_result=on_result)
    assert told[-1] == (0, "to 000")
    assert sorted(told) == [(n, f"to {n:03}") for n in range(3)]


def test_the_callers_thread_is_told() -> None:
    threads: set[threading.Thread] = set()
    RLMEngine(ScriptedModel(always=answers)).map(
        QUESTIONS, "A text.", on_result=lambda *_: threads.add(threading.current_thread())
    )
    assert threads == {threading.current_thread()}


async def test_an_async_function_is_told_on_the_loop_of_the_runs(way: str) -> None:
    told: list[int] = []

    async def on_result(place: int, result: RLMResult[str]) -> None:
        await asyncio.sleep(0)
        told.append(place)

    await mapped(RLMEngine(ScriptedModel(always=answers)), way, QUESTIONS, "A text.", on_result=on_result)
    assert sorted(told) == [*range(12)]


async def test_a_question_that_fails_ends_no_other_one(way: str) -> None:
    def reply(messages: Sequence[Message]) -> str:
        if asked(messages) in ("003", "007"):
            raise ConnectionError("cut off")
        return answers(messages)

    told: dict[int, object] = {}
    engine = RLMEngine(ScriptedModel(always=reply))
    with pytest.raises(MapError, match=r"2 of 12 questions failed, questions\[3\] first: .*cut off") as caught:
        await mapped(engine, way, QUESTIONS, "A text.", on_result=told.__setitem__)
    results = caught.value.results
    assert [place for place, result in enumerate(results) if isinstance(result, RunError)] == [3, 7]
    assert results[11].answer == "to 011"  # type: ignore[union-attr]
    assert isinstance(results[3], ConnectionError), "as one by itself would be"
    assert [told[place] for place in range(12)] == results


def test_the_context_is_read_once() -> None:
    documents = iter([Document("a", "A text.")])
    llm = ScriptedModel(always=answers)
    RLMEngine(llm).map(QUESTIONS, documents)
    assert ["A text." in request[-1].content for request in llm.requests] == [True] * 12


@pytest.mark.parametrize("again", [False, True], ids=["once", "on each turn of the loop, as anyio does"])
async def test_cancelling_ends_the_runs_that_are_open(again: bool) -> None:
    both = asyncio.Barrier(3)
    ended: list[str] = []

    class Hangs:
        async def complete(self, messages: Sequence[Message]) -> Completion:
            if asked(messages) in ("000", "001"):
                return Completion(answers(messages))
            try:
                await both.wait()
                await asyncio.Event().wait()
            finally:
                ended.append(asked(messages))
            raise AssertionError

    job = asyncio.create_task(RLMEngine(Hangs()).amap(QUESTIONS, "A text.", concurrency=2))
    await both.wait()
    job.cancel()
    while again and not job.done():
        await asyncio.sleep(0)
        job.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await job
    assert sorted(ended) == ["002", "003"]
    results = caught.value.results  # type: ignore[attr-defined]
    assert [result.answer for result in results[:2]] == ["to 000", "to 001"]
    assert [str(result) for result in results[2:4]] == ["the run was cancelled"] * 2
    assert results[4:] == [None] * 8


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_what_runs_that_are_cut_off_had_come_to_is_handed_back(end: type[BaseException]) -> None:
    """Also a run that was over, whose end was just being told."""
    drafted, over = threading.Event(), threading.Event()

    class Model:
        def complete_sync(self, messages: Sequence[Message]) -> Completion:
            if "Question 000" in str(messages):
                assert drafted.wait(30)
                return Completion("whole", Usage(input_tokens=5))
            if len(messages) == 2:
                return Completion("```repl\nanswer['content'] = 'a draft'\n```", Usage(input_tokens=7))
            drafted.set()
            return Completion(str(over.wait()))

        async def complete(self, messages: Sequence[Message]) -> Completion:
            raise AssertionError

    def on_event(event: Event) -> None:
        if isinstance(event, RunEnded):
            raise end

    with pytest.raises(end) as caught:
        RLMEngine(Model(), on_event=on_event).map(QUESTIONS[:3], "A text.", concurrency=2)
    over.set()
    whole, cut_off, not_begun = caught.value.results  # type: ignore[attr-defined]
    assert (whole.answer, whole.usage.input_tokens) == ("whole", 5)
    assert isinstance(cut_off, RunError)
    assert cut_off.result is not None
    assert (cut_off.result.answer, cut_off.result.usage.input_tokens) == ("a draft", 7)
    assert not_begun is None


def test_ctrl_c_hands_back_what_there_is() -> None:
    def on_result(place: int, result: RLMResult[str]) -> None:
        if place == 1:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        RLMEngine(ScriptedModel(always=answers)).map(QUESTIONS, "A text.", concurrency=1, on_result=on_result)
    results = caught.value.results  # type: ignore[attr-defined]
    assert [result and result.answer for result in results] == ["to 000", "to 001"] + [None] * 10


async def test_no_questions_have_no_results(way: str) -> None:
    assert await mapped(RLMEngine(ScriptedModel()), way, [], "A text.") == []


@pytest.mark.parametrize(
    ("questions", "options", "words"),
    [
        ("Who?", {}, r"questions: str given; pass a list of questions, \[question\] for a single one"),
        (7, {}, "questions: int given"),
        ({"a": "Who?"}, {}, "questions: dict given; .*values"),
        (["Who?", " "], {}, r"questions\[1\]: question: is empty"),
        (["Who?", 7], {}, r"questions\[1\]: question: int given"),
        (["Who?"], {"concurrency": 0}, "concurrency: 0 given; pass an int of 1 or more"),
        (["Who?"], {"concurrency": True}, "concurrency: True given"),
        (["Who?"], {"on_result": 7}, "on_result: int given"),
        (["Who?"], {"context": object()}, "context: "),
    ],
)
async def test_what_is_wrong_is_refused_before_anything_is_paid(
    way: str, questions: Any, options: dict[str, Any], words: str
) -> None:
    llm = ScriptedModel(always=answers)
    with pytest.raises(InvalidArgumentError, match=words):
        await mapped(RLMEngine(llm), way, questions, **options)
    assert not llm.requests


async def test_a_handler_that_raises_ends_the_job(way: str) -> None:
    llm = ScriptedModel(always=answers)

    def on_result(place: int, result: object) -> None:
        raise KeyError("no such row")

    with pytest.raises(RunError, match=r"on_result: it raised .*no such row") as caught:
        await mapped(RLMEngine(llm), way, QUESTIONS, "A text.", concurrency=1, on_result=on_result)
    assert len(llm.requests) == 1
    assert caught.value.results[0].answer == "to 000"  # type: ignore[attr-defined]


async def test_equal_questions_are_samples_of_their_own_by_position(tmp_path: Path) -> None:
    """One after another, where an equal call by itself would be answered from the file."""
    llm = ScriptedModel([f"say {n}" for n in range(6)])
    engine = RLMEngine(llm, journal=tmp_path / "runs.sqlite")
    votes = ["Vote?"] * 5
    first = await engine.amap(votes, "A text.", concurrency=1)
    assert [result.answer for result in first] == [f"say {n}" for n in range(5)]
    again = await engine.amap([*votes, "Other?"], "A text.", concurrency=3)
    assert [result.answer for result in again] == [f"say {n}" for n in range(6)]
    assert (await engine.arun("Vote?", "A text.")).answer == "say 0"
    assert len(llm.requests) == 6


async def test_a_journal_that_cannot_be_written_ends_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is paid for."""
    llm = ScriptedModel(always=answers)
    engine = RLMEngine(llm, journal=tmp_path / "runs.sqlite")
    keep_end = RunJournal.keep_end

    async def full(journal: RunJournal, *end: Any) -> None:
        if len(llm.requests) == 3:
            raise JournalError("journal: the disk is full")
        await keep_end(journal, *end)

    monkeypatch.setattr(RunJournal, "keep_end", full)
    with pytest.raises(JournalError) as caught:
        await engine.amap(QUESTIONS, "A text.", concurrency=1)
    assert len(llm.requests) == 3
    assert caught.value.result is not None
    assert caught.value.result.answer == "to 002"
    results = caught.value.results  # type: ignore[attr-defined]
    assert [result.answer for result in results[:2]] == ["to 000", "to 001"]
    assert results[2:] == [caught.value, *[None] * 9]
