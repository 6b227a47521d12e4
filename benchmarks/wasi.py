"""The WASI sandbox beside the process sandbox, by turns: openings, steps, calls, memory and Python itself.

    python benchmarks/wasi.py [--rounds 15] [--row wasi]

On a busy machine wall times mean little: the fastest of the rounds counts, and for Python the CPU time of the worker.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rlm_integrations import Corpus, ProcessSandbox
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.sandboxes.wasi import cache
from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox
from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings

CALLS, SESSIONS = 200, 20
SPARE_S = 0.5  # a spare is ready long before
SETUP = """
import collections, json, re
words = [f"word{n * 7919 % 20_011}" for n in range(200_000)]
text = " ".join(words)
rows = [{"id": n, "name": word, "tags": [n, word]} for n, word in enumerate(words[:20_000])]
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


def cpu_seconds(pid: int) -> float:
    """That all threads of a process have used."""
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def own_megabytes(pid: int) -> float:
    """What a process has for itself, and its share of what it has with others."""
    [line] = [line for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if line.startswith("Pss:")]
    return int(line.split()[1]) / 1024


async def milliseconds(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1e3


class Measured:
    """One sandbox: the fastest of each thing so far, in milliseconds, and its memory in megabytes."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.fastest: dict[str, float] = {}
        self.memory = self.memory_of_10_mb = self.memory_of_many = 0.0

    def _note(self, what: str, ms: float) -> None:
        self.fastest[what] = min(ms, self.fastest.get(what, float("inf")))

    async def round(self) -> None:
        opened: list[OpenRepl] = []

        async def open_() -> None:
            opened.append(OpenRepl(await self._sandbox.open(Corpus.of("text"), contract_settings())))

        await asyncio.sleep(SPARE_S)
        self._note("an opening, with a spare", await milliseconds(open_))
        [session] = opened
        pid: int = session.repl.pid  # type: ignore[attr-defined]
        self.memory = own_megabytes(pid)
        for _ in range(50):
            self._note("a step", await milliseconds(lambda: session.run("x = 1")))
        calls = f"for n in range({CALLS}): llm_query('x')"
        self._note("a host call, one by one", await milliseconds(lambda: session.run(calls)) / CALLS)
        batch = f"llm_query_batched(['x'] * {CALLS})"
        self._note(f"a batch of {CALLS}", await milliseconds(lambda: session.run(batch)))
        await session.value(SETUP)
        for name, program in PROGRAMS.items():
            before = cpu_seconds(pid)
            assert await session.value(program + "\nNone") == ""
            self._note(name, (cpu_seconds(pid) - before) * 1e3)
        await session.repl.close()
        large = OpenRepl(await self._sandbox.open(Corpus.of("a line of text\n" * 666_666), contract_settings()))
        await large.value("len(context.lower())")
        self.memory_of_10_mb = own_megabytes(large.repl.pid)  # type: ignore[attr-defined]
        await large.repl.close()

    async def open_many(self) -> None:
        """What each of some sessions has for itself, all open at once."""
        repls = [await self._sandbox.open(Corpus.of("text"), contract_settings()) for _ in range(SESSIONS)]
        self.memory_of_many = sum(own_megabytes(repl.pid) for repl in repls) / SESSIONS  # type: ignore[attr-defined]
        for repl in repls:
            await repl.close()


def compiled_first() -> str:
    """What it takes to compile the component, into a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        os.environ[cache.FOLDER_VARIABLE] = folder
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        cache.compiled_component()
        took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        del os.environ[cache.FOLDER_VARIABLE]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{took:.1f} s, {cpu:.1f} s of CPU time, {after.ru_maxrss >> 10} MB at most"


async def measure(rounds: int) -> list[tuple[str, str]]:
    """Figures by their names: WASI's, and the process sandbox's beside them."""
    first = compiled_first()
    process, wasi = Measured(ProcessSandbox()), Measured(WasiSandbox())
    for _ in range(rounds):
        await process.round()
        await wasi.round()
    await process.open_many()
    await wasi.open_many()
    figures: list[tuple[str, str]] = []
    for name, ms in wasi.fastest.items():
        other = process.fastest[name]
        figures.append((name, f"{ms:.2f} ms, {ms / other:.1f} times {other:.2f} ms"))
    memory = {
        "memory of a session": (wasi.memory, process.memory),
        f"memory of each of {SESSIONS}": (wasi.memory_of_many, process.memory_of_many),
        "memory over a text of 10 MB": (wasi.memory_of_10_mb, process.memory_of_10_mb),
    }
    figures += [(name, f"{ours:.0f} MB, beside {other:.0f} MB") for name, (ours, other) in memory.items()]
    return [("WASI, the first use", first), *((f"WASI, {name}", figure) for name, figure in figures)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--size-mb", type=int, help="of no meaning here")
    parser.add_argument("--row", choices=["wasi"], help="print it as JSON")
    options = parser.parse_args()
    measured = asyncio.run(measure(options.rounds))
    if options.row is not None:
        sys.stdout.write(json.dumps(measured))
        return
    sys.stdout.write("| | measured |\n|---|---|\n")
    for what, figure in measured:
        sys.stdout.write(f"| {what} | {figure} |\n")


if __name__ == "__main__":
    main()
