"""Memory of many REPLs, and of the host that reads a large corpus."""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.processes import MB, ONLY_ROOT, descendants, peak, peak_begins_anew, private_of, shares
from benchmarks.registry import Group, Scale
from benchmarks.repls import LINE, closed, dicts_of, opened, run, step, text_of
from benchmarks.row import Row, not_measured
from rlm_integrations import Corpus, ProcessSandbox

AT_ONCE, IDLE, FILES = 40, 200, 100
READ_ALL = "n = sum(len(d['text']) + ('needle' in d['text']) + d['metadata']['year'] for d in context)"


def readers(scale: Scale) -> list[Row]:
    """40 REPLs that read one str of 1 GB, each to its end: memory beyond the caller's copy."""
    corpus = Corpus.of(text_of(scale.of(1_000, 1)))

    async def measure() -> int:
        before = shares(["self"])
        repls = await opened(scale.of(AT_ONCE, 2), corpus, ProcessSandbox())
        for repl in repls:
            await step(repl, "n = context.count('needle')")
        used = shares(["self", *descendants()]) - before
        await closed(repls)
        return used

    name = f"{AT_ONCE} runs at once that read one str of 1 GB: memory beyond the caller's copy"
    try:
        return [Row(name, "MB", asyncio.run(measure()) / MB, bound=1_200)]
    except PermissionError:
        return [not_measured(name, ONLY_ROOT)]


def idle(scale: Scale) -> list[Row]:
    """200 REPLs that do nothing."""

    async def measure() -> tuple[float, float]:
        sandbox, corpus = ProcessSandbox(), Corpus.of(LINE)
        await closed(await opened(1, corpus, sandbox))
        before = shares(["self", *descendants()])
        began = time.perf_counter()
        repls = await opened(scale.of(IDLE, 2), corpus, sandbox)
        took = time.perf_counter() - began
        used = shares(["self", *descendants()]) - before
        await closed(repls)
        return took, used / MB

    try:
        took, used = asyncio.run(measure())
    except PermissionError:
        return [not_measured(f"{IDLE} idle REPLs: memory", ONLY_ROOT)]
    return [
        Row(f"{IDLE} idle REPLs: memory", "MB", used, bound=600),
        Row(f"{IDLE} idle REPLs: time to start", "s", took, bound=2),
    ]


def reader_of_documents(scale: Scale) -> list[Row]:
    """Private memory of a REPL that reads each of 100,000 dicts, of 100 MB in all."""
    corpus = Corpus.of(dicts_of(scale.of(100, 0.1), scale.of(100_000, 100)))
    name = "100,000 dicts, 100 MB: private memory of a run that reads them all"

    async def measure() -> float:
        (repl,) = await opened(1, corpus, ProcessSandbox())
        await step(repl, READ_ALL)
        # the worker, and what is forked ahead for later runs, which has hardly any memory of its own
        used = max(private_of(pid) for pid in descendants() if not descendants(pid))
        await closed([repl])
        return used / MB

    try:
        # immortal objects come with 3.12
        return [Row(name, "MB", asyncio.run(measure()), bound=20 if sys.version_info >= (3, 12) else 160)]
    except PermissionError:
        return [not_measured(name, ONLY_ROOT)]


def host_of_files(scale: Scale) -> list[Row]:
    """What the host holds at most while it reads a folder, and runs over it once, beside the text itself."""
    mb = scale.of(1_000, 1)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FILES):
            Path(folder, f"{number}.txt").write_text(text_of(mb / FILES))
        return [_host_peak(f"{FILES} files of 10 MB: peak memory of the host", mb, lambda: Corpus.of(Path(folder)))]


def host_of_a_file(scale: Scale) -> list[Row]:
    mb = scale.of(1_000, 1)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        for _ in range(10):
            file.write(text_of(mb / 10))
        file.flush()
        return [_host_peak("one file of 1 GB: peak memory of the host", mb, lambda: Corpus.of(Path(file.name)))]


def host_of_an_iterator(scale: Scale) -> list[Row]:
    mb = scale.of(1_000, 1)

    def texts() -> Iterator[str]:
        for number in range(mb):
            yield f"{number}\n" + text_of(1)

    return [_host_peak("an iterator of 1,000 texts of 1 MB: peak memory of the host", mb, lambda: Corpus.of(texts()))]


def _host_peak(name: str, mb: int, read: Callable[[], Corpus]) -> Row:
    gc.collect()
    before = peak_begins_anew()
    run(read())
    return Row(name, "MB", (peak() - before) / MB, {"the text": float(mb)})


GROUP = Group("Memory", (readers, idle, reader_of_documents, host_of_files, host_of_a_file, host_of_an_iterator))
