"""What a journal costs: an iteration, a batch of 200 sub-calls whose model takes 50 ms, and what begins and ends a run.

    python benchmarks/journal.py [--row journal]

Runs with and without one take turns, each pair in the other order than the pair before it. What counts is the
difference within a pair, by the median of all: of the time that passed, and of the host's CPU time, all its threads
together, which other work on the machine changes less. An iteration is measured within a run, after its first ones.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rlm_integrations import Completion, Message, RLMEngine, Usage
from rlm_integrations.testing import ScriptedModel

ITERATIONS, FIRST, CALLS, MODEL_S, PAIRS = 60, 10, 200, 0.05, 25
DONE = "answer['content'] = 'done'\nanswer['ready'] = True"
BATCH = f"replies = llm_query_batched([f'prompt {{n}}' for n in range({CALLS})])\n{DONE}"
SPENT = Usage(input_tokens=1)
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


class SlowModel:
    async def complete(self, messages: Sequence[Message]) -> Completion:
        await asyncio.sleep(MODEL_S)
        return Completion("ok", SPENT)


Measured = Callable[[Path | None], Awaitable[Clocks]]
"""With the journal, or without one."""


async def _run(journal: Path | None, codes: Sequence[str]) -> tuple[Clocks, list[Clocks]]:
    """What the whole run takes, and when each reply of its root LM was asked for."""
    asked: list[Clocks] = []

    def reply(messages: Sequence[Message]) -> str:
        asked.append(Clocks.now())
        return f"```repl\n{codes[len(asked) - 1]}\n```"

    limits = {"max_iterations": len(codes) + 1, "max_concurrency": CALLS}
    llm = ScriptedModel(always=reply, usage=SPENT)
    engine = RLMEngine(llm, sub_llm=SlowModel(), journal=journal, limits=limits)
    began = Clocks.now()
    await engine.arun(f"Question {next(_numbers)}?", "Some text.")  # another run each time
    return Clocks.now().since(began), asked


async def iteration(journal: Path | None) -> Clocks:
    _, asked = await _run(journal, ["n = len(context)"] * ITERATIONS + [DONE])
    took, times = asked[-1].since(asked[FIRST]), ITERATIONS - FIRST
    return Clocks(took.passed / times, took.cpu / times)


async def one_turn(journal: Path | None) -> Clocks:
    return (await _run(journal, [DONE]))[0]


async def batch(journal: Path | None) -> Clocks:
    return (await _run(journal, [BATCH]))[0]


class Cost(NamedTuple):
    """Medians: of what is measured, and of what the journal adds."""

    without: Clocks
    more: Clocks


async def _cost(measured: Measured, journal: Path) -> Cost:
    without: list[Clocks] = []
    more: list[Clocks] = []
    for pair in range(PAIRS + 2):
        order = (None, journal) if pair % 2 else (journal, None)
        took = {each: await measured(each) for each in order}
        if pair > 1:
            without.append(took[None])
            more.append(took[journal].since(took[None]))
    return Cost(_median(without), _median(more))


def _median(clocks: Sequence[Clocks]) -> Clocks:
    return Clocks(statistics.median(each.passed for each in clocks), statistics.median(each.cpu for each in clocks))


def measure() -> list[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "runs.sqlite"
        step, turn, many = [asyncio.run(_cost(each, journal)) for each in (iteration, one_turn, batch)]
        time.sleep(2)  # until the file is closed
    share = many.more.passed / many.without.passed * 100
    batch_of = f"a batch of {CALLS} sub-calls of {MODEL_S * 1000:.0f} ms"
    return [
        ("a journal: an iteration takes longer by", f"{step.more.passed:.2f} ms"),
        ("a journal: an iteration, CPU time of the host", f"{step.more.cpu:.2f} ms"),
        (f"a journal: {batch_of} takes longer by", f"{share:.1f} %"),
        (f"a journal: {batch_of}, CPU time of the host", f"{many.more.cpu:.1f} ms"),
        ("a journal: a run of one turn takes longer by", f"{turn.more.passed:.1f} ms"),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mb", type=int, default=0, help="of no meaning here")
    parser.add_argument("--row", choices=["journal"], help="print it as JSON")
    options = parser.parse_args(arguments)
    measured = measure()
    if options.row is not None:
        sys.stdout.write(json.dumps(measured))
        return
    sys.stdout.write("| | measured |\n|---|---|\n")
    for what, figure in measured:
        sys.stdout.write(f"| {what} | {figure} |\n")


if __name__ == "__main__":
    main()
