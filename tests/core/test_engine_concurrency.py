"""Runs side by side keep their outputs, budgets and traces apart, and none holds up another."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import textwrap
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rlm_integrations import Message, RLMEngine, RLMResult
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.trace.events import IterationStarted
from rlm_integrations.testing import ScriptedModel

CORPUS = Corpus.of("".join(f"line {n}: nothing to see\n" for n in range(2_000)))


def repl(code: str) -> str:
    return f"```repl\n{code}\n```"


def script(name: str, calls: int) -> ScriptedModel:
    return ScriptedModel(
        [
            repl(
                f"mine = {name!r}\nprint('printed by', mine)\n"
                f"r = llm_query_batched([mine + str(i) for i in range({calls})])"
            ),
            repl("answer['content'] = [mine, r]\nanswer['ready'] = True"),
        ]
    )


def echo(messages: Sequence[Message]) -> str:
    return f"<{messages[-1].content}>"


def check(name: str, calls: int, result: RLMResult[str], root: ScriptedModel) -> None:
    replies = ", ".join(f'"<{name}{i}>"' for i in range(calls))
    assert result.text == f'["{name}", [{replies}]]'
    assert result.trace.sub_call_count == calls
    observation = root.requests[1][-1].content
    assert f"printed by {name}\n" in observation
    assert observation.count("printed by") == 1
    assert f"{calls} made" in observation
    assert f"{50 - calls} left" in observation


def test_runs_in_threads_stay_apart() -> None:
    def one(n: int) -> None:
        root = script(f"run{n}", n + 1)
        result = RLMEngine(root, sub_llm=ScriptedModel(always=echo), limits={"max_sub_calls": 50}).run("?", CORPUS)
        check(f"run{n}", n + 1, result, root)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(8)))


async def test_twenty_gathered_in_one_loop_stay_apart() -> None:
    async def one(n: int) -> None:
        root = script(f"run{n}", n % 7 + 1)
        engine = RLMEngine(root, sub_llm=ScriptedModel(always=echo), limits={"max_sub_calls": 50})
        check(f"run{n}", n % 7 + 1, await engine.arun("?", CORPUS), root)

    await asyncio.gather(*map(one, range(20)))


async def test_a_sync_run_inside_a_running_loop() -> None:
    root = script("inside", 3)
    result = RLMEngine(root, sub_llm=ScriptedModel(always=echo), limits={"max_sub_calls": 50}).run("?", CORPUS)
    check("inside", 3, result, root)


def test_context_variables_reach_models_and_tools() -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")
    tenant.set("blue")
    seen: list[str] = []

    def who() -> str:
        """Whose run it is."""
        seen.append(tenant.get())
        return tenant.get()

    def reply(messages: Sequence[Message]) -> str:
        seen.append(tenant.get())
        return repl("answer['content'] = who()\nanswer['ready'] = True")

    assert RLMEngine(ScriptedModel(always=reply), tools=[who]).run("?", CORPUS).answer == "blue"
    assert seen == ["blue", "blue"]


def test_a_tool_may_run_an_engine_again_at_any_concurrency() -> None:
    def inner(n: int) -> str:
        """Run another engine."""
        llm = ScriptedModel([repl(f"answer['content'] = 'inner {n}'\nanswer['ready'] = True")])
        return RLMEngine(llm, limits={"max_concurrency": 1}).run("?", CORPUS).answer

    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    r = list(pool.map(inner, range(4)))"
    )
    llm = ScriptedModel([repl(code + "\nanswer['content'] = r\nanswer['ready'] = True")])
    result = RLMEngine(llm, tools=[inner], limits={"max_concurrency": 2}).run("?", CORPUS)
    assert result.text == '["inner 0", "inner 1", "inner 2", "inner 3"]'


async def test_no_more_calls_at_once_than_max_concurrency() -> None:
    open_now, most = 0, 0
    three_open = asyncio.Event()

    class Counting:
        async def complete(self, messages: Sequence[Message]) -> object:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            if open_now == 3:
                three_open.set()
            await three_open.wait()
            open_now -= 1
            return await ScriptedModel(["ok"]).complete(messages)

    root = ScriptedModel(
        [repl("r = llm_query_batched(['x'] * 40)\nanswer['content'] = len(r)\nanswer['ready'] = True")]
    )
    result = await RLMEngine(root, sub_llm=Counting(), limits={"max_concurrency": 3}).arun("?", CORPUS)  # type: ignore[arg-type]
    assert result.text == "40"
    assert most == 3


async def test_a_cancelled_run_ends_its_calls() -> None:
    ended = asyncio.Event()
    began = asyncio.Event()

    class Hung:
        async def complete(self, messages: Sequence[Message]) -> object:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    root = ScriptedModel([repl("llm_query('x')")])
    task = asyncio.create_task(RLMEngine(root, sub_llm=Hung()).arun("?", CORPUS))  # type: ignore[arg-type]
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_an_abandoned_stream_ends_its_run() -> None:
    llm = ScriptedModel([repl("while True: pass")])
    stream = RLMEngine(llm).astream("?", CORPUS)
    async for event in stream:
        if isinstance(event, IterationStarted):
            break
    await stream.aclose()  # type: ignore[attr-defined]
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


def test_ctrl_c_ends_a_sync_run_whose_model_hangs(start_program: Callable[..., Any]) -> None:
    program = """
        import threading
        from rlm_integrations import RLMEngine
        from rlm_integrations.testing import ScriptedModel

        def hang(messages):
            print("hanging", flush=True)
            threading.Event().wait()

        try:
            RLMEngine(ScriptedModel(always=hang)).run("?", "x" * 100_000)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    running = start_program(textwrap.dedent(program), whole_end=True)
    assert running.stdout.readline() == "hanging\n"
    os.kill(running.process.pid, signal.SIGINT)
    ended = running.end(30)
    assert ended.stdout == "interrupted\n"
    assert ended.returncode == 0
