"""A disk that is full, and files that break or do not take what is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import JournalError

from .one_sub_call import SECRET, Models, rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


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
