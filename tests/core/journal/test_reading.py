"""A journal as one finds it later: its runs, and what it can tell of each."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import Completion, Journal, Message, RLMEngine, RLMTrace, RunError, Usage
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.partial_trace import trace_of
from rlm_integrations.core.journal.reading import JournalReader, JournalRun, is_journal
from rlm_integrations.testing import PythonCalls, ScriptedModel

QUESTION = "What of the plums?"
CORPUS = "Nothing of note here. " * 1_000
STEPS = (
    "I look.\n```repl\nx = llm_query_batched(['one', 'fail', 'one'])\nprint(x, weather('Monday'))\n```",
    "```repl\nprint(rlm_query('Which plum?', context[:50]))\nraise KeyError('plum')\n```",
    "```repl\nFINAL('ripe')\n```",
)


def weather(day: str) -> str:
    return f"rain on {day}"


def sub_reply(messages: Sequence[Message]) -> Completion:
    if messages[0].content.startswith("You answer a question about a corpus"):
        return Completion("```repl\nFINAL(llm_query('below'))\n```", Usage(input_tokens=7), "small")
    if messages[-1].content == "fail":
        raise ValueError("no plums")
    return Completion("a plum", Usage(input_tokens=5, output_tokens=2), "small", thoughts="hm")


def engine(path: Path, replies: Sequence[Any] = STEPS, *, contents: bool = True, **options: Any) -> RLMEngine[str]:
    root = ScriptedModel(replies, model="large", usage=Usage(input_tokens=100, output_tokens=10))
    journal = Journal(path, contents=contents)
    limits = {"max_depth": 2, **options.pop("limits", {})}
    sub = ScriptedModel(always=sub_reply, model="small")
    return RLMEngine(root, sub_llm=sub, tools=[weather], journal=journal, limits=limits, **options)


def read(path: Path) -> list[tuple[JournalRun, RLMTrace]]:
    with JournalReader(path) as journal:
        return [(run, trace_of(journal.rows(run), contents=run.contents)) for run in journal.runs()]


def interrupt(path: Path, steps: int = 2) -> RLMTrace:
    """A run whose root LM fails after so many steps. Returns its own trace."""
    replies = [*STEPS[:steps], RuntimeError("down")]
    with pytest.raises(RunError) as failed:
        engine(path, replies).run(QUESTION, CORPUS)
    assert failed.value.result is not None
    return failed.value.result.trace


def test_a_run_that_ended_is_there_whole_under_its_name(path: Path) -> None:
    result = engine(path).run(QUESTION, CORPUS, run_id="monday")
    [(run, trace)] = read(path)
    assert (run.id, run.run_id, run.state, run.contents) == (1, "monday", "finished", True)
    assert 0 < trace.seconds <= result.trace.seconds
    assert trace.model_copy(update={"seconds": result.trace.seconds}) == result.trace
    assert is_journal(path)


def test_of_one_that_did_not_it_tells_what_was_kept(path: Path) -> None:
    own = interrupt(path)
    [(run, trace)] = read(path)
    assert run.state == "unfinished"
    assert (trace.question, trace.context) == (QUESTION, own.context)
    assert trace.limits == own.limits
    assert trace.stop_reason is None
    assert trace.opening[0].content == own.opening[-1].content
    assert len(trace.iterations) == 2
    for kept, was in zip(trace.iterations, own.iterations, strict=False):
        assert kept.reply == was.reply
        assert kept.call.usage == was.call.usage
        assert kept.execution is not None
        assert was.execution is not None
        same = ("blocks", "output", "error", "variables")
        assert [getattr(kept.execution, name) for name in same] == [getattr(was.execution, name) for name in same]
    assert trace.iterations[0].observation == own.iterations[0].observation
    assert trace.usage == own.usage
    assert (trace.sub_call_count, trace.failed_sub_call_count) == (own.sub_call_count, own.failed_sub_call_count)
    first, second = trace.executions
    assert sorted(call.reply or call.error or "" for call in first.sub_calls) == [
        "ValueError: no plums",
        "a plum",
        "a plum",
    ]
    assert [call.number for call in first.sub_calls] == [1, 2, 3]
    assert first.host_calls[0].result == "'rain on Monday'"
    [child] = second.sub_calls
    assert child.child is not None
    assert child.child.executions[0].sub_calls[0].reply == "a plum"
    assert RLMTrace.model_validate_json(trace.model_dump_json()) == trace


def test_code_that_a_reply_only_quotes_did_not_run(path: Path) -> None:
    hostile = "```repl\nimport os\nos.remove('letters')\n```"
    quoting = f"It says:\n\n{hostile}\n\nI only report that.\n\n```repl\nprint(len(context))\n```"
    only = f"So it says\n{hostile}\nthere."
    replies = ["```repl\nprint(context)\n```", quoting, only, "```repl\nprint(2)\n```", RuntimeError("down")]
    with pytest.raises(RunError) as failed:
        engine(path, replies).run(QUESTION, f"Dear plums.\n{hostile}\n" * 200)
    assert failed.value.result is not None
    own = failed.value.result.trace.iterations
    [(_, trace)] = read(path)
    ran = [each.execution and each.execution.blocks for each in trace.iterations]
    assert ran == [["print(context)"], ["print(len(context))"], None, ["print(2)"]]
    assert ran == [each.execution and each.execution.blocks for each in own[:4]]


def test_a_fence_in_the_words_beside_a_call_of_the_tool_did_not_run(path: Path) -> None:
    replies = [
        PythonCalls("print(1)", text="```repl\nprint(2)\n```"),
        Completion("So:\n```repl\nprint(3)\n```"),
        PythonCalls("print(4)"),
        RuntimeError("down"),
    ]
    with pytest.raises(RunError):
        engine(path, replies, protocol="tool").run(QUESTION, CORPUS)
    [(_, trace)] = read(path)
    assert [each.execution and each.execution.blocks for each in trace.iterations] == [["print(1)"], None, ["print(4)"]]


def test_code_that_came_by_a_tool_is_there(path: Path) -> None:
    with pytest.raises(RunError):
        engine(path, [PythonCalls("print(1)"), RuntimeError("down")], protocol="tool").run(QUESTION, CORPUS)
    [(_, trace)] = read(path)
    assert trace.executions[0].blocks == ["print(1)"]


def test_after_a_last_call_under_an_old_limit_the_run_that_went_on_is_told(path: Path) -> None:
    steps = ["```repl\nprint(1)\n```", "That is all.", "```repl\nprint(2)\n```", "```repl\nprint(3)\n```"]
    with pytest.warns(RuntimeWarning, match="max_iterations"):
        engine(path, steps[:2], limits={"max_iterations": 1}).run(QUESTION, CORPUS)
    with pytest.raises(RunError):
        engine(path, [*steps[2:], RuntimeError("down")]).run(QUESTION, CORPUS)
    [(_, trace)] = read(path)
    assert [(each.number, each.last_call) for each in trace.iterations] == [(1, False), (2, False), (3, False)]
    assert trace.executions[1].output == "2\n"


def test_where_contents_are_off_sizes_and_hashes_are_told(path: Path) -> None:
    own = engine(path, contents=False).run(QUESTION, CORPUS).trace
    [(run, trace)] = read(path)
    assert (run.state, run.contents, trace.contents) == ("finished", False, False)
    assert (trace.iteration_count, trace.sub_call_count) == (own.iteration_count, own.sub_call_count)
    for text in (trace.question, trace.iterations[0].reply, trace.executions[0].sub_calls[0].reply):
        assert text is not None
        assert text.startswith("[")
        assert " bytes, hash " in text
    assert "plum" not in trace.model_dump_json()
    assert trace.redacted().iterations == trace.iterations


def test_who_is_still_at_work_is_known(path: Path, start_program: Callable[..., Any], hash_seed: int) -> None:
    program = f"""
import threading
from rlm_integrations import RLMEngine
from rlm_integrations.testing import ScriptedModel

def hold(messages):
    print("at work", flush=True)
    threading.Event().wait()

RLMEngine(ScriptedModel(["```repl\\nprint(1)\\n```", hold]), journal={str(path)!r}).run("Which?", "text " * 9)
"""
    other = start_program(program, hash_seed=hash_seed)
    assert other.stdout.readline() == "at work\n"
    before = path.read_bytes()
    [(run, trace)] = read(path)
    assert (run.state, len(trace.iterations)) == ("going on", 1)
    assert path.read_bytes() == before
    other.process.kill()
    [(run, _)] = read(path)
    assert run.state == "unfinished"


def test_looking_takes_no_locks_from_runs_of_the_same_process(path: Path) -> None:
    async def run() -> list[str]:
        seen: list[str] = []

        def look(messages: Sequence[Message]) -> str:
            seen.extend(run.state for run, _ in read(path))
            probe = f"import fcntl; fcntl.lockf(open({str(path) + '-owners'!r}, 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
            seen.append(str(subprocess.run([sys.executable, "-c", probe], capture_output=True).returncode))
            return "```repl\nFINAL(1)\n```"

        await engine(path, ["```repl\nprint(1)\n```", look]).arun(QUESTION, CORPUS)
        return seen

    assert asyncio.run(run()) == ["unfinished", "1"]  # the lock is held


def test_it_is_left_as_it_was(path: Path, tmp_path: Path) -> None:
    interrupt(path)
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    before = path.read_bytes(), path.stat().st_mode
    for _ in range(2):
        read(path)
    assert (path.read_bytes(), path.stat().st_mode) == before
    engine(path).run(QUESTION, CORPUS)  # and the run goes on
    assert [run.state for run, _ in read(path)] == ["finished"]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"x" * 4096])
def test_what_is_no_journal_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert is_journal(path) is content.startswith(b"SQLite")
    with pytest.raises(InvalidArgumentError, match="journal: "):
        read(path)
    assert path.read_bytes() == content


def test_another_database_and_a_newer_journal_are_refused(path: Path) -> None:
    other = path.with_name("other.sqlite")
    with sqlite3.connect(other) as file:
        file.execute("CREATE TABLE runs (id)")
    with pytest.raises(InvalidArgumentError, match="file of something else"):
        read(other)
    file.close()
    engine(path).run(QUESTION, CORPUS)
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(InvalidArgumentError, match="newer version"):
        read(path)


@pytest.fixture(scope="module")
def finished(empty_journal: Any) -> Path:
    """One run that has ended, to be copied."""
    path = empty_journal.path.with_name("finished.sqlite")
    shutil.copy(empty_journal.path, path)
    engine(path).run(QUESTION, CORPUS)
    return path


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b"{}",
        b"[]",
        b"\x00\xff",
        b'{"trace": 5}',
        b'{"trace": "{}"}',
        b"{" + b'"a":{' * 50_000,
        zlib.compress(b"[" * 100_000),
        "text",
        None,
    ],
)
@pytest.mark.parametrize(
    "key", ["end", "1|root", "1|step", "about", "1|llm_query x.1|1", "|" * 3_000 + "root", "1|root|root"]
)
def test_rows_that_nobody_of_ours_wrote_are_refused_or_empty(
    finished: Path, tmp_path: Path, key: str, value: object
) -> None:
    path = tmp_path / "runs.sqlite"
    with closing(sqlite3.connect(finished)) as whole, sqlite3.connect(path) as file:
        whole.backup(file)
        file.execute("DELETE FROM entries")
        kept = b"" if value is None else value
        file.execute("INSERT INTO entries (run, key, value, size) VALUES (1, ?, ?, 1)", (key, kept))
    file.close()
    answers: list[str] = []
    with suppress(InvalidArgumentError):  # and nothing else
        answers += [trace.answer for _, trace in read(path)]
    assert "".join(answers) == ""
