"""collect_rlm_traces: whole traces, however deep a run is hidden."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from rlm_integrations import RLMEngine, RLMTrace, collect_rlm_traces
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.run_errors import LimitReachedError, RootModelError
from rlm_integrations.testing import ScriptedModel


def engine(*replies: str) -> RLMEngine:
    return RLMEngine(ScriptedModel(replies))


async def test_runs_of_the_block_are_collected_in_the_order_in_which_they_end() -> None:
    with collect_rlm_traces() as traces:
        result = await engine("first").arun("one?")
        engine("second").run("two?")
        await asyncio.create_task(engine("third").arun("three?"))
        await asyncio.to_thread(engine("fourth").run, "four?")
    engine("fifth").run("five?")
    assert [trace.answer for trace in traces] == ["first", "second", "third", "fourth"]
    assert traces[0] is result.trace
    assert traces[0].detail == "full"


async def test_tasks_side_by_side_keep_their_traces_apart() -> None:
    async def ask(answer: str) -> list[RLMTrace]:
        with collect_rlm_traces() as traces:
            await engine(answer).arun("q")
        return traces

    collected = await asyncio.gather(*(ask(f"answer {n}") for n in range(5)))
    assert [[trace.answer for trace in traces] for traces in collected] == [[f"answer {n}"] for n in range(5)]


def test_blocks_may_be_nested_and_the_run_of_a_tool_belongs_to_the_block() -> None:
    def ask_colleague(question: str) -> str:
        return engine("inner").run(question).text

    code = '```repl\nanswer["content"] = ask_colleague("you?")\nanswer["ready"] = True\n```'
    with collect_rlm_traces() as outer:
        engine("before").run("q")
        with collect_rlm_traces() as inner:
            RLMEngine(ScriptedModel([code]), tools=[ask_colleague]).run("q", "c")
    assert [trace.question for trace in inner] == ["you?", "q"]
    assert outer[1:] == inner


def test_a_bare_thread_has_to_be_given_the_context() -> None:
    with collect_rlm_traces() as traces:
        context = contextvars.copy_context()
        lost = threading.Thread(target=contextvars.Context().run, args=(engine("lost").run, "q"))
        kept = threading.Thread(target=context.run, args=(engine("kept").run, "q"))
        for thread in (lost, kept):
            thread.start()
            thread.join()
    assert [trace.answer for trace in traces] == ["kept"]


async def test_runs_that_end_without_an_answer_are_there_and_say_why() -> None:
    asked = asyncio.Event()

    class Hanging:
        async def complete(self, messages: object) -> None:
            asked.set()
            await asyncio.get_running_loop().create_future()

    with collect_rlm_traces() as traces:
        with pytest.raises(RootModelError):
            await RLMEngine(ScriptedModel([RuntimeError("down")])).arun("failed?")
        with pytest.raises(LimitReachedError):
            await RLMEngine(
                ScriptedModel(["```repl\nx = 1\n```", "so far"]), limits={"max_iterations": 1}, on_limit="raise"
            ).arun("limited?", "c")
        task = asyncio.create_task(RLMEngine(Hanging()).arun("cancelled?"))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(InvalidArgumentError):
            await engine("x").arun("refused?", context=17)
    assert [(trace.question, trace.stop_reason) for trace in traces] == [
        ("failed?", None),
        ("limited?", "max_iterations"),
        ("cancelled?", None),
    ]
    assert "down" in traces[0].error
    assert traces[2].error == "the run was cancelled"


async def test_a_run_that_outlives_its_block_is_not_collected() -> None:
    gate = asyncio.Event()

    class Slow:
        async def complete(self, messages: object) -> object:
            await gate.wait()
            return await ScriptedModel(["late"]).complete(messages)

    with collect_rlm_traces() as traces:
        task = asyncio.create_task(RLMEngine(Slow()).arun("q"))
        await asyncio.sleep(0)
    gate.set()
    assert (await task).text == "late"
    assert traces == []


def test_a_block_that_is_left_in_another_context_ends_quietly() -> None:
    block = collect_rlm_traces()
    context = contextvars.copy_context()
    traces = context.run(block.__enter__)
    context.run(engine("kept").run, "q")
    block.__exit__(None, None, None)
    context.run(engine("late").run, "q")
    assert [trace.answer for trace in traces] == ["kept"]
