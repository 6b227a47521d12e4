"""What is measured of every engine, written once. Standard library only: the peers' processes use it too.

A module for one engine calls `main`, which measures one thing and prints the figure as JSON:

    python -m benchmarks.engines.this_engine iteration --mb 0.01 --times 40
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.engines.timed_replies import TimedReplies
from benchmarks.repeats import median_of, milliseconds

LINE = "Some line of a log that nobody reads until something breaks.\n"


@dataclass(frozen=True)
class Task:
    """How large the corpus is, and how often the thing is done (what that means, each measurement says)."""

    mb: float
    times: int

    def text(self) -> str:
        return LINE * max(1, int(self.mb * 1_000_000) // len(LINE))


class Engine(Protocol):
    """One engine under measurement."""

    finish: str
    """Code that ends a run with the length of `context` as its answer."""

    def prepare(self, text: str) -> Any:
        """The text as this engine takes it for several runs."""
        ...

    def run(self, context: Any, root: TimedReplies, sub: TimedReplies) -> None:
        """One run, from call to result. The replies of `root` are code."""
        ...


Measurement = Callable[[Engine, Task], float]
"""Gives milliseconds, or thousands of characters."""


def one_turn(engine: Engine, task: Task) -> float:
    """A run of one turn, from call to result, when another has run before."""
    text = task.text()
    _run(engine, text, [engine.finish])
    return median_of(lambda: milliseconds(lambda: _run(engine, text, [engine.finish])), task.times)


def iteration(engine: Engine, task: Task) -> float:
    """From one reply of the root LM to its next call. Each turn runs a line of code over the corpus."""
    step = "x = len(context)\nprint(x)"
    root, _ = _run(engine, task.text(), [step] * task.times + [engine.finish])
    return root.median


def callback(engine: Engine, task: Task) -> float:
    """From one reply of the sub-LM to its next call, for `llm_query` in a loop."""
    code = f"for _ in range({task.times}):\n    llm_query('x')\n{engine.finish}"
    _, sub = _run(engine, task.text(), [code], ["ok"] * task.times)
    if len(sub.gaps) != task.times - 1:
        raise RuntimeError(f"the sub-LM was called {len(sub.gaps) + 1} times, not {task.times}")
    return sub.median


def first_use(engine: Engine, task: Task) -> float:
    """The first run of one turn over a corpus, when another has run over a small one."""
    _run(engine, "a small corpus", [engine.finish])
    text = task.text()
    return milliseconds(lambda: _run(engine, text, [engine.finish]))


def next_run(engine: Engine, task: Task) -> float:
    """The later runs of one turn over the same corpus."""
    context = engine.prepare(task.text())
    _run(engine, context, [engine.finish])
    return median_of(lambda: milliseconds(lambda: _run(engine, context, [engine.finish])), task.times)


def sent(engine: Engine, task: Task) -> float:
    """Thousands of characters that all models are sent for one solution: look, find, ask of ten pieces, answer."""
    codes = ["print(type(context), len(context))\nprint(context[:2000])"]
    codes += ["at = context.find('breaks')\nprint(at, context.count('breaks'))\nprint(context[at : at + 500])"]
    codes += ["for n in range(10):\n    print(llm_query('How many lines?\\n' + context[n * 800 : n * 800 + 800]))"]
    root, sub = _run(engine, task.text(), [*codes, engine.finish], ["13 lines."] * 10)
    return (root.sent_chars + sub.sent_chars) / 1_000


OF_EVERY_ENGINE: Mapping[str, Measurement] = {
    each.__name__: each for each in (one_turn, iteration, callback, first_use, next_run, sent)
}


def main(engine: Engine, measurements: Mapping[str, Measurement] = OF_EVERY_ENGINE) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("measurement", choices=measurements)
    parser.add_argument("--mb", type=float, default=0.01, help="megabytes of corpus, ASCII")
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    figure = measurements[asked.measurement](engine, Task(asked.mb, asked.times))
    sys.stdout.write(json.dumps(figure) + "\n")


def _run(
    engine: Engine, context: Any, codes: Sequence[str], sub_replies: Sequence[str] = ()
) -> tuple[TimedReplies, TimedReplies]:
    root, sub = TimedReplies(codes), TimedReplies(sub_replies)
    engine.run(context, root, sub)
    return root, sub
