"""`verify=Twice()`: two blind runs of a question, and a third that reconciles them: scripted models, the real REPL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from rlm_integrations import (
    Completion,
    Event,
    Message,
    RLMEngine,
    RLMLimits,
    RLMResult,
    RLMTrace,
    RunEnded,
    RunError,
    RunFailed,
    RunStarted,
    Twice,
    Warned,
    collect_rlm_traces,
)
from rlm_integrations.testing import ScriptedModel

from .blind_runs import SPENT, model
from .code_word import CORPUS, LOOK, QUESTION, finish


def verdict(verdict: str, answer: object = None) -> str:
    return finish({"verdict": verdict, "why": "it stands in the last line", "answer": answer})


def opening(llm: ScriptedModel, request: int) -> str:
    return "\n".join(message.content for message in llm.requests[request])


def test_two_runs_that_give_the_same_answer_agree_and_neither_sees_the_other() -> None:
    with model(finish("HERON"), "```repl\nprint(1)\n```", finish(" “Heron”. ")) as llm:
        result = RLMEngine(llm, verify=Twice()).run(QUESTION, CORPUS)
    assert (result.answer, result.agreement, result.answers) == ("HERON", "agreed", ("HERON", " “Heron”. "))
    assert llm.requests[0] == llm.requests[1]
    assert (result.usage.total_tokens, result.usage.cost_usd) == (330, pytest.approx(0.03))
    assert [len(result.trace.iterations), result.trace.iteration_count] == [1, 3]
    [second] = result.trace.beside
    assert (second.answer, len(second.iterations)) == (" “Heron”. ", 2)
    assert result.report()["agreement"] == "agreed"
    assert RLMTrace.model_validate_json(result.trace.model_dump_json()) == result.trace


@pytest.mark.parametrize(("first", "second"), [("5.", "5"), ("**Heron**", "heron"), ("a  b\nc", "A b c")])
def test_texts_that_differ_in_their_dress_alone_are_the_same(first: str, second: str) -> None:
    with model(finish(first), finish(second)) as llm:
        assert RLMEngine(llm, verify=Twice()).run(QUESTION, CORPUS).agreement == "agreed"


@pytest.mark.parametrize(("first", "second"), [("-5", "5"), ("1.5", "15"), ("heron", "no heron")])
def test_others_are_not(first: str, second: str) -> None:
    with model(finish(first), finish(second)) as llm, pytest.warns(RuntimeWarning, match="differ"):
        assert RLMEngine(llm, verify=Twice(reconcile=False)).run(QUESTION, CORPUS).agreement == "differed"


class Word(BaseModel):
    word: str
    count: float


def test_values_are_compared_as_values() -> None:
    with model(finish({"word": "HERON", "count": 1}), finish({"count": 1.0, "word": "HERON"})) as llm:
        result = RLMEngine(llm, answer_type=Word, verify=Twice()).run(QUESTION, CORPUS)
    assert (result.answer, result.agreement) == (Word(word="HERON", count=1), "agreed")


@pytest.mark.parametrize(
    ("said", "answer", "agreement"),
    [("first", "heron", "reconciled"), ("second", "egret", "reconciled"), ("same", "heron", "agreed")],
)
def test_a_third_run_is_given_both_with_their_citations_and_says_which_holds(
    said: str, answer: str, agreement: str
) -> None:
    cite = 'cite("the code word is HERON")'
    with model(finish("heron", cite), finish("egret"), verdict(said)) as llm:
        result = RLMEngine(llm, verify=Twice()).run(QUESTION, CORPUS)
    assert (result.answer, result.agreement, result.answers) == (answer, agreement, ("heron", "egret"))
    told = opening(llm, 2)
    assert QUESTION in told
    assert all(words in told for words in ("heron\nIt cited:\n- “the code word is HERON”", "egret\n</second"))
    assert len(result.citations) == (answer == "heron")
    assert len(result.trace.beside) == 2
    assert result.usage.cost_usd == pytest.approx(0.03)


def test_a_third_run_may_find_another_answer() -> None:
    with model(finish("egret"), finish("stork"), verdict("neither"), verdict("neither", "HERON")) as llm:
        result = RLMEngine(llm, verify=Twice()).run(QUESTION, CORPUS)
    assert (result.answer, result.text, result.agreement) == ("HERON", "HERON", "reconciled")
    assert result.trace.answer == "HERON"
    assert [other.answer for other in result.trace.beside] == ["egret", "stork"]
    assert result.usage.total_tokens == 110 * len(llm.requests)
    assert "needs the right answer" in llm.requests[-1][-1].content


def test_its_answer_is_of_the_type_of_the_two() -> None:
    replies = [finish({"word": word, "count": 1}) for word in ("egret", "stork")]
    replies += [verdict("neither", {"word": "HERON"}), verdict("neither", {"word": "HERON", "count": 2})]
    with model(*replies) as llm:
        result = RLMEngine(llm, answer_type=Word, verify=Twice()).run(QUESTION, CORPUS)
    assert (result.answer, result.text) == (Word(word="HERON", count=2), '{"word":"HERON","count":2.0}')
    assert '"count"' in opening(llm, 2)  # the schema
    assert "count: Field required" in llm.requests[-1][-1].content


def test_checks_look_at_the_answers_of_all_three() -> None:
    seen: list[object] = []

    def in_capitals(answer: str, result: RLMResult[Any]) -> str | None:
        assert result.answer == result.text == answer
        seen.append(answer)
        return None if answer.isupper() else "not in capitals"

    replies = [finish("EGRET"), finish("STORK"), verdict("neither", "heron"), verdict("neither", "HERON")]
    with model(*replies) as llm:
        result = RLMEngine(llm, verify=[in_capitals, Twice()]).run(QUESTION, CORPUS)
    assert (result.answer, result.verified) == ("HERON", True)
    assert seen == ["EGRET", "STORK", "heron", "HERON"]


def test_without_a_third_run_they_differ_loudly() -> None:
    with model(finish("heron"), finish("egret")) as llm, pytest.warns(RuntimeWarning, match="the two runs for “What"):
        result = RLMEngine(llm, verify=Twice(reconcile=False)).run(QUESTION, CORPUS)
    assert (result.answer, result.agreement, result.answers) == ("heron", "differed", ("heron", "egret"))
    assert any("differ" in warning for warning in result.trace.warnings)


def test_a_third_run_that_fails_loses_neither() -> None:
    told = pytest.warns(RuntimeWarning, match="that was to reconcile them failed: .*down")
    with model(finish("heron"), finish("egret"), OSError("down")) as llm, told:
        result = RLMEngine(llm, verify=Twice()).run(QUESTION, CORPUS)
    assert (result.answer, result.agreement) == ("heron", "differed")
    assert [trace.error is None for trace in result.trace.beside] == [True, False]


def test_what_ends_the_second_run_carries_what_the_first_answered() -> None:
    seen: list[Event] = []
    with model(finish("heron"), OSError("down")) as llm, pytest.raises(RunError, match="down") as raised:
        RLMEngine(llm, verify=Twice(), on_event=seen.append).run(QUESTION, CORPUS)
    result = raised.value.result
    assert result is not None
    assert result.answers == ("heron",)
    assert [trace.answer for trace in result.trace.beside] == ["heron"]
    assert result.usage.total_tokens == 110
    last = seen[-1]
    assert isinstance(last, RunFailed)
    assert last.result is result
    assert sum(isinstance(event, RunFailed | RunEnded) for event in seen) == 1


async def test_cancelling_carries_it_too() -> None:
    began = asyncio.Event()

    class Hangs:
        calls = 0

        async def complete(self, messages: Sequence[Message]) -> Completion:
            self.calls += 1
            if self.calls == 1:
                return Completion(finish("heron"), SPENT, "m")
            began.set()
            await asyncio.Event().wait()
            raise AssertionError

    task = asyncio.create_task(RLMEngine(Hangs(), verify=Twice()).arun(QUESTION, CORPUS))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await task
    assert cancelled.value.result.answers == ("heron",)  # type: ignore[attr-defined]


def test_what_comes_between_two_runs_carries_it_too() -> None:
    def handle(event: Event) -> None:
        if isinstance(event, Warned) and event.kind == "one_opinion":
            raise LookupError("broken handler")

    with model(LOOK, "heron") as llm, pytest.warns(RuntimeWarning), pytest.raises(RunError, match="broken") as raised:
        RLMEngine(llm, limits={"max_cost_usd": 0.01}, verify=Twice(), on_event=handle).run(QUESTION, CORPUS)
    assert raised.value.result is not None
    assert (raised.value.result.answer, raised.value.result.answers) == ("heron", ("heron",))


async def test_events_of_the_runs_follow_each_other_in_one_time_and_end_once() -> None:
    with model(finish("heron"), finish("egret"), verdict("second")) as llm:
        engine = RLMEngine(llm, verify=Twice())
        seen = [event async for event in engine.astream(QUESTION, CORPUS)]
    assert [event.attempt for event in seen if isinstance(event, RunStarted)] == [1, 2, 3]
    assert len({event.run for event in seen}) == 1
    assert [event.at for event in seen] == sorted(event.at for event in seen)
    last = seen[-1]
    assert isinstance(last, RunEnded)
    assert (last.result.answer, last.result.agreement) == ("egret", "reconciled")
    assert sum(isinstance(event, RunEnded) for event in seen) == 1


async def test_an_async_handler_is_awaited_in_order() -> None:
    seen: list[str] = []

    async def handle(event: Event) -> None:
        await asyncio.sleep(0)
        seen.append(type(event).__name__)

    with model(finish("heron"), finish("heron")) as llm:
        await RLMEngine(llm, verify=Twice(), on_event=handle).arun(QUESTION, CORPUS)
    assert seen.count("RunStarted") == 2
    assert seen[-1] == "RunEnded"


def test_a_context_that_can_be_read_but_once_is_read_once() -> None:
    def lines() -> Iterator[str]:
        yield from CORPUS.splitlines()

    count = finish("x").replace("'x'", "len(context)")
    with model(count, count) as llm:
        result = RLMEngine(llm, verify=Twice()).run(QUESTION, lines())
    assert result.answers == ("2001", "2001")


def test_collected_traces_have_one_of_the_question_with_all_that_was_paid() -> None:
    with collect_rlm_traces() as traces, model(finish("heron"), finish("heron")) as llm:
        result = RLMEngine(llm, verify=Twice()).run(QUESTION, CORPUS)
    assert traces == [result.trace]
    assert traces[0].usage.cost_usd == pytest.approx(0.02)


def test_a_second_run_out_of_a_cache_is_no_second_opinion() -> None:
    cached = Completion(finish("heron"), SPENT, "m", cached=True)
    seen: list[Event] = []
    with model(finish("heron"), cached) as llm, pytest.warns(RuntimeWarning, match="came from a cache"):
        result = RLMEngine(llm, verify=Twice(), on_event=seen.append).run(QUESTION, CORPUS)
    assert result.agreement == "agreed"
    assert [event.kind for event in seen if isinstance(event, Warned)] == ["one_opinion"]


@pytest.mark.parametrize("end", [SystemExit, asyncio.CancelledError, GeneratorExit])
def test_a_handler_that_would_end_the_loop_at_the_end_leaves_both_answers(end: type[BaseException]) -> None:
    async def handle(event: Event) -> None:
        if isinstance(event, RunEnded):
            raise end

    with model(finish("heron"), finish("heron")) as llm, pytest.raises(RunError, match=end.__name__) as raised:
        RLMEngine(llm, verify=Twice(), on_event=handle).run(QUESTION, CORPUS)
    assert raised.value.result is not None
    assert (raised.value.result.agreement, raised.value.result.answers) == ("agreed", ("heron", "heron"))


def test_an_overlong_question_keeps_its_place_and_the_answers_are_seen_whole() -> None:
    stuffed = f"{CORPUS * 2}\n{QUESTION}"
    with model(finish("heron"), finish("egret"), verdict("first")) as llm:
        RLMEngine(llm, verify=Twice()).run(stuffed)
    told = opening(llm, 2)
    assert len(told) < 40_000
    assert "heron\n</first" in told
    assert "egret\n</second" in told


def test_a_summary_with_other_runs_beside_it_keeps_its_bound_and_totals() -> None:
    busy = "```repl\n" + "\n".join(f"print('{'x' * 90}')" for _ in range(40)) + "\n```"
    limits = RLMLimits(max_iterations=30)
    replies = [*[busy] * 28, finish("a"), *[busy] * 28, finish("b"), *[busy] * 28, verdict("first")]
    with model(*replies) as llm:
        result = RLMEngine(llm, limits=limits, verify=Twice()).run(QUESTION, CORPUS)
    summary = result.report()["trace"]
    trace = RLMTrace.model_validate(summary)
    assert len(str(summary)) < 16_384
    assert (trace.usage, trace.iteration_count) == (result.usage, 87)
    assert (len(trace.beside), trace.agreement) == (2, "reconciled")
