"""Checks at a limit, checks that break, hang or are cancelled, and what is no check."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from rlm_integrations import Event, InvalidArgumentError, LimitReachedError, RLMEngine, RLMLimits, RLMResult, RunError
from rlm_integrations.testing import ScriptedModel

from .checked_runs import in_capitals, last_message, upper
from .code_word import CORPUS, QUESTION, finish


def test_at_a_limit_the_refused_answer_is_handed_back_loudly() -> None:
    limits = RLMLimits(max_iterations=2)
    with ScriptedModel([finish("heron"), finish("heron"), "egret"]) as llm:
        engine = RLMEngine(llm, limits=limits, verify=in_capitals)
        with pytest.warns(RuntimeWarning) as told:
            result = engine.run(QUESTION, CORPUS)
    assert (result.answer, result.stop_reason) == ("egret", "max_iterations")
    assert (result.verified, result.objection) == (False, "egret is not in capitals")
    assert any("is not verified" in str(warning.message) for warning in told)
    assert any("egret is not in capitals" in warning for warning in result.trace.warnings)
    assert (result.report()["verified"], result.report()["objection"]) == (False, "egret is not in capitals")
    assert "heron is not in capitals" in last_message(llm)  # so that the last call can mend it
    assert [len(iteration.checks) for iteration in result.trace.iterations] == [1, 1, 1]


def test_the_last_call_may_mend_it() -> None:
    with ScriptedModel([finish("heron"), "HERON"]) as llm, pytest.warns(RuntimeWarning) as told:
        result = RLMEngine(llm, limits=RLMLimits(max_iterations=1), verify=in_capitals).run(QUESTION, CORPUS)
    assert (result.answer, result.stop_reason, result.verified) == ("HERON", "max_iterations", True)
    assert not any("not verified" in str(warning.message) for warning in told)


def test_on_limit_raise_raises_with_the_refused_answer() -> None:
    with ScriptedModel([finish("heron"), "heron"]) as llm:
        engine = RLMEngine(llm, limits=RLMLimits(max_iterations=1), verify=in_capitals, on_limit="raise")
        with pytest.raises(LimitReachedError) as raised:
            engine.run(QUESTION, CORPUS)
    result = raised.value.result
    assert result is not None
    assert (result.answer, result.verified, result.objection) == ("heron", False, "heron is not in capitals")


@dataclass
class Count:
    n: int


async def quits(answer: object, result: object) -> None:
    raise GeneratorExit("I quit")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (quits, "verify: quits raised RuntimeError: GeneratorExit: I quit"),
        (lambda answer, _: answer.missing, "verify: <lambda> raised AttributeError"),
        (lambda answer, _: True, "verify: <lambda> returned True; return None where the answer holds"),
        (lambda answer, _: "  ", "verify: <lambda> returned an empty str"),
    ],
)
def test_a_check_that_breaks_ends_the_run_with_the_answer_that_it_was_to_check(broken: Any, words: str) -> None:
    seen: list[Event] = []
    with ScriptedModel([finish({"n": 3})]) as llm:
        engine = RLMEngine(llm, answer_type=Count, verify=broken, on_event=seen.append)
        with pytest.raises(RunError, match=words) as raised:
            engine.run(QUESTION, CORPUS)
    result = raised.value.result
    assert result is not None
    assert (result.answer, result.verified) == (Count(3), None)
    assert result.usage.total_tokens > 0
    [check] = result.trace.iterations[0].checks
    assert check.error is not None
    assert result.trace.error == str(raised.value)


async def test_a_check_that_outlasts_the_runs_time_leaves_the_answer_unverified() -> None:
    async def endless(_answer: str, _result: RLMResult[Any]) -> None:
        await asyncio.Event().wait()

    with ScriptedModel([finish("HERON")]) as llm, pytest.warns(RuntimeWarning) as told:
        result = await RLMEngine(llm, limits={"timeout_s": 0.6}, verify=endless).arun(QUESTION, CORPUS)
    assert (result.answer, result.stop_reason, result.verified) == ("HERON", "timeout", False)
    assert result.objection == "endless was not done when the run's time was up"
    assert "its answer is the one that verify had not done with" in str(told[0].message)


async def test_a_check_that_hangs_is_let_go_of_after_the_time_of_a_call() -> None:
    def endless(_answer: str, _result: RLMResult[Any]) -> None:
        released.wait()

    released = threading.Event()
    with ScriptedModel([finish("HERON")]) as llm:
        engine = RLMEngine(llm, limits={"call_timeout_s": 0.2}, verify=endless)
        with pytest.raises(RunError, match=r"verify: endless gave no word within 0\.2 s") as raised:
            await engine.arun(QUESTION, CORPUS)
    released.set()
    assert raised.value.result is not None
    assert raised.value.result.answer == "HERON"


async def test_a_run_that_is_cancelled_in_a_check_carries_its_answer() -> None:
    began = asyncio.Event()

    async def endless(_answer: str, _result: RLMResult[Any]) -> None:
        began.set()
        await asyncio.Event().wait()

    with ScriptedModel([finish("HERON")]) as llm:
        task = asyncio.create_task(RLMEngine(llm, verify=endless).arun(QUESTION, CORPUS))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
    result: RLMResult[Any] = cancelled.value.result  # type: ignore[attr-defined]
    assert result.answer == "HERON"
    [check] = result.trace.iterations[0].checks
    assert check.error == "CancelledError: the run ended first"


def test_what_ends_a_run_ends_it_out_of_a_check_too() -> None:
    class PauseError(Exception):
        pass

    def asks_a_person(_answer: str, _result: RLMResult[Any]) -> None:
        raise PauseError

    with ScriptedModel([finish("HERON")]) as llm:
        engine = RLMEngine(llm, verify=asks_a_person, ends_run=lambda error: isinstance(error, PauseError))
        with pytest.raises(PauseError) as raised:
            engine.run(QUESTION, CORPUS)
    assert raised.value.result.answer == "HERON"  # type: ignore[attr-defined]


class Rules(BaseModel):
    word: str


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Rules, "verify: Rules is a class; .* answer_type=Rules"),
        ("in capitals", "verify: 'in capitals' is no function; pass a function"),
        (upper, r"verify: upper does not take \(answer, result\); .* AfterValidator\(upper\)"),
        ([in_capitals, 3], "verify: 3 is no function"),
        (TypeAdapter(int), "verify: .* is no function"),
    ],
)
def test_what_is_no_check_is_refused_at_once(wrong: Any, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        RLMEngine(ScriptedModel(), verify=wrong)
