"""`trace list`, and `trace show` and `trace html` of runs in a journal: what is kept is found and told, harmlessly."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlm_integrations import Journal, Message, RLMEngine, RLMTrace, RunError, Usage
from rlm_integrations.cli.app import app
from rlm_integrations.testing import ScriptedModel

HOSTILE = "\x1b]0;hush\x07\u202e[bold]hush[/bold] " + "hush" * 500_000


def engine(replies: Sequence[Any], **options: Any) -> RLMEngine[str]:
    usage = Usage(input_tokens=1_000, output_tokens=50, cost_usd=0.25)
    root = ScriptedModel(replies, model="large", usage=usage)

    def sub_reply(messages: Sequence[Message]) -> str:
        if "no" in messages[-1].content:
            raise ValueError("it said no")
        return "yes"

    return RLMEngine(root, sub_llm=ScriptedModel(always=sub_reply, model="small", usage=usage), **options)


ANSWERS = "```repl\nllm_query_batched(['ask', 'no'])\nFINAL('It opens the cellar.')\n```"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Of three runs: one that ended, one that has a name and was cut off, and one without contents."""
    path = tmp_path / "runs.sqlite"
    engine([ANSWERS], journal=path).run("What does the key open?", "A key.")
    with pytest.raises(RunError):
        engine(["```repl\nprint('so far')\n```", RuntimeError("down")], journal=path).run(
            "And then?", "A", run_id="mon"
        )
    engine([ANSWERS], journal=Journal(path, contents=False)).run("What is hushed?", "A hush.")
    return path


def invoke(*arguments: object, width: int = 200) -> Any:
    environment = {"COLUMNS": str(width), "TZ": "UTC"}
    return CliRunner().invoke(app, ["trace", *map(str, arguments)], env=environment, catch_exceptions=False)


def write(path: Path, trace: RLMTrace, seconds: float) -> None:
    path.write_text(trace.model_dump_json())
    os.utime(path, (seconds, seconds))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of two traces, the newer of which failed, and of what is none."""
    folder = tmp_path / "kept"
    folder.mkdir()
    trace = engine([ANSWERS]).run("Older?", "A key.").trace
    write(folder / "z.json", trace, 1_000_000_000)
    failed = trace.model_copy(update={"question": "Newer?", "error": "RootModelError: it hung", "stop_reason": None})
    write(folder / "a.json", failed, 1_700_000_000)
    (folder / "package.json").write_text("{}")
    (folder / "broken.json").write_text("{")
    (folder / "other.db").write_bytes(b"SQLite format 3\0")
    (folder / "notes.txt").write_text("not looked at")
    (folder / "deeper.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    return folder


def test_a_folder_is_listed_with_the_newest_last(folder: Path) -> None:
    done = invoke("list", folder)
    assert done.exit_code == 0
    older, newer = re.split(r"\n(?=\d{4}-)", done.stdout.rstrip())
    assert re.sub(r"[\d.]+ s,", "N s,", older).splitlines() == [
        f"2001-09-09 01:46  {folder / 'z.json'}  answer",
        "    Older?",
        "    = It opens the cellar.",
        "    1 iteration, 2 sub-calls (1 failed), tokens 2,000 in, 100 out, $0.5000, N s, large and small",
    ]
    assert newer.splitlines()[:3] == [
        f"2023-11-14 22:13  {folder / 'a.json'}  failed",
        "    Newer?",
        "    failed: RootModelError: it hung",
    ]
    assert done.stderr == f"Passed over: {folder}: 3 files that are no run\n"


def test_a_journal_tells_what_it_has_of_each_run(journal: Path) -> None:
    done = invoke("list", journal)
    assert done.exit_code == 0
    first, second, third = re.split(r"\n(?=\d{4}-)", done.stdout.rstrip())
    assert re.search(rf"{journal} 1  answer\n    What does the key open\?\n    = It opens the cellar\.\n", first)
    assert re.search(rf"{journal} 2 \(mon\)  unfinished\n    And then\?\n    1 iteration, 0 sub-calls, tokens", second)
    assert re.search(
        rf"{journal} 3  finished\n    \[\d+ bytes, hash [0-9a-f]{{16}}\]\n    1 iteration, 2 sub-calls$", third
    )
    assert "hush" not in done.stdout


def test_in_json_there_is_an_object_for_each(journal: Path, folder: Path) -> None:
    done = invoke("list", folder, journal, "--json")
    runs = json.loads(done.stdout)
    assert [run["question"][:5] for run in runs[:4]] == ["Older", "Newer", "What ", "And t"]
    assert [run["run"] for run in runs] == [None, None, 1, 2, 3]
    assert runs[0] | {"seconds": 0} == {
        "source": str(folder / "z.json"),
        "run": None,
        "run_id": None,
        "when": "2001-09-09T01:46:40+00:00",
        "state": "finished",
        "question": "Older?",
        "answer": "It opens the cellar.",
        "error": None,
        "stop_reason": "answer",
        "models": ["large", "small"],
        "iterations": 1,
        "sub_calls": 2,
        "failed_sub_calls": 1,
        "usage": Usage(input_tokens=2_000, output_tokens=100, cost_usd=0.5).model_dump(),
        "replayed": Usage().model_dump(),
        "seconds": 0,
        "contents": True,
    }
    assert [run["contents"] for run in runs] == [True, True, True, True, False]
    assert json.loads(invoke("list", "--json", folder / "nowhere").stdout)["error"].startswith("FILE: ")


def test_where_there_is_none_that_is_said(tmp_path: Path) -> None:
    done = invoke("list", tmp_path)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "No run is kept there.\n")
    assert invoke("list", tmp_path, "--json").stdout == "[]\n"


@pytest.mark.parametrize("width", [40, 100])
def test_what_others_wrote_is_harmless_and_cut(tmp_path: Path, width: int) -> None:
    trace = engine([ANSWERS]).run("Which?", "A key.").trace
    trace.iterations[0].call.model = HOSTILE
    hostile = trace.model_copy(update={"question": HOSTILE, "answer": HOSTILE})
    write(tmp_path / "run \x1b[31m.json", hostile, 1)
    write(tmp_path / "more.json", hostile.model_copy(update={"error": HOSTILE}), 2)
    for arguments in (("list", tmp_path), ("list", tmp_path, "--json")):
        shown = invoke(*arguments, width=width).stdout
        assert not set("\x1b\x07\u202e") & set(shown)
        assert len(shown) < 10_000
        assert "[bold]hush[/bold]" in shown
    lines = invoke("list", tmp_path, width=width).stdout.splitlines()
    assert max(len(line) for line in lines if line.startswith(("    \\x1b", "    = ", "    failed"))) <= width


def test_one_run_of_a_journal_is_shown_and_written_by_its_number_or_its_name(journal: Path) -> None:
    shown = invoke("show", journal, 1).stdout
    assert "question: What does the key open?" in shown
    assert "It opens the cellar." in shown
    shown = invoke("show", journal, "mon", "-v").stdout
    assert "print('so far')" in shown
    assert "The run was not finished." in shown
    shown = invoke("show", journal, 3).stdout
    assert "1 iteration, 2 sub-calls" in shown
    assert "No end of the run is kept." in shown
    page = journal.with_name("runs-2.html")
    assert invoke("html", journal, "mon").stdout == f"{page}\n"
    assert "And then?" in page.read_text()


def test_a_run_that_is_not_meant_clearly_is_refused_with_those_that_there_are(journal: Path, folder: Path) -> None:
    for arguments, words in (
        ((journal,), "it has 3 runs, the last of them 1, 2 and 3; pass the number of one"),
        ((journal, "tue"), "it has no run 'tue'; see `rlm-integrations trace list"),
        ((folder / "z.json", "1"), "is no journal, which has several; leave '1' out"),
        ((folder,), "cannot be read"),
        ((folder / "other.db", "1"), "cannot be read"),
    ):
        done = invoke("show", *arguments)
        assert done.exit_code == 2
        assert words in done.stderr


def test_rows_that_are_damaged_are_passed_over(journal: Path) -> None:
    with sqlite3.connect(journal) as file:
        file.execute("UPDATE entries SET value = 'x' WHERE run = 1 AND key = 'end'")
        file.execute("UPDATE runs SET updated = 1e300 WHERE id = 3")
    file.close()
    done = invoke("list", journal)
    assert done.exit_code == 0
    assert "And then?" in done.stdout
    assert [line[: line.index(": ", 15)] for line in done.stderr.splitlines()] == [
        f"Passed over: {journal}, run {n}" for n in (1, 3)
    ]


def test_redacted_nothing_of_it_is_told(journal: Path, folder: Path, tmp_path: Path) -> None:
    texts = [invoke("list", journal, folder, "--redact", *more).stdout for more in ((), ("--json",))]
    texts += [invoke("show", journal, run, "-v", "--redact").stdout for run in (1, 2)]
    invoke("html", folder / "a.json", "--redact")
    texts.append((folder / "a.html").read_text())
    for text in texts:
        for words in ("cellar", "key open", "so far", "Older", "Newer", "it hung", "it said no", "(mon)"):
            assert words not in text
    assert "characters, hash " in texts[0]
    assert "$0.5000" in texts[0]


def test_ask_writes_a_trace_without_contents(model_server: Any, corpus: Path, run_cli: Callable[..., Any]) -> None:
    model_server.models["root"] = ScriptedModel(["```repl\nFINAL('It opens the cellar.')\n```"] * 2)
    arguments = ("ask", "notes", "-q", "What does the red key open?", "--model", "root", "--base-url", model_server.url)
    done = run_cli(*arguments, "--trace", "run.json", "--redact")
    assert (done.returncode, done.stdout) == (0, "It opens the cellar.\n"), done.stderr
    kept = (corpus.parent / "run.json").read_text()
    assert RLMTrace.model_validate_json(kept).contents is False
    assert "key" not in kept
    assert "cellar" not in kept
    done = run_cli(*arguments, "--redact")
    assert done.returncode == 2
    assert "add --trace FILE" in done.stderr


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a file system whose times have 64 bits")
def test_a_file_of_a_year_that_python_does_not_know_is_listed_with_the_others() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        trace = engine(["```repl\nFINAL(1)\n```"]).run("When?", "A key.").trace
        for name, seconds in (("a", 1e14), ("b", -1e14), ("c", 1e9)):
            write(Path(folder, f"{name}.json"), trace, seconds)
        told = invoke("list", folder).stdout
    dates = re.findall(r"^(\S+) .*/(\w)\.json", told, re.MULTILINE)
    assert dates == [("1970-01-01", "b"), ("2001-09-09", "c"), ("9999-01-01", "a")]
