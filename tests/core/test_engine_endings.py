"""However runs end, nothing of them stays: no process, no file descriptor, no thread, no task."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_integrations import RLMEngine, RLMResult
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.retriever import Retriever
from rlm_integrations.core.trace.events import CodeStarted, Event
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.sandboxes.process.helper_client import helper_client
from rlm_integrations.testing import ScriptedModel

CORPUS = Corpus.of("a line of the corpus\n" * 1_000)
DONE = "```repl\nanswer.update(content='done', ready=True)\n```"


@pytest.fixture(scope="module", autouse=True)
def a_new_helper() -> None:
    """One that holds no corpora of other tests: what it has forked between two runs is the spare for the next one."""
    helper_client().shut_down()


def processes(of: int) -> set[int]:
    """All that descend from this process, and itself; zombies included."""
    found, todo = {of}, [of]
    while todo:
        with suppress(FileNotFoundError, ProcessLookupError):
            for thread in Path(f"/proc/{todo.pop()}/task").iterdir():
                with suppress(FileNotFoundError, ProcessLookupError):
                    todo += map(int, (thread / "children").read_text().split())
        found.update(todo)
    return found


def held() -> tuple[int, int, set[str]]:
    """Open descriptors, processes below the helper, and threads of runs."""
    threads = {thread.name for thread in threading.enumerate() if thread.name.startswith("rlm")}
    helper = helper_client()._helper
    assert helper is not None
    return len(os.listdir("/proc/self/fd")), len(processes(helper.process.pid)) - 1, threads


async def settles(expected: tuple[int, int, set[str]]) -> None:
    """Fails unless what is held comes down to what is expected, soon.

    What an earlier test has left may close meanwhile, so fewer descriptors are as well.
    """
    async with asyncio.timeout(20):
        while (now := held())[0] > expected[0] or now[1:] != expected[1:]:
            await asyncio.sleep(0.01)


async def warmed_up() -> tuple[int, int, set[str]]:
    """What is held when the helper runs, and a spare, and nothing else."""
    assert (await RLMEngine(ScriptedModel([DONE])).arun("?", CORPUS)).answer == "done"
    gc.collect()
    before, looks = held(), 0
    async with asyncio.timeout(20):
        while looks < 5 or before[1] != 1:  # threads and descriptors of what has just ended may still be there
            await asyncio.sleep(0.01)
            looks = looks + 1 if held() == before else 0
            before = held()
    return before


@pytest.fixture(scope="module")
def warm() -> tuple[int, int, set[str]]:
    return asyncio.run(warmed_up())


async def test_forty_runs_leave_nothing() -> None:
    before = await warmed_up()

    async def runs(count: int) -> None:
        for _ in range(count):
            assert (await RLMEngine(ScriptedModel([DONE])).arun("?", CORPUS)).answer == "done"

    await asyncio.gather(*(runs(4) for _ in range(10)))
    await settles(before)


WAYS_TO_FAIL = ["the root LM raises", "the session is lost", "the observer raises", "a sub-call raises"]


@pytest.mark.parametrize("way", WAYS_TO_FAIL)
async def test_runs_that_fail_leave_nothing(way: str) -> None:
    before = await warmed_up()

    def boom(messages: object) -> str:
        raise OSError("gone")

    def observer(event: Event) -> None:
        if way == "the observer raises" and isinstance(event, CodeStarted):
            raise OSError("gone")

    code = "import os\nos._exit(1)" if way == "the session is lost" else "llm_query('x')"

    async def one_run() -> None:
        root = ScriptedModel([f"```repl\n{code}\n```", boom])
        with pytest.raises(RunError):
            await RLMEngine(root, sub_llm=ScriptedModel(always=boom), on_event=observer).arun("?", CORPUS)

    await asyncio.gather(*(one_run() for _ in range(12)))
    await settles(before)


class Slow:
    """A model, a tool and a retriever that give way to the loop some times before they answer."""

    def __init__(self, code: str) -> None:
        self._root = ScriptedModel([f"```repl\n{code}\n```", DONE])

    async def complete(self, messages: object) -> object:
        for _ in range(3):
            await asyncio.sleep(0)
        return await self._root.complete(messages)  # type: ignore[arg-type]

    async def retrieve(self, query: str) -> list[object]:
        await asyncio.sleep(0)
        return []


async def tool() -> str:
    """Waits a little."""
    await asyncio.sleep(0)
    return "ok"


CODE = "x = llm_query_batched(['x'] * 3)\ntool()\nretrieve('q')\nimport time\ntime.sleep(0.003)"


@settings(max_examples=15, deadline=None)
@given(turns=st.integers(0, 60), cancels=st.integers(1, 3), again_after=st.integers(0, 5))
def test_a_run_may_be_cancelled_at_any_point_and_again_while_it_ends(
    warm: tuple[int, int, set[str]], turns: int, cancels: int, again_after: int
) -> None:
    """The points are turns of the event loop."""

    async def scenario() -> None:
        sub = ScriptedModel(always=lambda messages: "reply")
        engine = RLMEngine(Slow(CODE), sub_llm=sub, tools=[tool])  # type: ignore[arg-type]
        retriever: Retriever = Slow("")  # type: ignore[assignment]
        task: asyncio.Task[RLMResult[str]] = asyncio.create_task(engine.arun("?", retriever))
        await _turns(turns)
        for _ in range(cancels):
            task.cancel()
            await _turns(again_after)
        await asyncio.gather(task, return_exceptions=True)
        del task
        gc.collect()
        await settles(warm)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0.0005)


async def test_a_stream_that_is_left_ends_its_worker_at_once() -> None:
    before = await warmed_up()
    async for event in RLMEngine(ScriptedModel(["```repl\nwhile True: pass\n```"])).astream("?", CORPUS):
        if isinstance(event, CodeStarted):
            break
    await settles(before)


def test_a_loop_that_is_closed_over_a_run_leaves_nothing_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    async def begin(engine: RLMEngine[str]) -> asyncio.Task[RLMResult[str]]:
        began = asyncio.Event()
        engine = RLMEngine(
            ScriptedModel(["```repl\nwhile True: pass\n```"]),
            on_event=lambda event: began.set() if isinstance(event, CodeStarted) else None,
        )
        task = asyncio.create_task(engine.arun("?", CORPUS))
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # what asyncio says of this task is right
        await began.wait()
        await asyncio.sleep(0.05)
        return task

    before = asyncio.run(warmed_up())
    loop = asyncio.new_event_loop()
    task = loop.run_until_complete(begin(RLMEngine(ScriptedModel([DONE]))))
    files, _, threads = held()
    loop.run_until_complete(settles((files, 2, threads)))  # the run's own, and a spare
    loop.close()
    del task, loop
    gc.collect()
    asyncio.run(settles(before))
    assert capfd.readouterr().err == ""


Nested = Callable[[int], Awaitable[str]]


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
def test_engines_in_tools_of_engines_do_not_wait_for_each_other(sync: bool) -> None:
    """Three deep, 16 at once, at the narrowest concurrency below the top."""

    def engine(depth: int, width: int) -> RLMEngine[str]:
        code = f"from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor({width}) as pool:\n"
        code += f"    r = list(pool.map(deeper, [{depth}] * {width}))" if depth else "    r = ['leaf']"
        model = ScriptedModel([f"```repl\n{code}\nanswer.update(content=r[0], ready=True)\n```"])

        def deeper(depth: int) -> str:
            """Run an engine."""
            return engine(depth - 1, 1).run("?", CORPUS).answer

        async def deeper_async(depth: int) -> str:
            """Run an engine."""
            return (await engine(depth - 1, 1).arun("?", CORPUS)).answer

        deeper_async.__name__ = "deeper"
        return RLMEngine(model, tools=[deeper if sync else deeper_async], limits={"max_concurrency": width})

    outer = engine(2, 16)
    answer = (outer.run("?", CORPUS) if sync else asyncio.run(outer.arun("?", CORPUS))).answer
    assert answer == "leaf"


def test_the_helper_is_there_for_the_next_run() -> None:
    assert RLMEngine(ScriptedModel([DONE])).run("?", CORPUS).answer == "done"
    helper_client().shut_down()
    assert RLMEngine(ScriptedModel([DONE])).run("?", CORPUS).answer == "done"
