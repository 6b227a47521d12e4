"""What a journal costs: an iteration, a batch of 200 sub-calls, and what begins and ends a run.

The batch is sent at once to a model that takes 50 ms, which leaves least time for all that is not the model, and as
many at a time as are by default to one that takes 100 ms.

Runs with and without one take turns, each pair in the other order than the pair before it. What counts is the
difference within a pair, by the median of all: of the time that passed, and of the host's CPU time, all its threads
together, which other work on the machine changes less. An iteration is measured within a run, after its first ones.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.registry import Group, Scale
from benchmarks.row import Row
from rlm_integrations import Completion, Message, RLMEngine, RLMLimits, Usage
from rlm_integrations.testing import ScriptedModel

ITERATIONS, FIRST, CALLS, PAIRS = 60, 10, 200, 25
DONE = "answer['content'] = 'done'\nanswer['ready'] = True"
SPENT = Usage(input_tokens=1)
WITHOUT = "without one"
_numbers = itertools.count()


class Clocks(NamedTuple):
    """Milliseconds."""

    passed: float
    cpu: float

    @classmethod
    def now(cls) -> Clocks:
        return cls(time.perf_counter() * 1_000, time.process_time() * 1_000)

    def since(self, before: Clocks) -> Clocks:
        return Clocks(self.passed - before.passed, self.cpu - before.cpu)


@dataclass(frozen=True)
class SlowModel:
    """It takes so many seconds, and is asked so many times at once."""

    seconds: float
    at_once: int

    async def complete(self, messages: Sequence[Message]) -> Completion:
        await asyncio.sleep(self.seconds)
        return Completion("ok", SPENT)


ALL_AT_ONCE = SlowModel(0.05, CALLS)
AS_USUAL = SlowModel(0.1, RLMLimits().max_concurrency)


Measured = Callable[[Path | None], Awaitable[Clocks]]
"""With the journal, or without one."""


async def _run(
    journal: Path | None, codes: Sequence[str], sub_llm: SlowModel = ALL_AT_ONCE
) -> tuple[Clocks, list[Clocks]]:
    """What the whole run takes, and when each reply of its root LM was asked for."""
    asked: list[Clocks] = []

    def reply(messages: Sequence[Message]) -> str:
        asked.append(Clocks.now())
        return f"```repl\n{codes[len(asked) - 1]}\n```"

    limits = {"max_iterations": len(codes) + 1, "max_concurrency": sub_llm.at_once}
    llm = ScriptedModel(always=reply, usage=SPENT)
    engine = RLMEngine(llm, sub_llm=sub_llm, journal=journal, limits=limits)
    began = Clocks.now()
    await engine.arun(f"Question {next(_numbers)}?", "Some text.")  # another run each time
    return Clocks.now().since(began), asked


async def iteration(journal: Path | None, iterations: int) -> Clocks:
    _, asked = await _run(journal, ["n = len(context)"] * iterations + [DONE])
    took, times = asked[-1].since(asked[FIRST]), iterations - FIRST
    return Clocks(took.passed / times, took.cpu / times)


async def one_turn(journal: Path | None) -> Clocks:
    return (await _run(journal, [DONE]))[0]


async def batch(journal: Path | None, sub_llm: SlowModel, calls: int) -> Clocks:
    code = f"replies = llm_query_batched([f'prompt {{n}}' for n in range({calls})])\n{DONE}"
    return (await _run(journal, [code], sub_llm))[0]


class Cost(NamedTuple):
    """Medians: of what is measured, and of what the journal adds."""

    without: Clocks
    more: Clocks


async def _cost(measured: Measured, journal: Path, first: int, pairs: int) -> Cost:
    """The first pairs are not counted."""
    without: list[Clocks] = []
    more: list[Clocks] = []
    for pair in range(first + pairs):
        order = (None, journal) if pair % 2 else (journal, None)
        took = {each: await measured(each) for each in order}
        if pair >= first:
            without.append(took[None])
            more.append(took[journal].since(took[None]))
    return Cost(_median(without), _median(more))


def _median(clocks: Sequence[Clocks]) -> Clocks:
    return Clocks(statistics.median(each.passed for each in clocks), statistics.median(each.cpu for each in clocks))


def an_iteration(scale: Scale) -> list[Row]:
    cost = _measured(partial(iteration, iterations=scale.of(ITERATIONS, FIRST + 2)), scale)
    name = "an iteration with a journal"
    # what it may take longer is a bound of its own
    return [*_rows(name, cost), Row("an iteration: what a journal adds", "ms", cost.more.passed, bound=0.2)]


def a_batch_at_once(scale: Scale) -> list[Row]:
    return _batch_rows("all at once", ALL_AT_ONCE, scale)


def a_batch_as_usual(scale: Scale) -> list[Row]:
    return _batch_rows(f"{AS_USUAL.at_once} at once", AS_USUAL, scale)


def _batch_rows(how: str, sub_llm: SlowModel, scale: Scale) -> list[Row]:
    name = f"a batch of {CALLS} sub-calls of {sub_llm.seconds * 1000:.0f} ms, {how}, with a journal"
    return _rows(name, _measured(partial(batch, sub_llm=sub_llm, calls=scale.of(CALLS, 10)), scale), 1.05)


def a_run_of_one_turn(scale: Scale) -> list[Row]:
    return _rows("a run of one turn with a journal", _measured(one_turn, scale))


def _measured(measured: Measured, scale: Scale) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        first, pairs = scale.of((2, PAIRS), (0, 1))
        cost = asyncio.run(_cost(measured, Path(folder) / "runs.sqlite", first, pairs))
        time.sleep(scale.of(2, 0.1))  # until the file is closed
    return cost


def _rows(name: str, cost: Cost, ratio_bound: float | None = None) -> list[Row]:
    """Without it, and that plus what it adds, both as medians."""
    without, more = cost
    return [
        Row(name, "ms", without.passed + more.passed, {WITHOUT: without.passed}, ratio_bound=ratio_bound),
        Row(f"{name}, CPU time of the host", "ms", without.cpu + more.cpu, {WITHOUT: without.cpu}),
    ]


GROUP = Group("The journal", (an_iteration, a_batch_at_once, a_batch_as_usual, a_run_of_one_turn))
