"""Runs whose conversation outgrows the window: what they tell, keep and cost, with a real REPL."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from rlm_integrations import Completion, Message, RLMEngine, RLMLimits, RunError, Usage
from rlm_integrations.core.trace.events import (
    Event,
    Folded,
    FoldEnded,
    FoldStarted,
    IterationEnded,
    IterationStarted,
    RootReplied,
    RunFailed,
)
from rlm_integrations.core.trace.recorder import Recorder
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.trace.summary import SUMMARY_BYTES, summarise
from rlm_integrations.testing import ScriptedModel

BOOK = "".join(f"line {n}: nothing to see, or little of note\n" for n in range(2_000))
STEPS = 30
WINDOW = 8_000
ROOT = Usage(input_tokens=3, output_tokens=2)


def step(number: int) -> str:
    return f"```repl\nv{number} = {number}\nprint(context[:2_000])\n```"


def summing_up(messages: Sequence[Message]) -> bool:
    return "sum it up" in messages[-1].content


class LongRun:
    """The replies of a root LM that goes so many steps and then answers with a variable of its first."""

    def __init__(self, *, usage: Usage | None = None) -> None:
        self.steps = 0
        self.usage = usage

    def __call__(self, messages: Sequence[Message]) -> str:
        if summing_up(messages):
            return f"Nothing was found in {self.steps} steps; `v1` is 1, and the rest is to be read."
        self.steps += 1
        if self.steps <= STEPS:
            return step(self.steps)
        return "```repl\nanswer['content'] = f'{v1} of {v30}'\nanswer['ready'] = True\n```"


def root(**options: Any) -> ScriptedModel:
    return ScriptedModel(always=LongRun(), max_input_tokens=WINDOW, **options)


def run(llm: Any, context: object = BOOK, **options: Any) -> Any:
    limits = {"max_iterations": 60, **options.pop("limits", {})}
    return RLMEngine(llm, limits=limits, **options).run("How many?", context)


def test_what_a_run_tells_of_its_folds_is_what_its_trace_keeps() -> None:
    told: list[Event] = []
    result = run(llm := root(usage=ROOT), on_event=told.append)
    assert result.answer == "1 of 30"
    trace = result.trace
    folds = [fold for iteration in trace.iterations for fold in iteration.folds]
    assert len(folds) == trace.fold_count == sum(map(summing_up, llm.requests)) >= 2
    assert all(fold.taken and fold.reply.startswith("Nothing was found") for fold in folds)
    assert [fold.up_to for fold in folds] == sorted(fold.up_to for fold in folds)
    assert [iteration.number for iteration in trace.iterations] == list(range(1, STEPS + 2))
    assert all(BOOK[:500] in (iteration.observation or "") for iteration in trace.iterations[:-1])
    assert trace.root_usage == sum([ROOT] * len(llm.requests), Usage())
    recorder = Recorder("How many?", RLMLimits(max_iterations=60))
    for event in told:
        recorder.record(event)
    assert recorder.trace == trace
    at = next(place for place, event in enumerate(told) if isinstance(event, FoldStarted))
    before, started, ended, folded, after = told[at - 1 : at + 4]
    assert isinstance(before, IterationEnded)
    assert isinstance(ended, FoldEnded)
    assert isinstance(folded, Folded)
    assert isinstance(after, IterationStarted)
    assert (before.iteration, started.iteration, folded.iteration, after.iteration) == (  # type: ignore[attr-defined]
        before.iteration,
        before.iteration,
        before.iteration,
        before.iteration + 1,
    )
    assert folded.prompt_chars == after.prompt_chars < ended.fold.call.prompt_chars


def test_the_root_lm_sees_the_question_its_summary_and_the_last_steps() -> None:
    run(llm := root())
    opening, last = llm.requests[0], llm.requests[-1]
    assert last[: len(opening)] == opening
    summary, note, *_ = last[len(opening) :]
    assert (summary.role, note.role) == ("assistant", "user")
    assert "`v1` is 1" in summary.content
    assert "Variables are kept: v1, v10, v11" in note.content
    assert max(sum(len(message.content) for message in request) for request in llm.requests) < 4 * WINDOW


def test_the_same_run_twice_is_the_same() -> None:
    first, second = root(), root()
    run(first)
    run(second)
    assert first.requests == second.requests


def test_a_window_that_the_user_gives_bounds_the_run_and_what_is_shown() -> None:
    wide, narrow = ScriptedModel(always=LongRun()), ScriptedModel(always=LongRun())
    assert run(wide).trace.fold_count == 0
    assert run(narrow, limits={"max_input_tokens": 5_000}).trace.fold_count > 2
    shown = [max(len(message.content) for message in llm.requests[1][-1:]) for llm in (wide, narrow)]
    assert shown[0] > 2_000 > shown[1]


def test_a_refusal_tells_the_window_and_the_call_goes_on_within_its_iteration() -> None:
    told: list[Event] = []

    def strict(messages: Sequence[Message]) -> str:
        if sum(len(message.content) for message in messages) > 30_000:
            raise ValueError("prompt is too long: 9001 tokens > 8192 maximum")
        return replies(messages)

    replies = LongRun()
    result = run(ScriptedModel(always=strict), on_event=told.append)
    assert result.answer == "1 of 30"
    amid = next(place for place, event in enumerate(told) if isinstance(event, FoldStarted))
    kinds = [type(event) for event in told[amid - 1 : amid + 4]]
    assert kinds == [IterationStarted, FoldStarted, FoldEnded, Folded, RootReplied]
    assert len({getattr(event, "iteration", None) for event in told[amid - 1 : amid + 4]}) == 1
    refused = next(each for each in result.trace.iterations if each.folds)
    assert refused.call.error is None
    assert refused.call.prompt_chars < 30_000
    started = [event.iteration for event in told if isinstance(event, IterationStarted)]
    assert started == list(range(1, STEPS + 2))


@pytest.mark.parametrize("kind", [FoldStarted, FoldEnded, Folded])
async def test_a_run_that_is_cancelled_amid_a_fold_keeps_what_was_paid(kind: type) -> None:
    told: list[Event] = []

    async def watch(event: Event) -> None:
        told.append(event)
        if isinstance(event, kind):
            task.cancel()
            await asyncio.sleep(0)

    llm = root(usage=ROOT)
    task = asyncio.create_task(RLMEngine(llm, limits={"max_iterations": 60}, on_event=watch).arun("How many?", BOOK))
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    trace: RLMTrace = caught.value.result.trace  # type: ignore[attr-defined]
    assert isinstance(told[-1], RunFailed)
    paid = [event for event in told if isinstance(event, RootReplied)]
    folds = [event for event in told if isinstance(event, FoldEnded) and event.fold.call.error is None]
    assert trace.root_usage == sum([ROOT] * (len(paid) + len(folds)), Usage())
    [fold] = [fold for iteration in trace.iterations for fold in iteration.folds]
    assert fold.taken is (kind is Folded)
    assert (fold.call.error is None) is (kind is not FoldStarted)


def test_a_fold_that_fails_ends_no_run() -> None:
    replies = LongRun()

    def failing(messages: Sequence[Message]) -> str:
        if summing_up(messages):
            raise ConnectionError("no summary today")
        return replies(messages)

    result = run(ScriptedModel(always=failing, max_input_tokens=WINDOW))
    assert result.answer == "1 of 30"
    errors = [fold.call.error for iteration in result.trace.iterations for fold in iteration.folds]
    assert errors == ["ConnectionError: no summary today"] * 2


def test_a_limit_that_a_summary_meets_is_told_and_the_last_call_follows() -> None:
    replies = LongRun()

    def ending(messages: Sequence[Message]) -> str:
        return "about 1" if "You have reached" in messages[-1].content else replies(messages)

    run(probe := root(usage=ROOT))
    calls = 1 + next(place for place, request in enumerate(probe.requests) if summing_up(request))
    llm = ScriptedModel(always=ending, max_input_tokens=WINDOW, usage=ROOT)
    result = run(llm, limits={"max_total_tokens": calls * ROOT.total_tokens})
    assert (result.answer, result.stop_reason) == ("about 1", "max_total_tokens")
    assert len(llm.requests) == calls + 1
    assert any("Nothing was found" in message.content for message in llm.requests[-1])
    assert result.trace.iterations[-1].last_call


def test_the_root_lm_that_replies_with_code_has_none_of_it_run() -> None:
    replies = LongRun()

    def coding(messages: Sequence[Message]) -> str:
        return "Go on.\n```repl\nv1 = 'wrong'\n```" if summing_up(messages) else replies(messages)

    result = run(ScriptedModel(always=coding, max_input_tokens=WINDOW))
    assert result.answer == "1 of 30"
    folds = [fold for iteration in result.trace.iterations for fold in iteration.folds]
    assert len(folds) == 4  # each twice, then never again
    assert not any(fold.taken for fold in folds)


def test_a_summary_of_the_trace_keeps_its_totals() -> None:
    trace = run(root(usage=ROOT)).trace
    short = summarise(trace)
    assert len(short.model_dump_json()) <= SUMMARY_BYTES
    assert (short.fold_count, short.root_usage) == (trace.fold_count, trace.root_usage)
    assert RLMTrace.model_validate_json(short.model_dump_json()) == short


def test_a_child_rlm_folds_too_and_each_summary_is_one_of_its_calls() -> None:
    code = "answer['content'] = rlm_query('How many?', context)\nanswer['ready'] = True"
    child = root(usage=ROOT)
    engine = RLMEngine(
        ScriptedModel([f"```repl\n{code}\n```"], usage=ROOT),
        sub_llm=child,
        limits={"max_depth": 2, "max_iterations": 60},
    )
    result = engine.run("?", BOOK)
    assert result.answer == "1 of 30"
    [call] = result.trace.executions[0].sub_calls
    assert call.child is not None
    assert call.child.fold_count >= 2
    assert result.trace.sub_call_count == call.model_calls == len(child.requests)
    assert result.usage == sum([ROOT] * (1 + len(child.requests)), Usage())


def test_a_long_session_has_what_was_said_before_summed_up() -> None:
    long = LongRun()
    short = "```repl\nanswer['content'] = 'noted ' * 600\nanswer['ready'] = True\n```"
    llm = ScriptedModel(
        always=lambda messages: short if len(talk) < 3 else long(messages), max_input_tokens=WINDOW, usage=ROOT
    )
    talk: list[str] = []
    with RLMEngine(llm, limits={"max_iterations": 60}).session(BOOK) as session:
        while len(talk) < 3:
            talk.append(session.ask(f"What about line {len(talk)}?").answer)
        result = session.ask("How many?")
    assert result.answer == "1 of 30"
    first, *_, last = llm.requests[3:]
    [request, *_] = [each[-1].content for each in llm.requests if summing_up(each)]
    assert "in place of what was said before the question, and of steps 1 to" in request
    assert sum("noted" in message.content for message in first) == 3
    assert not any("noted" in message.content for message in last)
    assert (last[0], last[1].content.count("How many?")) == (first[0], 1)


def test_an_error_of_the_handler_amid_a_fold_is_the_runs() -> None:
    def watch(event: Event) -> None:
        if isinstance(event, Folded):
            raise LookupError("broken handler")

    with pytest.raises(RunError, match="broken handler"):
        run(root(), on_event=watch)


def test_thoughts_are_no_part_of_a_summary() -> None:
    replies = LongRun()

    def thinking(messages: Sequence[Message]) -> str | Completion:
        said = replies(messages)
        return Completion(f"<think>secret plan</think>{said}") if summing_up(messages) else said

    result = run(llm := ScriptedModel(always=thinking, max_input_tokens=WINDOW))
    assert result.answer == "1 of 30"
    assert not any("secret plan" in message.content for request in llm.requests for message in request)
    assert any(fold.call.thoughts == "secret plan" for each in result.trace.iterations for fold in each.folds)
