"""Replies that come in one turn of the loop: one transaction has them, and a kill or a full disk takes all or none."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import Journal
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.journal.claims import CallIdentity
from rlm_integrations.core.journal.file import open_file
from rlm_integrations.core.journal.node_journal import CallJournal, NodeJournal
from rlm_integrations.core.journal.run_journal import RunJournal
from rlm_integrations.core.journal.together import Together
from rlm_integrations.core.journal.told import Told
from rlm_integrations.core.journal.writing import VALUES_AT_ONCE, insert
from rlm_integrations.wire.calls import LlmQuery

CALLS = 40
KILLED = f"""
import asyncio, os, signal, sys
from rlm_integrations import Completion, RLMEngine
from rlm_integrations.testing import ScriptedModel

journal, calls, kill_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
CODE = "FINAL(str(llm_query_batched([f'prompt {{n % 20}}' for n in range({CALLS})])))"
told = 0


def note(what):
    with open(calls, "a") as file:
        file.write(what + "\\n")


class Sub:
    def __init__(self):
        self.asked, self.all = 0, asyncio.Event()

    async def complete(self, messages):
        self.asked += 1
        number = self.asked
        if kill_at:  # all replies come at once
            if self.asked == {CALLS}:
                self.all.set()
            await self.all.wait()
        note("paid")
        return Completion(f"reply {{kill_at}}.{{number}}")


def on_event(event):
    global told
    if type(event).__name__ == "SubCallEnded":
        told += 1
        if kill_at:
            note("used " + event.call.reply)
        if told == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


async def main():
    root = ScriptedModel(always=lambda messages: "```repl\\n" + CODE + "\\n```")
    engine = RLMEngine(root, sub_llm=Sub(), journal=journal, on_event=on_event, limits={{"max_concurrency": {CALLS}}})
    print((await engine.arun("?", "Text.")).answer)


asyncio.run(main())
"""


@pytest.mark.parametrize("kill_at", [1, 2, CALLS // 2])
def test_a_kill_amid_the_replies_of_a_turn_has_none_paid_for_twice(
    start_program: Callable[..., Any], path: Path, tmp_path: Path, hash_seed: int, kill_at: int
) -> None:
    """The first is kept by itself, and used before the others come; all of those are kept before the second is used."""
    calls = tmp_path / "calls"
    killed = start_program(KILLED, path, calls, kill_at, hash_seed=hash_seed).end()
    assert killed.returncode == -9, killed.stderr
    before = calls.read_text().split("\n")
    used = [line.removeprefix("used ") for line in before if line.startswith("used ")]
    assert len(used) == kill_at
    assert before.count("paid") == (1 if kill_at == 1 else CALLS)
    again = start_program(KILLED, path, calls, 0, hash_seed=hash_seed).end()
    assert again.returncode == 0, again.stderr
    assert calls.read_text().split("\n").count("paid") == CALLS
    assert all(f"'{reply}'" in again.stdout for reply in used), "what was used is what it was"
    assert again.stdout.count("reply ") == CALLS


FULL = """
import asyncio, os, resource, sys
from collections import Counter
from rlm_integrations import Journal
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.journal.claims import CallIdentity
from rlm_integrations.core.journal.run_journal import RunJournal

path = sys.argv[1]
call = CallIdentity({"question": "1", "context": "2"})


async def main():
    run = await RunJournal.begin(Journal(path), lambda: (call, {}), "", RunThreads())
    for turn in "ab":
        await asyncio.gather(*[run.keep(f"{turn} {n}", {"text": "x"}) for n in range(3)])
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.stat(path + "-wal").st_size + 40_000, hard))
    texts = [os.urandom(1_000).hex() for _ in range(30)]
    kept = [run.keep(f"c {n}", {"text": text}) for n, text in enumerate(texts)]
    ended = await asyncio.gather(*kept, return_exceptions=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print(*Counter(type(each).__name__ for each in ended).items())
    await run.release()


asyncio.run(main())
"""


def test_a_disk_that_gets_full_amid_a_turn_is_told_to_all_who_wait_and_has_none(
    run_program: Callable[..., Any], path: Path
) -> None:
    ended = run_program(FULL, path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "('JournalError', 30)"
    with closing(sqlite3.connect(path)) as file:
        keys = [key for (key,) in file.execute("SELECT key FROM entries WHERE key != 'about'")]
    assert keys == [f"{turn} {n}" for turn in "ab" for n in range(3)]


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 17, 100, 198, 199])
def test_groups_of_any_size_are_whole(path: Path, rows: int) -> None:
    values: list[Any] = []
    for n in range(rows):
        values += (n, 1, str(n), b"{}", 2)
    assert len(values) <= VALUES_AT_ONCE
    with closing(open_file(str(path))) as file:
        insert(file, values)
        kept = file.execute("SELECT * FROM entries ORDER BY id").fetchall()
    assert kept == [(n, 1, str(n), b"{}", 2) for n in range(rows)]


async def test_a_turn_after_one_that_brought_several_has_its_rows_in_one_transaction(path: Path) -> None:
    """The first of them waits as well; one that comes alone again is kept without a turn of the loop."""
    call = CallIdentity({"question": "?", "context": "a"})
    run = await RunJournal.begin(Journal(path), lambda: (call, {}), "", RunThreads())
    there: list[int] = []

    async def keep(key: str) -> None:
        await run.keep(key, {"text": "x"})
        with closing(sqlite3.connect(path)) as file:
            there.append(file.execute("SELECT count(*) FROM entries WHERE key != 'about'").fetchone()[0])

    try:
        await asyncio.gather(*[keep(f"a {n}") for n in range(4)])
        assert there == [1, 4, 4, 4]
        there.clear()
        await asyncio.gather(*[keep(f"b {n}") for n in range(4)])
        assert there == [8] * 4
        await keep("c")
        await asyncio.sleep(0)
        with pytest.raises(StopIteration):
            run.keep("d", {"text": "x"}).send(None)
    finally:
        await run.release()


async def test_who_ends_the_telling_keeps_no_other_from_being_told() -> None:
    """Say, Ctrl-C in the first that goes on."""
    together = Together(asyncio.get_running_loop())
    made: list[Told[None]] = []

    async def first() -> None:
        made.append(together.add((), 0))
        await made[0]
        raise KeyboardInterrupt

    async def second() -> str:
        await together.add((), 0)
        return "went on"

    stopped, going_on = asyncio.create_task(first()), asyncio.create_task(second())
    await asyncio.sleep(0)

    def tell() -> None:
        with pytest.raises(KeyboardInterrupt):
            together.tell()

    asyncio.get_running_loop().call_soon(tell)
    assert await going_on == "went on"
    with pytest.raises(KeyboardInterrupt):
        await stopped


def prompts(count: int) -> Sequence[LlmQuery]:
    return [LlmQuery(f"prompt {n % 5}", batch=1, index=n) for n in range(count)]


async def test_calls_are_named_while_their_models_work(path: Path) -> None:
    """As they are named where somebody asks for that."""
    call = CallIdentity({"question": "?", "context": "a"})
    run = await RunJournal.begin(Journal(path), lambda: (call, {}), "", RunThreads())

    async def say(what: str) -> None:
        raise AssertionError(what)

    def made() -> list[CallJournal]:
        node = NodeJournal(run, say)
        return [node.call(1, each) for each in prompts(20)]

    try:
        waiting, asked = made(), made()
        names = [call.path for call in asked]
        async with asyncio.timeout(30):
            while waiting[0].named is None:
                await asyncio.sleep(0)
        assert [call.named for call in waiting] == names
        assert Counter(name.partition(".")[2] for name in names) == {f"{n}|": 5 for n in range(1, 5)}
    finally:
        await run.release()
