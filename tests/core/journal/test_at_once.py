"""Rows that are written where they come up: together where they come together, and never where that may take long."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import Journal, JournalError, RLMEngine
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.journal.claims import CallIdentity
from rlm_integrations.core.journal.file import open_file
from rlm_integrations.core.journal.run_journal import RunJournal
from rlm_integrations.core.journal.writer import Writer
from rlm_integrations.core.journal.writing import Job
from rlm_integrations.testing import ScriptedModel

ASK = "```repl\nanswer['content'] = str(len(llm_query_batched(['x'] * 5)))\nanswer['ready'] = True\n```"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


@pytest.fixture
async def run(path: Path) -> AsyncIterator[RunJournal]:
    call = CallIdentity({"question": "?", "context": "a"})
    begun = await RunJournal.begin(Journal(path), lambda: (call, {"question": "?"}), "sub", RunThreads())
    yield begun
    await begun.release()


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else who has the file open."""
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


def keys(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return [key for (key,) in connection.execute("SELECT key FROM entries WHERE key != 'about' ORDER BY id")]
    finally:
        connection.close()


async def test_a_row_is_in_the_file_without_a_turn_of_the_loop(run: RunJournal, path: Path) -> None:
    kept = run.keep("a", {"text": "x"})
    with pytest.raises(StopIteration):
        kept.send(None)
    assert keys(path) == ["a"]


@pytest.mark.parametrize("text", ["x", "long " * 20_000])
@pytest.mark.parametrize("rows", [2, 50, 250])
async def test_rows_of_one_turn_are_all_kept_in_their_order(run: RunJournal, path: Path, rows: int, text: str) -> None:
    found: list[int] = []

    async def keep(n: int) -> None:
        await run.keep(str(n), {"text": text})
        found.append(len(keys(path)))

    await asyncio.gather(*[keep(n) for n in range(rows)])
    assert keys(path) == [str(n) for n in range(rows)]
    assert found[-1] == rows
    assert all(there > n for n, there in enumerate(found)), "whoever goes on finds its row in the file"


async def test_who_is_cancelled_amid_a_turn_has_its_row_kept(run: RunJournal, path: Path) -> None:
    tasks = [asyncio.create_task(run.keep(str(n), {"text": "x"})) for n in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await run.release()
    assert keys(path) == ["0", "1", "2"]
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in ended] == [type(None), asyncio.CancelledError, type(None)]


@pytest.mark.parametrize("rows", [1, 3])
async def test_who_has_the_file_locked_holds_up_no_loop(
    run: RunJournal, path: Path, other: sqlite3.Connection, rows: int
) -> None:
    """The loop that would be held up is the one that lets go of the lock."""
    other.execute("BEGIN IMMEDIATE")
    waiting = [asyncio.create_task(run.keep(str(n), {"text": "x"})) for n in range(rows)]
    for _ in range(50):
        await asyncio.sleep(0)
    assert not any(each.done() for each in waiting)
    assert not keys(path)
    other.execute("COMMIT")
    await asyncio.gather(*waiting)
    assert keys(path) == [str(n) for n in range(rows)]


async def test_nobody_has_a_run_before_an_end_is_kept_whose_waiting_was_cancelled(run: RunJournal, path: Path) -> None:
    """Else two would write into it."""
    begun, go_on = threading.Event(), threading.Event()

    def make() -> bytes:
        begun.set()
        assert go_on.wait(30)
        return b"{}"

    ending = asyncio.create_task(run.keep_end(make, RunThreads()))
    await asyncio.to_thread(begun.wait, 30)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    releasing = asyncio.create_task(run.release())
    for _ in range(50):
        await asyncio.sleep(0)
    assert not releasing.done()
    go_on.set()
    await releasing
    assert keys(path) == ["end"]
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT ended, owner FROM runs").fetchall() == [(1, None)]
    connection.close()


async def test_a_run_ends_while_another_has_the_file_locked(run: RunJournal, other: sqlite3.Connection) -> None:
    other.execute("BEGIN IMMEDIATE")
    releasing = asyncio.create_task(run.release())
    for _ in range(50):
        await asyncio.sleep(0)
    assert not releasing.done()
    other.execute("COMMIT")
    await releasing
    assert other.execute("SELECT owner FROM runs").fetchall() == [(None,)]


@pytest.mark.parametrize("rows", [1, 3])
async def test_what_cannot_be_written_is_told_to_all_of_a_turn(
    run: RunJournal, other: sqlite3.Connection, rows: int
) -> None:
    other.execute("DROP TABLE entries")
    ended = await asyncio.gather(*[run.keep(str(n), {"text": "x"}) for n in range(rows)], return_exceptions=True)
    assert [type(each) for each in ended] == [JournalError] * rows


async def test_the_log_is_brought_into_the_file_while_a_run_goes_on(run: RunJournal, path: Path) -> None:
    for n in range(3_000):
        await run.keep(str(n), {"text": os.urandom(1_000).hex()})
    assert path.stat().st_size > 3_000_000
    assert path.with_name(f"{path.name}-wal").stat().st_size < 10_000_000, "a page for each row would be 12 MB"


class Disk:
    """A clock on which each write takes as long as is said."""

    def __init__(self) -> None:
        self.now = 0.0
        self.takes = 0.0

    def __call__(self) -> float:
        self.now += self.takes
        return self.now


def test_a_slow_disk_is_left_to_the_thread_the_longer_the_more_often_it_is_slow(path: Path) -> None:
    disk = Disk()
    writer = Writer(open_file(str(path)), disk)
    entries = count()

    def attempt(takes: float) -> bool:
        disk.takes = takes
        return writer.attempt(Job((next(entries), 1, "a", b"{}", 2)))

    def rest() -> float:
        """How long nothing is written at once."""
        began = disk.now
        while not attempt(0.0):
            disk.now += 0.1
        return disk.now - began

    try:
        assert [attempt(takes) for takes in (0.0, 0.002, 0.002, 0.05, 0.05)] == [True] * 4 + [False]
        assert rest() == pytest.approx(0.5, abs=0.2)
        assert attempt(0.05)
        disk.now += 0.6
        assert attempt(0.05)
        assert rest() == pytest.approx(4, abs=0.2)
        assert attempt(60)
        assert rest() == pytest.approx(60, abs=0.2), "it is tried again once a minute"
    finally:
        writer.close()


async def test_equal_runs_at_one_time_stay_apart_though_each_is_let_go_of_at_once(path: Path) -> None:
    models: dict[str, Any] = {"sub_llm": ScriptedModel(always=lambda messages: "y")}
    engine = RLMEngine(ScriptedModel(always=lambda messages: ASK), journal=path, **models)
    results = await asyncio.gather(*[engine.arun("?") for _ in range(4)])
    assert [result.answer for result in results] == ["5"] * 4
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT sum(ended), count(owner), max(occurrence) FROM runs").fetchone() == (4, 0, 4)
    connection.close()
