"""The rows of the table: what is measured, how large and how often, and what is to be reached."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Contender:
    """An engine of the table."""

    name: str
    script: str
    peer: bool = True
    environment: tuple[tuple[str, str], ...] = ()
    largest_mb: float = 1_000
    """It is measured on no larger corpus: it would take minutes, or more memory than may be used."""
    slow: bool = False
    """Whether a turn of it takes so long that fewer are enough."""


@dataclass(frozen=True)
class Row:
    title: str
    measurement: str
    mb: float = 0.01
    times: int = 1
    """How often the thing is done in a process."""
    processes: int = 1
    """How many processes measure it, each anew; their median counts."""
    to_reach: float = 0.0
    peers: bool = True
    """Whether the peers have such a thing."""
    slow_times: int = 3


THIS_ENGINE = Contender("this engine", "this_engine.py", peer=False)
CONTENDERS = (
    THIS_ENGINE,
    Contender("rlms local", "rlms_peer.py"),
    Contender(
        "dspy Deno",
        "dspy_peer.py",
        environment=(("RLM_BENCH_INTERPRETER", "deno"), ("NO_COLOR", "1")),
        largest_mb=100,
        slow=True,
    ),
    Contender(
        "dspy local", "dspy_peer.py", environment=(("RLM_BENCH_INTERPRETER", "local"),), largest_mb=100, slow=True
    ),
)

ROWS = (
    Row("a run of one turn, warm", "one_turn", times=15, processes=3, to_reach=15),
    Row("an iteration, {mb}", "iteration", times=60, processes=3, to_reach=0.5, slow_times=20),
    Row("an iteration, {mb}", "iteration", mb=1_000, times=60, to_reach=0.5),
    Row("host callback, async", "callback_async", times=200, processes=3, to_reach=0.25, peers=False),
    Row("host callback, sync", "callback", times=200, processes=3, to_reach=0.4, slow_times=40),
    Row("first use of a str, {mb}", "first_use", mb=100, processes=3, to_reach=300),
    Row("first use of a str, {mb}", "first_use", mb=1_000, to_reach=4_000),
    Row("next run over the same, {mb}", "next_run", mb=1_000, times=9, to_reach=10, slow_times=1),
)


@dataclass(frozen=True)
class ScaleRow:
    """A row of a script that measures this engine alone: figures as the script names and writes them."""

    name: str
    to_reach: tuple[str, ...]
    """For each of its figures, "-" where nothing is said."""
    mb: int = 1_000
    script: str = "corpus_scale.py"


SCALE_ROWS = (
    ScaleRow("at_once", ("1,200 MB",)),
    ScaleRow("idle", ("600 MB", "2 s")),
    # immortal objects come with 3.12
    ScaleRow("documents", ("-", "-", "20 MB" if sys.version_info >= (3, 12) else "160 MB")),
    ScaleRow("children", ("-", "2 plain runs", "-"), script="children.py"),
    ScaleRow("journal", ("0.20 ms", "-", "5 %", "-", "-"), 0, "journal.py"),
    ScaleRow("wasi", ("-", "30 ms", *("-",) * 15), 0, "wasi.py"),
    ScaleRow("quiet", ("-",), 100, "busy_loop.py"),
    *(
        ScaleRow(name, ("100 ms",), 100, "busy_loop.py")
        for name in ("cites", "prints", "tools", "unread", "sub_calls", "root_reply", "answers", "contracts")
    ),
    ScaleRow("cpu", ("-",), 100, "busy_loop.py"),
)


def quick(row: Row) -> Row:
    """The same at a hundredth of the size, less often. What is to be reached does not hold for it."""
    mb = row.mb / 100 if row.mb >= 1 else row.mb
    return replace(row, mb=mb, times=max(2, row.times // 5), slow_times=2, processes=1, to_reach=0.0)


def quick_scale(row: ScaleRow) -> ScaleRow:
    return replace(row, mb=row.mb // 100, to_reach=("-",) * len(row.to_reach))
