"""What a large corpus costs: time and memory of the runs that share it, and of the host that prepares it.

    python benchmarks/corpus_scale.py [--size-mb 1000] [--row NAME]

Each row is measured in a process of its own, so that none inherits another's memory. Memory of processes is their
proportional share (Pss of /proc/PID/smaps_rollup), which counts a page that several share once in all, and their page
tables. Workers are not dumpable: only root may read theirs, and for others the rows on memory say so.
Ratios within one run of this script may be compared; times of different machines may not.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from rlm_integrations import RLMEngine
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.sandbox import Repl
from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.wire.steps import StepDone

DONE = "```repl\nanswer['content'] = 'x'\nanswer['ready'] = True\n```"
STEP = "```repl\nx = 1\nprint(x)\n```"
LINE = "Some line of a log that nobody reads until something breaks.\n"
NON_ASCII_LINE = "Кое-что из журнала, который никто не читает: 日誌.\n"
LIMITS = {"max_iterations": 10_000, "max_sub_calls": 100_000}
SETTINGS = ReplSettings(depth=1, sub_call_chars=100_000, max_output_chars=8192, step_timeout_s=120.0, memory_mb=256)
AT_ONCE, IDLE, DOCUMENTS, FILES = 40, 200, 100_000, 100
MB = 1_000_000
ONLY_ROOT = "only root may read it"

Cells = list[tuple[str, str]]
"""What was measured, and the figure."""


def text_of(megabytes: int, line: str = LINE) -> str:
    return line * (megabytes * MB // len(line))


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def run(corpus: Corpus, replies: Sequence[str] = (DONE,)) -> float:
    """Seconds of one run."""
    return seconds(lambda: RLMEngine(ScriptedModel(list(replies)), limits=LIMITS).run("?", corpus))


def smaps_of(process: int | str) -> dict[str, int]:
    """Bytes by name. Raises PermissionError where the process is another's, or not dumpable."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(size) * 1024 for name, size, _ in (line.replace(":", "").split() for line in lines)}


def descendants(process: int | str = "self") -> list[int]:
    """Every process below this one."""
    listed = [path.read_text().split() for path in Path(f"/proc/{process}/task").glob("*/children")]
    own = [int(pid) for pids in listed for pid in pids]
    return [*own, *(below for pid in own for below in descendants(pid))]


def status_of(process: int | str, name: str) -> int:
    """A figure of /proc/PID/status in bytes."""
    return int(Path(f"/proc/{process}/status").read_text().partition(f"{name}:")[2].split()[0]) * 1024


def shares(processes: Sequence[int | str]) -> int:
    """Memory in all, page tables included."""
    return sum(smaps_of(process)["Pss"] + status_of(process, "VmPTE") for process in processes)


def peak_of_this_process() -> int:
    return status_of("self", "VmHWM")


def megabytes(size: float) -> str:
    return f"{size / MB:,.0f} MB"


async def step(repl: Repl, code: str) -> None:
    end = await repl.step([code], lambda call: repl.refuse(call.id, "failed", "there is no host here"))
    if not isinstance(end, StepDone) or end.error is not None:
        raise RuntimeError(f"the step did not end well: {end}")


async def opened(count: int, corpus: Corpus) -> list[Repl]:
    sandbox = ProcessSandbox()
    return list(await asyncio.gather(*(sandbox.open(corpus, SETTINGS) for _ in range(count))))


async def closed(repls: Sequence[Repl]) -> None:
    await asyncio.gather(*(repl.close() for repl in repls))


def row_runs(size_mb: int) -> Cells:
    """First use, next use and an iteration of one str."""
    run(Corpus.of(LINE))  # the helper is there
    cells: Cells = []
    tenth = size_mb // 10
    for size, line, kind in ((tenth, LINE, ""), (tenth, NON_ASCII_LINE, "non-ASCII "), (size_mb, LINE, "")):
        corpus = Corpus.of(text_of(size, line))
        cells.append((f"first use of a {kind}str of {size:,} M characters", f"{run(corpus):.2f} s"))
    following = statistics.median(run(corpus) for _ in range(15))
    one, many = (statistics.median(run(corpus, [STEP] * steps + [DONE]) for _ in range(5)) for steps in (0, 200))
    cells.append((f"next run over the {size_mb:,} MB", f"{following * 1000:.1f} ms"))
    cells.append((f"an iteration over the {size_mb:,} MB, without model time", f"{(many - one) * 5:.2f} ms"))
    return cells


def row_at_once(size_mb: int) -> Cells:
    """Many runs that read one str."""
    corpus = Corpus.of(text_of(size_mb))

    async def measure() -> int:
        before = shares(["self"])
        repls = await opened(AT_ONCE, corpus)
        for repl in repls:
            await step(repl, "n = context.count('needle')")
        used = shares(["self", *descendants()]) - before
        await closed(repls)
        return used

    label = f"{AT_ONCE} runs at once that read one str of {size_mb:,} MB: memory beyond the caller's copy"
    return [(label, in_words(measure()))]


def row_idle(size_mb: int) -> Cells:
    """Many REPLs that do nothing."""

    async def measure() -> tuple[float, int]:
        await closed(await opened(1, Corpus.of(LINE)))
        before = shares(["self", *descendants()])
        began = time.perf_counter()
        repls = await opened(IDLE, Corpus.of(LINE))
        took = time.perf_counter() - began
        used = shares(["self", *descendants()]) - before
        await closed(repls)
        return took, used

    try:
        took, used = asyncio.run(measure())
    except PermissionError:
        return [(f"{IDLE} idle REPLs: memory", ONLY_ROOT)]
    return [(f"{IDLE} idle REPLs: memory", megabytes(used)), (f"{IDLE} idle REPLs: time to start", f"{took:.2f} s")]


def row_documents(size_mb: int) -> Cells:
    """A run that reads every one of many documents."""
    text = text_of(size_mb // 10)
    each = len(text) // DOCUMENTS
    pieces = [text[at * each : (at + 1) * each] for at in range(DOCUMENTS)]
    corpus = Corpus.of([{"id": f"d{n}", "text": piece, "year": n % 30} for n, piece in enumerate(pieces)])
    first = run(corpus)
    following = statistics.median(run(corpus) for _ in range(9))

    async def measure() -> int:
        (repl,) = await opened(1, corpus)
        await step(repl, "n = sum(len(d['text']) + ('needle' in d['text']) + d['metadata']['year'] for d in context)")
        # the worker, and what is forked ahead for later runs, which has hardly any memory of its own
        memory = [smaps_of(pid) for pid in descendants() if not descendants(pid)]
        await closed([repl])
        return max(each["Private_Clean"] + each["Private_Dirty"] for each in memory)

    label = f"{DOCUMENTS // 1000}k documents, {size_mb // 10:,} MB: "
    return [
        (label + "first use", f"{first:.2f} s"),
        (label + "next run", f"{following * 1000:.1f} ms"),
        (label + "private memory of a run that reads them all", in_words(measure())),
    ]


def row_host_files(size_mb: int) -> Cells:
    """The host's memory while it reads files."""
    text = text_of(size_mb // FILES)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FILES):
            Path(folder, f"{number}.txt").write_text(text)
        several = host_peak(lambda: Corpus.of(Path(folder)))
    return [(f"{FILES} files of {size_mb // FILES:,} MB: peak memory of the host, less what it had", several)]


def row_host_file(size_mb: int) -> Cells:
    """The host's memory while it reads one file."""
    text = text_of(10)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        for _ in range(size_mb // 10):
            file.write(text)
        file.flush()
        return [(f"one file of {size_mb:,} MB: the same", host_peak(lambda: Corpus.of(Path(file.name))))]


def row_host_iterator(size_mb: int) -> Cells:
    """The host's memory while it drains an iterator."""

    def texts() -> Iterator[str]:
        for number in range(size_mb):
            yield f"{number}\n" + LINE * (MB // len(LINE))

    return [(f"an iterator of {size_mb:,} texts of 1 MB: the same", host_peak(lambda: Corpus.of(texts())))]


def host_peak(read: Callable[[], Corpus]) -> str:
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak_of_this_process()
    corpus = read()
    after_reading = peak_of_this_process() - before
    run(corpus)
    return f"{megabytes(after_reading)} read, {megabytes(peak_of_this_process() - before)} used"


def in_words(measurement: Awaitable[int]) -> str:
    async def measured() -> int:
        return await measurement

    try:
        return megabytes(asyncio.run(measured()))
    except PermissionError:
        return ONLY_ROOT


ROWS: dict[str, Callable[[int], Cells]] = {
    name.removeprefix("row_"): row for name, row in list(globals().items()) if name.startswith("row_")
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mb", type=int, default=1000, help="of the large corpus; others are a tenth of it")
    parser.add_argument("--row", choices=ROWS, help="measure this one here, and print it as JSON")
    options = parser.parse_args(arguments)
    if options.row is not None:
        sys.stdout.write(json.dumps(ROWS[options.row](options.size_mb)))
        return
    sys.stdout.write("| | measured |\n|---|---|\n")
    for name in ROWS:
        command = [sys.executable, __file__, "--size-mb", str(options.size_mb), "--row", name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        for what, figure in json.loads(done.stdout):
            sys.stdout.write(f"| {what} | {figure} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
