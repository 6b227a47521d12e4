"""The journal's file: who may read it, what is refused, who has it at one time, and what is let go of."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import InvalidArgumentError, Journal, JournalError, Message, RLMEngine
from rlm_integrations.core.journal.partial_trace import trace_of
from rlm_integrations.core.journal.reading import JournalReader
from rlm_integrations.core.journal.rows import encoded, packed, unpacked
from rlm_integrations.testing import ScriptedModel

ASK = "```repl\nanswer['content'] = llm_query('x')\nanswer['ready'] = True\n```"
SECRET = "the word of the day is marmalade"


class Models:
    """A root LM that asks a sub-LM once, and how often the latter was asked."""

    def __init__(self, code: str = ASK) -> None:
        self.llm = ScriptedModel(always=lambda messages: code)
        self.sub_llm = ScriptedModel(always=self.reply)
        self.asked = 0

    def reply(self, messages: Sequence[Message]) -> str:
        self.asked += 1
        return f"{SECRET} {self.asked}"

    def engine(self, journal: Any, **options: Any) -> RLMEngine:
        return RLMEngine(self.llm, sub_llm=self.sub_llm, journal=journal, **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


def contents(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


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


FULL = """
import asyncio, os, resource, sys
from rlm_integrations import JournalError, RLMEngine
from rlm_integrations.testing import ScriptedModel

codes = ["print(llm_query('x')[:9])", "print(llm_query('y')[:9])", "answer['content'] = 'z'\\nanswer['ready'] = True"]


def root(messages):
    step = sum(message.role == "assistant" for message in messages)
    return "```repl\\n" + codes[step] + "\\n```"


def sub(messages):
    if messages[-1].content == sys.argv[2]:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    return os.urandom(200_000).hex()


def tell(error):
    print(type(error).__name__)
    print(error)
    trace = error.result.trace
    print(trace.error == str(error), trace.sub_call_count, trace.usage.output_tokens > 50_000)


engine = RLMEngine(ScriptedModel(always=root), sub_llm=ScriptedModel(always=sub), journal=sys.argv[1])
try:
    asyncio.run(engine.arun("?"))
except JournalError as error:
    tell(error)
"""


@pytest.mark.parametrize(("prompt", "sub_calls"), [("x", 1), ("y", 2)])
def test_a_disk_that_is_full_ends_the_run_with_what_was_paid_for(
    new_journal: Callable[[str], Path], hash_seed: int, run_program: Callable[..., Any], prompt: str, sub_calls: int
) -> None:
    path = new_journal("runs.sqlite")
    ended = run_program(FULL, path, prompt, hash_seed=hash_seed)
    assert ended.returncode == 0, ended.stderr
    kind, words, kept = ended.stdout.strip().split("\n")
    assert kind == "JournalError"
    assert words.startswith(f"journal: {str(path)!r} cannot be written")
    assert "free space" in words
    assert kept == f"True {sub_calls} True"


async def test_a_file_that_breaks_amid_a_run_keeps_the_result(path: Path) -> None:
    def break_it(event: object) -> None:
        if type(event).__name__ == "CodeStarted":
            connection = sqlite3.connect(path)
            connection.execute("DROP TABLE entries")
            connection.close()

    models = Models()
    with pytest.raises(JournalError, match="journal: ") as raised:
        await models.engine(path, on_event=break_it).arun("?")
    assert raised.value.result is not None
    (iteration,) = raised.value.result.trace.iterations
    assert iteration.execution is not None
    assert [call.reply for call in iteration.execution.sub_calls] == [f"{SECRET} 1"]


async def test_an_end_that_is_not_taken_leaves_the_run_to_whoever_makes_the_call_again(path: Path) -> None:
    def break_it(event: object) -> None:
        if type(event).__name__ == "CodeEnded":
            rows(path, "ALTER TABLE entries RENAME TO away")

    models = Models()
    with pytest.raises(JournalError, match="journal: ") as raised:
        await models.engine(path, on_event=break_it).arun("?")
    assert raised.value.result is not None
    assert raised.value.result.trace.sub_call_count == 1
    assert rows(path, "SELECT ended, owner FROM runs") == [(0, None)]
    rows(path, "ALTER TABLE away RENAME TO entries")
    again = await models.engine(path).arun("?")
    assert (again.answer, again.trace.journal) == (f"{SECRET} 1", "resumed")


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


async def test_a_run_without_contents_leaves_hashes_and_sizes(path: Path) -> None:
    models = Models()
    engine = models.engine(Journal(path, contents=False))
    for n in range(1, 3):
        assert (await engine.arun("What is the word?", "marmalade " * 100)).answer == f"{SECRET} {n}"
    assert b"marmalade" not in contents(path)
    assert b"What is" not in contents(path)
    sizes = rows(path, "SELECT size, length(value) FROM entries")
    assert len(sizes) == 2 * 5
    assert all(size > 40 and hashed == 32 for size, hashed in sizes)


async def test_what_is_kept_is_there_to_be_found(path: Path) -> None:
    """Else the test above could not fail."""
    await Models().engine(path).arun("?")
    assert b"marmalade" in contents(path)


def test_a_cache_needs_contents(path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="cache_sub_calls"):
        Journal(path, cache_sub_calls=True, contents=False)


async def test_sub_calls_are_cached_where_that_is_asked_for(path: Path) -> None:
    code = "```repl\nanswer['content'] = str(llm_query_batched(['x', 'x', 'y']))\nanswer['ready'] = True\n```"
    models = Models(code)
    engine = models.engine(Journal(path, cache_sub_calls=True))
    first = await engine.arun("One?")
    second = await engine.arun("Two?")
    assert first.answer == second.answer
    assert models.asked == 3
    (execution,) = second.trace.executions
    assert [call.cached for call in execution.sub_calls] == [True] * 3
    assert second.trace.sub_usage.total_tokens == 0
    assert second.trace.replayed_usage.total_tokens == 0
    apart = await models.engine(path).arun("Three?")
    assert apart.answer != first.answer


async def test_runs_that_are_too_old_are_let_go_of(path: Path) -> None:
    models = Models()
    for question in ("Old?", "New?"):
        await models.engine(path).arun(question)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE runs SET updated = ? WHERE id = 1", (time.time() - 3 * 86_400,))
    connection.commit()
    connection.close()
    await models.engine(Journal(path, keep_days=2)).arun("Another?")
    assert rows(path, "SELECT id FROM runs ORDER BY id") == [(2,), (3,)]
    assert rows(path, "SELECT DISTINCT run FROM entries ORDER BY run") == [(2,), (3,)]


async def test_a_file_that_is_too_large_loses_the_runs_that_ended_first(path: Path) -> None:
    models = Models("```repl\nanswer['content'] = llm_query('x') + 'long ' * 50_000\nanswer['ready'] = True\n```")
    settings = Journal(path, max_mb=0.8)
    bulky = os.urandom(60_000).hex()
    models.sub_llm = ScriptedModel(always=lambda messages: bulky)
    for n in range(6):
        await models.engine(settings).arun(f"{n}?")
    kept = [run for (run,) in rows(path, "SELECT id FROM runs ORDER BY id")]
    assert kept[-1] == 6
    assert 1 not in kept
    assert path.stat().st_size < 1_000_000


async def test_a_run_that_goes_on_is_never_let_go_of(path: Path) -> None:
    models = Models()
    other = models.engine(Journal(path, max_mb=0.000_001))
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(event: object) -> None:
        if type(event).__name__ == "CodeStarted":
            begun.set()
            await go_on.wait()

    long = asyncio.create_task(models.engine(path, on_event=wait).arun("Long?"))
    await begun.wait()
    await other.arun("Short?")
    assert rows(path, "SELECT id FROM runs") == [(1,)]
    go_on.set()
    await long
    again = await models.engine(path).arun("Long?")
    assert again.trace.journal == "finished"


async def test_a_run_may_have_a_name(path: Path) -> None:
    models = Models()
    engine = models.engine(path)
    named = await engine.arun("?", run_id="first")
    other = await engine.arun("?", run_id="second")
    assert named.answer != other.answer
    assert (await engine.arun("?", run_id="first")).answer == named.answer
    with pytest.raises(InvalidArgumentError, match=r"run_id: 'first' is a run over another question"):
        await engine.arun("Another?", run_id="first")
    with pytest.raises(InvalidArgumentError, match=r"run_id: 'first' is a run over another context"):
        await engine.arun("?", "a text", run_id="first")
    with pytest.raises(InvalidArgumentError, match=r"run_id: .*contents=False"):
        await models.engine(Journal(path, contents=False)).arun("?", run_id="first")
    with pytest.raises(InvalidArgumentError, match="run_id: it names a run in a journal"):
        await RLMEngine(models.llm).arun("?", run_id="first")


async def test_a_name_of_a_run_that_is_going_on_is_refused(path: Path) -> None:
    models = Models()
    problems: list[str] = []
    outer = models.engine(path, on_event=lambda event: None)

    async def again(event: object) -> None:
        if type(event).__name__ == "CodeStarted":
            with pytest.raises(InvalidArgumentError, match=r"run_id: 'one' is going on") as raised:
                await outer.arun("?", run_id="one")
            problems.append(str(raised.value))

    await models.engine(path, on_event=again).arun("?", run_id="one")
    assert len(problems) == 1


async def test_a_named_run_that_goes_on_with_another_model_says_so(path: Path) -> None:
    models = Models()
    await models.engine(path).arun("?", run_id="one")
    models.llm = ScriptedModel(always=lambda messages: ASK, model="another")
    again = await models.engine(path).arun("?", run_id="one")
    assert again.trace.warnings == ["journal: the run began with another llm"]


def test_sessions_are_refused_by_name(path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="journal: it keeps single questions, not sessions"):
        Models().engine(path).session()


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
