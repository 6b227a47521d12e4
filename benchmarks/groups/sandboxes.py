"""Another sandbox beside the default one: a run, a step, a host call, opening. They take turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from benchmarks.registry import Group, Scale
from benchmarks.repeats import alternating
from benchmarks.repls import DONE, text_of
from benchmarks.row import OURS, Row, not_measured
from rlm_integrations import Corpus, ProcessSandbox, RLMEngine
from rlm_integrations.core.errors import RLMError
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings

PROCESS = "process sandbox"
STEPS, CALLS = 20, 100
SMALL = Corpus.of("Some text.")
LINES = "n = sum(1 for line in context.splitlines() if 'needle' in line)"
Measure = Callable[[Sandbox], Awaitable[float]]
"""Milliseconds."""


def wasi(scale: Scale) -> list[Row]:
    try:
        sandbox = resolve_sandbox("wasi")
    except RLMError as error:
        return [not_measured("wasi sandbox", str(error).splitlines()[0])]
    measures: dict[str, tuple[Measure, int]] = {
        "a run of one turn, warm": (one_turn, 9),
        "a step, `x = 1`": (a_step, 9),
        "a host call, one by one, 1 KB": (a_host_call, 5),
        "open and close, a small corpus": (open_and_close, 9),
        "first open over a str of 100 MB": (partial(first_open, mb=scale.of(100, 0.1)), 3),
        "reading the lines of a str of 1 MB": (reading_lines, 5),
    }
    with asyncio.Runner() as loop:
        return [
            beside(loop, f"wasi: {what}", measure, sandbox, scale.of(times, 1))
            for what, (measure, times) in measures.items()
        ]


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


async def a_step(sandbox: Sandbox) -> float:
    async with _opened(sandbox, SMALL) as session:
        await session.run("x = 1")
        began = time.perf_counter()
        for _ in range(STEPS):
            await session.run("x = 1")
        return (time.perf_counter() - began) / STEPS * 1_000


async def a_host_call(sandbox: Sandbox) -> float:
    async with _opened(sandbox, SMALL) as session:
        return await _took(session.run(f"for n in range({CALLS}): llm_query('x' * 1000)")) / CALLS


async def open_and_close(sandbox: Sandbox) -> float:
    return await _took(_open_and_close(sandbox, SMALL))


async def first_open(sandbox: Sandbox, mb: float) -> float:
    corpus = Corpus.of(text_of(mb))  # another one each time
    return await _took(_open_and_close(sandbox, corpus))


async def reading_lines(sandbox: Sandbox) -> float:
    async with _opened(sandbox, Corpus.of(text_of(1))) as session:
        await session.run("x = 1")
        return await _took(session.run(LINES))


async def _open_and_close(sandbox: Sandbox, corpus: Corpus) -> None:
    await (await sandbox.open(corpus, contract_settings())).close()


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


GROUP = Group("Other sandboxes", (wasi,))
