"""What a run costs beside its models: the engine and the confined REPL, with a scripted model.

    python benchmarks/run_costs.py

Each figure is a median in milliseconds. Ratios within one run of this script may be compared; times of
different machines may not.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Sequence

from rlm_integrations import Message, RLMEngine
from rlm_integrations.core.corpus import Corpus
from rlm_integrations.testing import ScriptedModel

DONE = "```repl\nanswer['content'] = 'x'\nanswer['ready'] = True\n```"
STEP = "```repl\nx = 1\nprint(x)\n```"
LINE = "Some line of a log that nobody reads until something breaks.\n"
LIMITS = {"max_iterations": 10_000, "max_sub_calls": 100_000}


def milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1_000


def run(replies: Sequence[str], corpus: Corpus) -> Callable[[], object]:
    return lambda: RLMEngine(ScriptedModel(replies), limits=LIMITS).run("?", corpus)


def per_step(corpus: Corpus, steps: int = 200) -> float:
    one = statistics.median(milliseconds(run([DONE], corpus)) for _ in range(5))
    many = statistics.median(milliseconds(run([STEP] * steps + [DONE], corpus)) for _ in range(5))
    return (many - one) / steps


def per_sub_call(path: str, calls: int = 200) -> float:
    """One after the other: a round trip each."""
    corpus = Corpus.of("x" * 10_000)

    def echo(messages: Sequence[Message]) -> str:
        return "ok"

    def once(n: int) -> float:
        code = (
            f"```repl\nfor i in range({n}):\n    llm_query('x')\nanswer['content'] = 'x'\nanswer['ready'] = True\n```"
        )
        engine = RLMEngine(ScriptedModel([code]), sub_llm=ScriptedModel(always=echo), limits=LIMITS)
        if path == "sync":
            return milliseconds(lambda: engine.run("?", corpus))
        return milliseconds(lambda: asyncio.run(engine.arun("?", corpus)))

    few, many = (statistics.median(once(n) for _ in range(5)) for n in (1, calls + 1))
    return (many - few) / calls


def main() -> None:
    out = sys.stdout.write
    out("| corpus | first run | next run | a step |\n|---|---|---|---|\n")
    for size in (10_000, 10_000_000, 100_000_000):
        for kind in ("str", "documents"):
            text = LINE * (size // len(LINE))
            chunk = max(1_000, size // 1_000)
            pieces = [text[at : at + chunk] for at in range(0, len(text), chunk)]
            corpus = Corpus.of(text if kind == "str" else pieces)
            first = milliseconds(run([DONE], corpus))
            following = statistics.median(milliseconds(run([DONE], corpus)) for _ in range(9))
            step = per_step(corpus)
            out(f"| {size / 1e6:g} MB {kind} | {first:.0f} ms | {following:.1f} ms | {step:.2f} ms |\n")
    out(f"\nA sub-call's round trip: async {per_sub_call('async'):.2f} ms, sync {per_sub_call('sync'):.2f} ms\n")


if __name__ == "__main__":
    main()
