"""The journal's file: who may read it, what is refused, and who has it at one time."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import InvalidArgumentError, Journal
from rlm_integrations.core.journal.partial_trace import trace_of
from rlm_integrations.core.journal.reading import JournalReader
from rlm_integrations.core.journal.rows import encoded, packed, unpacked

from .one_sub_call import ASK, SECRET, Models, rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


def test_a_file_that_was_refused_is_tried_anew_and_leaves_no_thread(path: Path) -> None:
    path.write_text("no journal")
    with pytest.raises(InvalidArgumentError, match="journal: "):
        Models().engine(path).run("?", "text")
    refused = [thread for thread in threading.enumerate() if thread.name == "rlm-journal"]
    path.unlink()
    assert Models().engine(path).run("?", "text").answer == f"{SECRET} 1"
    for thread in refused:
        thread.join(30)
        assert not thread.is_alive()


async def test_all_its_files_are_their_owners_alone(path: Path) -> None:
    modes: dict[str, int] = {}

    def look(event: object) -> None:
        modes.update({file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()})

    before = os.umask(0)
    try:
        await Models().engine(path, on_event=look).arun("?")
    finally:
        os.umask(before)
    assert {"runs.sqlite", "runs.sqlite-wal", "runs.sqlite-shm", "runs.sqlite-owners"} <= modes.keys()
    assert set(modes.values()) == {0o600}


async def test_a_file_that_others_could_read_is_closed_to_them(path: Path) -> None:
    path.touch(0o644)
    path.chmod(0o644)
    await Models().engine(path).arun("?")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def _text(path: Path) -> None:
    path.write_text("Dear diary. " * 100)


def _of_another_program(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE runs (id)")
    connection.close()


def _newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA application_id = {int.from_bytes(b'RLMJ', 'big')}")
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_text, "something else"),
        (_of_another_program, "something else"),
        (_newer, "newer version"),
        (_folder, "cannot be opened"),
    ],
)
async def test_what_is_no_journal_is_refused_before_anything_is_paid(
    path: Path, make: Callable[[Path], None], words: str
) -> None:
    await asyncio.to_thread(make, path)
    path.chmod(0o755)
    before = path.read_bytes() if path.is_file() else b""
    models = Models()
    with pytest.raises(InvalidArgumentError, match=f"journal: .*{words}"):
        await models.engine(path).arun("?")
    assert not models.llm.requests
    assert not path.is_file() or path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o755  # nor are its rights touched


async def test_a_file_of_the_first_version_is_gone_on_from(path: Path) -> None:
    models = Models()
    first = await models.engine(path).arun("?")
    await models.engine(path).arun("Another?")
    older = path.with_name("older.sqlite")
    rows(path, f"VACUUM INTO '{older}'")
    connection = sqlite3.connect(older)
    connection.executescript(
        """
        CREATE TABLE older (run INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, size INTEGER NOT NULL);
        INSERT INTO older SELECT run, key, value, size FROM entries WHERE key != 'end' OR run != 1;
        DROP TABLE entries;
        ALTER TABLE older RENAME TO entries;
        CREATE INDEX entries_by_run ON entries (run);
        PRAGMA user_version = 1;
        """
    )
    connection.close()
    again = await Models().engine(older).arun("?")
    assert (again.answer, again.trace.journal) == (first.answer, "resumed")
    other = await Models().engine(older).arun("Another?")
    assert (other.answer, other.trace.journal) == (f"{SECRET} 2", "finished")


async def test_a_folder_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"journal: .*make its folder first"):
        await Models().engine(path.parent / "none" / "runs.sqlite").arun("?")


async def test_a_file_that_was_removed_is_made_anew(path: Path) -> None:
    models = Models()
    for n in range(1, 3):
        assert (await models.engine(path).arun("?")).answer == f"{SECRET} {n}"
        assert (await models.engine(path).arun("?")).trace.journal == "finished"
        for file in path.parent.iterdir():
            file.unlink()


@pytest.mark.parametrize("journal", [7, "", b"runs", ["a"]])
def test_what_is_no_path_is_refused(journal: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="journal: "):
        Models().engine(journal)


@pytest.mark.parametrize("options", [{"max_mb": 0}, {"keep_days": -1}, {"keep_days": True}, {"max_mb": "1"}])
def test_bounds_that_cannot_be_are_refused(path: Path, options: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"journal: {next(iter(options))} is"):
        Journal(path, **options)


async def test_threads_with_loops_of_their_own_share_it(path: Path) -> None:
    models = Models()
    engine = models.engine(path)
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(engine.run(f"Question {n}?").answer)) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    assert len(set(answers)) == models.asked == 8
    assert rows(path, "SELECT count(*), sum(ended), count(owner) FROM runs") == [(8, 8, 0)]


PROGRAM = f"""
import asyncio, sys
from rlm_integrations import RLMEngine
from rlm_integrations.testing import ScriptedModel

ask = {ASK!r}
sub = ScriptedModel(always=lambda messages: sys.argv[2])
engine = RLMEngine(ScriptedModel(always=lambda messages: ask), sub_llm=sub, journal=sys.argv[1], sandbox="process")


async def main():
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    same = await asyncio.gather(*[engine.arun("The same?") for _ in range(3)])
    own = await asyncio.gather(*[engine.arun(f"{{sys.argv[2]}} {{n}}?") for n in range(5)])
    print(len(sub.requests), len(same) + len(own))


asyncio.run(main())
"""


def test_two_processes_use_one_file(path: Path, start_program: Callable[..., Any]) -> None:
    programs = [start_program(PROGRAM, path, f"process {n}") for n in range(2)]
    ended = [program.end() for program in programs]
    assert [each.returncode for each in ended] == [0, 0], ended[0].stderr + ended[1].stderr
    asked = [int(each.stdout.split("\n")[1].split()[0]) for each in ended]
    # Who comes when the other has ended is answered from the journal.
    assert 13 <= sum(asked) <= 16
    assert rows(path, "SELECT count(owner) FROM runs") == [(0,)]


async def test_an_end_of_an_older_file_is_answered_from(path: Path) -> None:
    """Its trace was a text within the JSON."""
    models = Models()
    first = await models.engine(path).arun("?")
    (value,) = rows(path, "SELECT value FROM entries WHERE key = 'end'")[0]
    end = unpacked(value)
    end["trace"] = json.dumps(end["trace"])
    connection = sqlite3.connect(path)
    connection.execute("UPDATE entries SET value = ? WHERE key = 'end'", (packed(encoded(end)),))
    connection.commit()
    connection.close()
    again = await models.engine(path).arun("?")
    assert (again.answer, again.trace.journal, models.asked) == (first.answer, "finished", 1)
    with JournalReader(path) as reader:
        (run,) = reader.runs()
        assert trace_of(reader.rows(run), contents=True).answer == first.answer


def test_a_fork_has_a_way_of_its_own(
    new_journal: Callable[[str], Path], hash_seed: int, run_program: Callable[..., Any]
) -> None:
    path = new_journal("runs.sqlite")
    source = f"""
import os, sys
from rlm_integrations import RLMEngine
from rlm_integrations.testing import ScriptedModel

ask = {ASK!r}
sub = ScriptedModel(always=lambda messages: "x")


def fork(event):
    if type(event).__name__ != "CodeStarted":
        return
    if child := os.fork():
        os.waitpid(child, 0)  # amid this run: the fork would find one that has ended
        return
    llm = ScriptedModel(always=lambda messages: ask)
    RLMEngine(llm, sub_llm=sub, journal=sys.argv[1], sandbox="process").run("?")
    print(len(sub.requests), flush=True)
    os._exit(0)


engine = RLMEngine(
    ScriptedModel(always=lambda messages: ask), sub_llm=sub, journal=sys.argv[1], on_event=fork, sandbox="process"
)
engine.run("?")
print(len(sub.requests), engine.run("?").trace.journal)
"""
    ended = run_program(source, path, warnings=["ignore"], hash_seed=hash_seed)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split("\n")[:2] == ["1", "1 finished"]
    assert json.dumps(rows(path, "SELECT count(*), sum(ended) FROM runs")) == "[[2, 2]]"


def test_new_journals_of_one_process_have_sets_in_one_order_so_that_their_repls_share_a_helper(tmp_path: Path) -> None:
    code = "```repl\nFINAL(' '.join({f'word {n}' for n in range(50)}))\n```"
    first, second = (Models(code).engine(tmp_path / name).run("?", "text").answer for name in ("a", "b"))
    assert first == second
