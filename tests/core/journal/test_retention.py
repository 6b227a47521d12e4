"""What is kept of runs, what is cached, and what is let go of."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from pathlib import Path

import pytest

from rlm_integrations import InvalidArgumentError, Journal
from rlm_integrations.testing import ScriptedModel

from .one_sub_call import SECRET, Models, rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


def contents(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


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
