"""Where a run breaks x what is kept. The places are the events that a run tells of."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, get_args

import pytest

from rlm_integrations import (
    Completion,
    InvalidArgumentError,
    Message,
    RLMEngine,
    RLMResult,
    RunEnded,
    RunError,
    RunFailed,
    ToolCall,
    Usage,
    collect_rlm_traces,
)
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace import events as kinds
from rlm_integrations.core.trace.events import (
    CheckStarted,
    CodeEnded,
    Event,
    HostCallEnded,
    HostCallStarted,
    IterationEnded,
    IterationStarted,
    RootReplied,
    SubCallContinued,
    SubCallEnded,
    SubCallStarted,
)
from rlm_integrations.core.trace.recorder import Recorder
from rlm_integrations.testing import ScriptedModel

from .cut_off_runs import CORPUS, FINISH, LOOKUP, lookup

LOOK = "replies = llm_query_batched(['a', 'b'])\nlookup('x')\ncite('line 7:')\nanswer['content'] = 'a draft'"

Watch = Callable[[Event], Awaitable[None] | None]


def content(answer: object, result: object) -> None:
    """A check that has nothing against any answer."""


def engine(watch: Watch) -> RLMEngine[str]:
    root = ScriptedModel([f"```repl\n{code}\n```" for code in (LOOK, FINISH)], usage=Usage(input_tokens=7))
    sub = ScriptedModel(always=reply, usage=Usage())  # a server that counts no tokens
    return RLMEngine(
        root, sub_llm=sub, tools=[lookup], sub_tools=[LOOKUP], verify=content, route="auto", on_event=watch
    )


def reply(messages: Sequence[Message]) -> str | Completion:
    """Of a sub-LM that looks one of the prompts up."""
    if len(messages) == 2 and messages[-1].content == "b":
        return Completion("", tool_calls=(ToolCall("lookup", '{"name": "b"}', "1"),))
    return "ok"


def told_by(run: Callable[[RLMEngine[str]], Any]) -> list[Event]:
    seen: list[Event] = []
    run(engine(seen.append))
    return seen


UNDISTURBED = told_by(lambda whole: whole.run("?", CORPUS))
TIMES = sorted(Counter(map(type, UNDISTURBED)).items(), key=lambda each: each[0].__name__)
PLACES = [(kind, count) for kind, times in TIMES for count in range(1, times + 1)]
BREAKS = [pytest.param(kind, count, id=f"{kind.__name__}-{count}") for kind, count in PLACES]


def folded(events: list[Event]) -> Recorder:
    recorder = Recorder("?", RLMLimits())
    for event in events:
        recorder.record(event)
    return recorder


def check_kept(result: RLMResult[str] | None, seen: list[Event], error: str | None, *, finished: bool) -> None:
    """What a run hands back holds all that its events told of, and what was paid for."""
    assert result is not None
    trace = result.trace
    assert trace == folded(seen).trace
    assert (trace.error or "").startswith(error or "")
    assert (trace.error is None) == (error is None)
    paid = [event.usage for event in seen if isinstance(event, RootReplied)]
    ended = {event.call.number: event.call.usage for event in seen if isinstance(event, SubCallEnded)}
    paid += ended.values()
    paid += [event.usage for event in seen if isinstance(event, SubCallContinued) and event.number not in ended]
    assert result.usage == sum(paid, Usage())
    assert trace.iteration_count == sum(isinstance(event, IterationStarted) for event in seen)
    assert all(call.reply or call.error for execution in trace.executions for call in execution.sub_calls)
    assert all(call.result or call.error for execution in trace.executions for call in execution.host_calls)
    drafted = any(isinstance(event, IterationEnded) for event in seen)
    if finished or any(isinstance(event, CheckStarted) for event in seen):
        assert result.answer == "done"
    elif sum(isinstance(event, CodeEnded) for event in seen) == 2:  # the answer is there, and may not have been read
        assert result.answer in ("a draft", "done")
    else:
        assert result.answer == ("a draft" if drafted else "")
    assert isinstance(seen[-1], RunEnded if finished else RunFailed)
    assert seen[-1].result is result


def test_the_undisturbed_run_tells_of_every_kind_of_event_but_failures() -> None:
    assert set(map(type, UNDISTURBED)) == set(get_args(Event)) - {
        kinds.PromptShortened,
        kinds.FoldStarted,
        kinds.FoldEnded,
        kinds.Folded,
        kinds.RootFailed,
        kinds.RunFailed,
    }


def test_the_trace_is_a_fold_of_the_events() -> None:
    assert isinstance(UNDISTURBED[-1], RunEnded)
    assert UNDISTURBED[-1].result.trace == folded(UNDISTURBED).trace


def test_what_starts_ends_and_time_never_goes_back() -> None:
    for started, ended in [
        (kinds.IterationStarted, kinds.RootReplied),
        (kinds.CodeStarted, kinds.CodeEnded),
        (kinds.SubCallStarted, kinds.SubCallEnded),
        (kinds.HostCallStarted, kinds.HostCallEnded),
        (kinds.RunStarted, kinds.RunEnded),
    ]:
        assert sum(isinstance(event, started) for event in UNDISTURBED) == sum(
            isinstance(event, ended) for event in UNDISTURBED
        )
    times = [event.at for event in UNDISTURBED]
    assert times == sorted(times)


@pytest.mark.parametrize(("kind", "count"), BREAKS)
@pytest.mark.parametrize(
    "error", [LookupError, asyncio.CancelledError, SystemExit, pytest.fail.Exception, InvalidArgumentError]
)
@pytest.mark.parametrize("way", ["function", "coroutine"])
def test_a_handler_that_raises(way: str, error: type[BaseException], kind: type, count: int) -> None:
    seen: list[Event] = []

    def watch(event: Event) -> None:
        seen.append(event)
        if type(event) is kind and sum(type(each) is kind for each in seen) == count:
            raise error("broken handler")

    async def watch_later(event: Event) -> None:
        watch(event)

    def run() -> object:
        if way == "function":
            return engine(watch).run("?", CORPUS)
        return asyncio.run(engine(watch_later).arun("?", CORPUS))

    # What is no Exception ends the wait of the caller, in whose thread the handler of a sync run is called.
    out = way == "function" and not issubclass(error, Exception)
    raised, words = (error, "") if out else (RunError, f"on_event: it raised .*{error.__name__}: ")
    with collect_rlm_traces() as traces, pytest.raises(raised, match=f"{words}broken handler") as caught:
        run()
    finished = kind is RunEnded
    result: RLMResult[str] = caught.value.result  # type: ignore[attr-defined]
    check_kept(
        result, seen, None if finished else "the run was cancelled" if out else "on_event: it raised", finished=finished
    )
    assert traces == [result.trace]


@pytest.mark.parametrize(("kind", "count"), BREAKS)
async def test_a_handler_that_cancels_the_task_it_runs_in(kind: type, count: int) -> None:
    seen: list[Event] = []
    tasks: list[asyncio.Task[Any] | None] = []

    async def watch(event: Event) -> None:
        seen.append(event)
        if type(event) is kind and sum(type(each) is kind for each in seen) == count:
            tasks.append(asyncio.current_task())
            assert tasks[0] is not None
            tasks[0].cancel()
            await asyncio.sleep(0)

    run = asyncio.create_task(engine(watch).arun("?", CORPUS))
    of_calls = (kinds.SubCallsReserved, SubCallStarted, SubCallContinued, SubCallEnded, HostCallStarted, HostCallEnded)
    if kind in (*of_calls, kinds.Cited, kinds.Warned):
        check_kept(await run, seen, None, finished=True)  # it is the task of a call, which fails
        assert tasks != [run]
        return
    with pytest.raises(asyncio.CancelledError) as caught:
        await run
    finished = kind is RunEnded
    result: RLMResult[str] = caught.value.result  # type: ignore[attr-defined]
    check_kept(result, seen, None if finished else "the run was cancelled", finished=finished)


@pytest.mark.parametrize(("kind", "count"), BREAKS)
async def test_an_interrupt_that_comes_amid_a_run_on_the_callers_loop(kind: type, count: int) -> None:
    seen: list[Event] = []

    def watch(event: Event) -> None:
        seen.append(event)
        if type(event) is kind and sum(type(each) is kind for each in seen) == count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        await engine(watch).arun("?", CORPUS)
    finished = kind is RunEnded
    words = None if finished else "the run was ended by KeyboardInterrupt"
    check_kept(caught.value.result, seen, words, finished=finished)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("kind", "count"), BREAKS)
async def test_a_cancelled_run(kind: type, count: int) -> None:
    seen: list[Event] = []

    def watch(event: Event) -> None:
        seen.append(event)
        if type(event) is kind and sum(type(each) is kind for each in seen) == count:
            task.cancel()

    with collect_rlm_traces() as traces:
        task = asyncio.create_task(engine(watch).arun("?", CORPUS))
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    result: RLMResult[str] = caught.value.result  # type: ignore[attr-defined]
    finished = isinstance(seen[-1], RunEnded)  # one that is cancelled in its last moment has finished
    check_kept(result, seen, None if finished else "the run was cancelled", finished=finished)
    assert traces == [result.trace]


@pytest.mark.parametrize(("kind", "count"), BREAKS)
def test_ctrl_c(kind: type, count: int) -> None:
    seen: list[Event] = []

    async def watch(event: Event) -> None:
        seen.append(event)
        if type(event) is kind and sum(type(each) is kind for each in seen) == count:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()  # the run goes on no further by itself

    with collect_rlm_traces() as traces, pytest.raises(KeyboardInterrupt) as caught:
        engine(watch).run("?", CORPUS)
    result: RLMResult[str] = caught.value.result  # type: ignore[attr-defined]
    finished = kind is RunEnded
    check_kept(result, seen, None if finished else "the run was cancelled", finished=finished)
    assert traces == [result.trace]


async def test_a_handler_that_hangs_or_raises_over_a_failed_run_changes_nothing_of_it() -> None:
    def watch(event: Event) -> Awaitable[None] | None:
        if isinstance(event, RunFailed):
            raise LookupError("broken handler")
        return None

    async def hang(event: Event) -> None:
        if isinstance(event, RunFailed):
            await asyncio.Event().wait()

    for handler in (watch, hang):
        failing = RLMEngine(ScriptedModel([ConnectionError("gone")]), on_event=handler)
        with pytest.raises(RunError, match="the root LM failed in iteration 1: ConnectionError: gone") as caught:
            await failing.arun("?", CORPUS)
        assert caught.value.result is not None
        assert caught.value.result.trace.error == str(caught.value)


async def test_equal_runs_are_equal() -> None:
    def asked(number: int) -> list[object]:
        root, seen = ScriptedModel([f"```repl\n{code}\n```" for code in (LOOK, FINISH)]), list[Event]()
        sub = ScriptedModel(always=lambda messages: "ok")
        RLMEngine(root, sub_llm=sub, tools=[lookup], on_event=seen.append).run("?", [CORPUS, "x" * number])
        return [message.content for request in root.requests for message in request]

    assert asked(9) == asked(9)
    assert asked(9) != asked(8)
