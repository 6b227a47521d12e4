"""What a journal costs: an iteration, and a batch of 200 sub-calls whose model takes 50 ms, with one and without.

    python benchmarks/journal.py [--row journal]

Runs with and without take turns, and the fastest of each count: the machine's other work is in all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rlm_integrations import Completion, Message, RLMEngine, Usage
from rlm_integrations.testing import ScriptedModel

ITERATIONS, CALLS, MODEL_S, TIMES = 40, 200, 0.05, 15
DONE = "answer['content'] = 'done'\nanswer['ready'] = True"
BATCH = f"replies = llm_query_batched([f'prompt {{n}}' for n in range({CALLS})])\n{DONE}"
SPENT = Usage(input_tokens=1)
_numbers = itertools.count()


class SlowModel:
    async def complete(self, messages: Sequence[Message]) -> Completion:
        await asyncio.sleep(MODEL_S)
        return Completion("ok", SPENT)


def _steps(messages: Sequence[Message]) -> str:
    step = sum(message.role == "assistant" for message in messages)
    return f"```repl\n{DONE if step == ITERATIONS - 1 else 'n = len(context)'}\n```"


def _batch(messages: Sequence[Message]) -> str:
    return f"```repl\n{BATCH}\n```"


async def _seconds(root: object, journal: Path | None) -> float:
    llm = ScriptedModel(always=root, usage=SPENT)  # type: ignore[arg-type]
    limits = {"max_iterations": ITERATIONS, "max_concurrency": CALLS}
    engine = RLMEngine(llm, sub_llm=SlowModel(), journal=journal, limits=limits)
    question = f"Question {next(_numbers)}?"  # another run each time
    began = time.perf_counter()
    await engine.arun(question, "Some text.")
    return time.perf_counter() - began


async def _fastest(root: object, journal: Path) -> tuple[float, float]:
    """Without and with it."""
    took = [(await _seconds(root, None), await _seconds(root, journal)) for _ in range(TIMES + 1)][1:]
    return min(without for without, _ in took), min(with_it for _, with_it in took)


def measure() -> list[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "runs.sqlite"
        without, with_it = asyncio.run(_fastest(_steps, journal))
        plain, kept = asyncio.run(_fastest(_batch, journal))
        time.sleep(2)  # until the file is closed
    more, share = (with_it - without) / ITERATIONS * 1000, (kept / plain - 1) * 100
    return [
        ("a journal: an iteration takes longer by", f"{more:.2f} ms"),
        (f"a journal: a batch of {CALLS} sub-calls of {MODEL_S * 1000:.0f} ms takes longer by", f"{share:.1f} %"),
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
