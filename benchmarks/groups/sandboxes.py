"""The WASI sandbox beside the process sandbox: runs, steps, calls, memory, and Python itself, by turns."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from math import inf

from benchmarks.processes import MB, ONLY_ROOT, cpu_seconds, smaps_of
from benchmarks.registry import Group, Scale
from benchmarks.repeats import alternating, seconds
from benchmarks.repls import DONE, text_of
from benchmarks.row import OURS, Row, not_measured
from rlm_integrations import Corpus, ProcessSandbox, RLMEngine
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.sandboxes.wasi import cache
from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings

PROCESS = "process sandbox"
STEPS, CALLS = 20, 200
SMALL = Corpus.of("Some text.")
SETUP = """
import collections, json, re
words = [f"word{n * 7919 % 20_011}" for n in range(COUNT)]
text = " ".join(words)
rows = [{"id": n, "name": word, "tags": [n, word]} for n, word in enumerate(words[: COUNT // 10])]
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
"""
PROGRAMS = {
    "a loop of sums": "x = 0\nfor n in range(500_000): x += n * n",
    "fib(22)": "fib(22)",
    "a comprehension": "x = len([w.upper() for w in words if w[-1] == '7'])",
    "counting words": "x = collections.Counter(text.split())",
    "sorting": "x = sorted(words)",
    "a regular expression": "x = len(re.findall(r'word\\d*77\\b', text))",
    "finding in a text": "x = sum(text.count(w) for w in words[:50])",
    "JSON": "x = len(json.loads(json.dumps(rows)))",
    "search": "x = search(r'word1\\d+7 ', docs=text, limit=None)",
}
Measure = Callable[[Sandbox], Awaitable[float]]
"""Milliseconds."""


def costs(scale: Scale) -> list[Row]:
    """What passes between host and REPL."""
    measures: dict[str, tuple[Measure, int, float | None]] = {
        "a run of one turn, warm": (one_turn, 9, None),
        "an opening, with a spare": (partial(an_opening, wait_s=scale.of(0.5, 0)), 9, 30),
        "a step, `x = 1`": (partial(a_step, steps=scale.of(STEPS, 2)), 9, None),
        "a host call, one by one, 1 KB": (partial(a_host_call, calls=scale.of(CALLS, 2)), 5, None),
        f"a batch of {CALLS}": (partial(a_batch, calls=scale.of(CALLS, 2)), 5, None),
        "first open over a str of 100 MB": (partial(first_open, mb=scale.of(100, 0.1)), 3, None),
    }
    sandbox = WasiSandbox()
    with asyncio.Runner() as loop:
        return [
            beside(loop, f"WASI: {what}", measure, sandbox, scale.of(times, 1), bound)
            for what, (measure, times, bound) in measures.items()
        ]


def python_itself(scale: Scale) -> list[Row]:
    """CPU time of the worker for small programs, the least of some rounds."""
    taken: dict[str, dict[str, float]] = {}

    async def rounds() -> None:
        async with _opened(WasiSandbox(), SMALL) as ours, _opened(ProcessSandbox(), SMALL) as process:
            for who, session in ((OURS, ours), (PROCESS, process)):
                await session.value(SETUP.replace("COUNT", str(scale.of(200_000, 1_000))))
                taken[who] = dict.fromkeys(PROGRAMS, inf)
            for _ in range(scale.of(7, 1)):
                for name, program in list(PROGRAMS.items())[: scale.of(len(PROGRAMS), 2)]:
                    for who, session in ((OURS, ours), (PROCESS, process)):
                        spent = await _cpu_ms(session, program)
                        taken[who][name] = min(taken[who][name], spent)

    asyncio.run(rounds())
    return [
        Row(f"WASI: {name}: CPU time", "ms", ms, {PROCESS: taken[PROCESS][name]})
        for name, ms in taken[OURS].items()
        if ms < inf
    ]


def sessions(scale: Scale) -> list[Row]:
    """Memory of each of 20 REPLs that are open at once, and of one over a text of 10 MB."""
    mb = scale.of(10, 0.1)

    async def measured(sandbox: Sandbox) -> tuple[float, float]:
        async with AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(_opened(sandbox, SMALL)) for _ in range(scale.of(20, 2))]
            each = sum(_pss_mb(session) for session in opened) / len(opened)
        async with _opened(sandbox, Corpus.of(text_of(mb))) as session:
            await session.value("len(context.lower())")
            return each, _pss_mb(session)

    try:
        ours, process = asyncio.run(measured(WasiSandbox())), asyncio.run(measured(ProcessSandbox()))
    except PermissionError:
        return [not_measured("WASI: memory", ONLY_ROOT)]
    names = ("WASI: memory of each of 20 REPLs", "WASI: memory of a REPL over a text of 10 MB")
    return [Row(name, "MB", of, {PROCESS: other}) for name, of, other in zip(names, ours, process, strict=True)]


def first_use(scale: Scale) -> list[Row]:
    """To compile the component, into a folder that is thrown away: once on each machine."""
    if scale.quick:
        return []  # ten seconds of a processor
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # it says that it takes seconds
        os.environ[cache.FOLDER_VARIABLE] = folder
        try:
            return [Row("WASI: the first use on a machine", "s", seconds(cache.compiled_component))]
        finally:
            del os.environ[cache.FOLDER_VARIABLE]


def beside(
    loop: asyncio.Runner, name: str, measure: Measure, sandbox: Sandbox, times: int, bound: float | None = None
) -> Row:
    """A sandbox, and the process sandbox beside it."""

    async def milliseconds(of: Sandbox) -> float:
        return await measure(of)

    ways = {
        OURS: lambda: loop.run(milliseconds(sandbox)),
        PROCESS: lambda: loop.run(milliseconds(ProcessSandbox())),
    }
    medians = alternating(ways, times)
    return Row(name, "ms", medians.pop(OURS), medians, bound=bound)


async def one_turn(sandbox: Sandbox) -> float:
    engine = RLMEngine(ScriptedModel(always=lambda messages: DONE), sandbox=sandbox)
    await engine.arun("?", "Some text.")
    return await _took(engine.arun("?", "Some text."))


async def a_step(sandbox: Sandbox, steps: int = STEPS) -> float:
    async with _opened(sandbox, SMALL) as session:
        await session.run("x = 1")
        began = time.perf_counter()
        for _ in range(steps):
            await session.run("x = 1")
        return (time.perf_counter() - began) / steps * 1_000


async def an_opening(sandbox: Sandbox, wait_s: float) -> float:
    await asyncio.sleep(wait_s)  # a spare is ready long before
    began = time.perf_counter()
    async with _opened(sandbox, SMALL):
        return (time.perf_counter() - began) * 1_000


async def a_batch(sandbox: Sandbox, calls: int = CALLS) -> float:
    async with _opened(sandbox, SMALL) as session:
        return await _took(session.run(f"llm_query_batched(['x'] * {calls})"))


async def a_host_call(sandbox: Sandbox, calls: int = CALLS) -> float:
    async with _opened(sandbox, SMALL) as session:
        return await _took(session.run(f"for n in range({calls}): llm_query('x' * 1000)")) / calls


async def open_and_close(sandbox: Sandbox) -> float:
    return await _took(_open_and_close(sandbox, SMALL))


async def first_open(sandbox: Sandbox, mb: float) -> float:
    corpus = Corpus.of(text_of(mb))  # another one each time
    return await _took(_open_and_close(sandbox, corpus))


async def _open_and_close(sandbox: Sandbox, corpus: Corpus) -> None:
    await (await sandbox.open(corpus, contract_settings())).close()


async def _cpu_ms(session: OpenRepl, program: str) -> float:
    """That the worker uses for it."""
    pid = _pid(session)
    before = cpu_seconds(pid)
    if await session.value(program + "\nNone"):
        raise RuntimeError(f"it printed something: {program}")
    return (cpu_seconds(pid) - before) * 1_000


def _pss_mb(session: OpenRepl) -> float:
    return smaps_of(_pid(session))["Pss"] / MB


def _pid(session: OpenRepl) -> int:
    pid: int = session.repl.pid  # type: ignore[attr-defined]
    return pid


@asynccontextmanager
async def _opened(sandbox: Sandbox, corpus: Corpus) -> AsyncIterator[OpenRepl]:
    repl = await sandbox.open(corpus, contract_settings())
    try:
        yield OpenRepl(repl)
    finally:
        await repl.close()


async def _took(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return (time.perf_counter() - began) * 1_000


GROUP = Group("The WASI sandbox", (costs, python_itself, sessions, first_use))
