"""Many runs at once, on one loop and in threads, beside the same calls by a bare client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langchain_openai import ChatOpenAI

from benchmarks.groups.sub_calls import BARE_LANGCHAIN, MODEL_MS, close, code_of
from benchmarks.registry import Group, Scale
from benchmarks.repeats import alternating, cpu_milliseconds, seconds
from benchmarks.repls import contract
from benchmarks.row import OURS, Row
from benchmarks.slow_server import served
from rlm_integrations import Corpus, RLMEngine
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing import ScriptedModel

RUNS, CALLS, SHORT_RUNS = 40, 5, 50
ONE_CALL = "answer['content'] = 1\nanswer['ready'] = True"
SHORT = ("print(search('No. 7'))", "llm_query_batched(chunks(context))", ONE_CALL)


class _Coder:
    """RLMs whose root LM and sub-LM are ChatOpenAI, and the same calls without one."""

    def __init__(self, url: str, loop: asyncio.Runner) -> None:
        self._loop = loop
        self._model = ChatOpenAI(model="served", base_url=url, api_key="none")

    def __enter__(self) -> _Coder:
        return self

    def __exit__(self, *error: object) -> None:
        close(self._model, self._loop)

    def gathered(self, runs: int, code: str, expected: int) -> None:
        async def all_of_them() -> Sequence[Any]:
            return await asyncio.gather(*(self._rlm(code).ainvoke("?") for _ in range(runs)))

        _check(self._loop.run(all_of_them()), expected)

    def in_threads(self, runs: int, code: str, expected: int) -> None:
        with ThreadPoolExecutor(runs) as threads:
            _check(list(threads.map(lambda _: self._rlm(code).invoke("?"), range(runs))), expected)

    def bare_gathered(self, runs: int, calls: int) -> None:
        async def one() -> None:
            await self._model.ainvoke("code", stop=[ONE_CALL])
            await self._model.abatch(["piece"] * calls)

        async def all_of_them() -> None:
            await asyncio.gather(*(one() for _ in range(runs)))

        self._loop.run(all_of_them())

    def bare_in_threads(self, runs: int, calls: int) -> None:
        def one(_: int) -> None:
            self._model.invoke("code", stop=[ONE_CALL])
            self._model.batch(["piece"] * calls)

        with ThreadPoolExecutor(runs) as threads:
            list(threads.map(one, range(runs)))

    def _rlm(self, code: str) -> RLMRunnable:
        # the server replies with what it is asked to stop at
        return RLMRunnable(llm=self._model.bind(stop=[code]), sub_llm=self._model, context="Some text.")


def _check(messages: Sequence[Any], expected: int) -> None:
    if {message.content for message in messages} != {str(expected)}:
        raise RuntimeError(f"not every run answered {expected}: {[message.content for message in messages]!r:.300}")


def at_once(scale: Scale) -> list[Row]:
    """40 runs of a root call and five sub-calls of 100 ms."""
    runs, times = scale.of(RUNS, 2), scale.of(5, 1)
    code = code_of(CALLS)
    rows: list[Row] = []
    with served(scale.of(MODEL_MS, 1)) as url, asyncio.Runner() as loop, _Coder(url, loop) as coder:
        ways: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
            "gathered": (lambda: coder.gathered(runs, code, CALLS), lambda: coder.bare_gathered(runs, CALLS)),
            "in threads": (lambda: coder.in_threads(runs, code, CALLS), lambda: coder.bare_in_threads(runs, CALLS)),
        }
        for name, (ours, bare) in ways.items():
            for clock, unit, what in ((seconds, "s", ""), (cpu_milliseconds, "ms", ", CPU time of the host")):
                compared = {
                    OURS: lambda clock=clock, ours=ours: clock(ours),
                    BARE_LANGCHAIN: lambda clock=clock, bare=bare: clock(bare),
                }
                taken = alternating(compared, times)
                label = f"{RUNS} runs of {CALLS} sub-calls of {MODEL_MS} ms, {name}{what}"
                rows.append(Row(label, unit, taken.pop(OURS), taken))
    return rows


def cpu_of_one(scale: Scale) -> list[Row]:
    """The host's CPU time for one of 50 runs that make a single call, beside that call alone."""
    runs, times = scale.of(SHORT_RUNS, 2), scale.of(5, 1)
    with served(1) as url, asyncio.Runner() as loop, _Coder(url, loop) as coder:
        compared = {
            OURS: lambda: cpu_milliseconds(lambda: coder.gathered(runs, ONE_CALL, 1)) / runs,
            BARE_LANGCHAIN: lambda: cpu_milliseconds(lambda: coder.bare_gathered(runs, 0)) / runs,
        }
        taken = alternating(compared, times)
    label = f"a run of one call, of {SHORT_RUNS} gathered: CPU time of the host"
    return [Row(label, "ms", taken.pop(OURS), taken)]


def cpu_of_short_runs(scale: Scale) -> list[Row]:
    """Models that are scripted in this process: CPU time of the host for many short runs over one corpus."""
    corpus = Corpus.of({f"c{number}": contract(number) for number in range(200)})

    async def runs(count: int) -> None:
        made = [
            RLMEngine(ScriptedModel([f"```repl\n{code}\n```" for code in SHORT]), sub_llm=ScriptedModel(always=_ok))
            for _ in range(count)
        ]
        await asyncio.gather(*(engine.arun("Which?", corpus) for engine in made))

    count = scale.of(SHORT_RUNS, 2)
    asyncio.run(runs(1))
    spent = cpu_milliseconds(lambda: asyncio.run(runs(count))) / count
    return [Row(f"a run of three iterations, of {SHORT_RUNS} gathered, scripted: CPU time of the host", "ms", spent)]


def _ok(messages: object) -> str:
    return "ok"


GROUP = Group("Many runs at once", (at_once, cpu_of_one, cpu_of_short_runs))
