"""`trace show` and `trace html`: a run that `ask --trace` kept."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlm_integrations import RLMEngine, RLMTrace, RunError, Twice, Usage
from rlm_integrations.cli.app import app
from rlm_integrations.core.trace.call_records import Fold
from rlm_integrations.core.trace.summary import summarise
from rlm_integrations.testing import PythonCalls, ScriptedModel

RunCli = Callable[..., Any]

REPLIES = (
    "I look.\n```repl\nsaid = llm_query_batched([d['text'][:80] for d in context])\nprint(said)\n```",
    "```repl\nraise KeyError('plot')\n```",
    "```repl\ncite('The red key opens the cellar.')\nFINAL(f'It opens {said[0]}.')\n```",
)


@pytest.fixture(scope="module")
def first_run() -> dict[str, Any]:
    """What the first test that asks for it has left: its trace, and what it printed."""
    return {}


@pytest.fixture
def kept(first_run: dict[str, Any], model_server: Any, corpus: Path, run_cli: RunCli) -> tuple[Path, Any]:
    """The file of a run's trace, and what `ask` had printed."""
    path = corpus.parent / "run.json"
    if first_run:
        path.write_bytes(first_run["trace"])
        return path, first_run["printed"]
    model_server.models["root"] = ScriptedModel(REPLIES)
    model_server.models["sub"] = ScriptedModel(always=lambda messages: "the cellar")
    arguments = ("ask", "notes", "-q", "What does the red key open?", "--model", "root", "--sub-model", "sub")
    done = run_cli(*arguments, "--base-url", model_server.url, "--trace", "run.json")
    assert done.returncode == 0, done.stderr
    first_run |= {"trace": path.read_bytes(), "printed": done}
    return path, done


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["trace", *map(str, arguments)], env={"COLUMNS": "200"}, catch_exceptions=False)


def without_times(lines: str) -> list[str]:
    return [re.sub(r", [\d.]+ s$", "", line) for line in lines.splitlines()]


def test_a_kept_run_is_shown_as_it_looked_while_it_went_on(kept: tuple[Path, Any]) -> None:
    path, asked = kept
    shown = invoke("show", path)
    assert shown.exit_code == 0
    lines = without_times(shown.stdout)
    assert lines[:2] == ["question: What does the red key open?", f"corpus: {RLMTrace.of(read(path)).context}"]
    of_the_run = [line for line in without_times(asked.stderr) if line.startswith(("corpus:", "iteration"))]
    assert len(of_the_run) == 4
    assert lines[1].startswith(of_the_run[0])
    assert lines[2:5] == of_the_run[1:]
    summary = next(line for line in without_times(asked.stderr) if line.startswith("3 iterations"))
    assert lines[5] == summary
    told = asked.stdout.replace("notes/a.txt:1", "notes/a.txt").rstrip()
    assert lines[6:] == ["The answer:", "", *f"{told} (iteration 3)".splitlines()]


def read(path: Path) -> Any:
    return {"trace": json.loads(path.read_text())}


def test_verbose_has_what_was_written_and_printed_and_code_that_came_by_a_tool(kept: tuple[Path, Any]) -> None:
    path, _ = kept
    shown = invoke("show", path, "-v").stdout
    for words in ("I look.", "llm_query_batched", "['the cellar', 'the cellar']", "KeyError: 'plot'"):
        assert words in shown
    folded = RLMTrace.of(read(path))
    folded.iterations[1].folds = [Fold(call=folded.iterations[1].call, up_to=1, reply="Nothing so far.", taken=True)]
    path.write_text(folded.model_dump_json())
    assert "root LM, iterations 1 to 1 summed up:\n    Nothing so far.\n" in invoke("show", path, "-v").stdout
    trace = RLMEngine(ScriptedModel([PythonCalls("FINAL(len(context))")]), protocol="tool").run("How long?", "text")
    path.write_text(trace.trace.model_dump_json())
    assert "FINAL(len(context))" in invoke("show", path, "-v").stdout
    assert "FINAL(len(context))" not in invoke("show", path).stdout


def test_failures_children_and_what_a_summary_left_out_are_told(child_script: Any, tmp_path: Path) -> None:
    root = ScriptedModel([f"```repl{child_script.root_code}```"])
    limits = {"max_depth": 2, "inline_chars": 0}
    engine = RLMEngine(root, sub_llm=ScriptedModel(always=child_script.sub_reply), limits=limits)
    trace = engine.run("How many?", child_script.texts).trace
    trace.executions[0].sub_calls[0].error = "ValueError: the server said no"
    path = tmp_path / "run.json"
    path.write_text(trace.model_dump_json())
    shown = invoke("show", path).stdout
    assert "\n  child 1: 1 iteration, 1 sub-call" in shown
    assert "\n  child 2: 1 iteration, 1 sub-call" in shown
    assert "The first sub-call that failed: ValueError: the server said no" in shown
    long = trace.model_copy(update={"iterations": trace.iterations * 90, "error": "RootModelError: it hung"})
    path.write_text(summarise(long).model_dump_json())
    shown = invoke("show", path).stdout
    assert re.search(r"left out of this summary: \d+ iterations", shown)
    assert "The run failed: RootModelError: it hung" in shown
    assert "90 iterations, 360 sub-calls" in shown


def test_of_a_run_without_an_answer_nothing_is_printed_below_its_failure(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        RLMEngine(ScriptedModel([ConnectionError("gone")])).run("How many?", "a text")
    path = tmp_path / "run.json"
    assert caught.value.result is not None
    path.write_text(caught.value.result.trace.model_dump_json())
    assert invoke("show", path).stdout.endswith("ConnectionError: gone\n")


def test_the_page_stands_beside_the_trace_and_is_named(kept: tuple[Path, Any], run_cli: RunCli) -> None:
    path, _ = kept
    done = run_cli("trace", "html", "run.json")
    assert (done.returncode, done.stdout) == (0, "run.html\n"), done.stderr
    page = path.with_suffix(".html")
    assert "What does the red key open?" in page.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert run_cli("trace", "html", "run.json").returncode == 0  # its own page may be replaced
    assert run_cli("trace", "html", "run.json", "-o", "other.htm").stdout == "other.htm\n"
    assert (path.parent / "other.htm").read_bytes() == page.read_bytes()


def test_no_file_is_lost_to_a_page(kept: tuple[Path, Any]) -> None:
    path, _ = kept
    before = path.read_bytes()
    other = path.with_suffix(".html")
    other.write_text("my own report")
    done = invoke("html", path)
    assert done.exit_code == 2
    assert other.read_text() == "my own report"
    done = invoke("html", path, "-o", path)
    assert done.exit_code == 2
    assert path.read_bytes() == before
    assert invoke("html", path, "-o", path.parent / "nowhere" / "run.html").exit_code == 2
    assert invoke("html", path, "-o", path.parent).exit_code == 2


def test_the_trace_may_stand_in_what_a_run_gave_back(kept: tuple[Path, Any]) -> None:
    path, _ = kept
    path.write_text(json.dumps({"content": "x", "response_metadata": {"rlm": read(path)}}), encoding="utf-8-sig")
    assert "What does the red key open?" in invoke("show", path).stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[1, 2]", "holds no trace"),
        (b'{"answer": "by ask --json"}', "holds no trace"),
        (b'{"iterations": [], "limits": {}, "question": 1}', "is not of this version"),
        (b'{"iterations": [], "limits": {"a": 1}}', "is not of this version"),
    ],
)
def test_what_is_no_trace_is_refused_with_what_to_pass(
    run_cli: RunCli, tmp_path: Path, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    for command in ("show", "html"):
        done = run_cli("trace", command, "run.json")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("Error: FILE: 'run.json' ")
        assert words in done.stderr
        assert "pass the FILE of `ask --trace FILE`" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("command", ["show", "list", "html"])
def test_a_number_that_is_none_is_refused(kept: tuple[Path, Any], command: str, number: str) -> None:
    path, _ = kept
    held = json.loads(path.read_text(encoding="utf-8")) | {"seconds": 77.25}
    path.write_text(json.dumps(held).replace("77.25", number), encoding="utf-8")
    ended = invoke(command, path)
    assert ended.exit_code == 2
    assert "is not of this version (seconds: Input should be a finite number)" in ended.stderr


def test_nothing_that_a_terminal_obeys_is_printed(kept: tuple[Path, Any]) -> None:
    path, _ = kept
    trace = RLMTrace.of(read(path))
    hostile = "\x1b[2J\u202e[bold]x[/bold]"
    trace.question = trace.answer = trace.iterations[0].reply = trace.iterations[0].execution.output = hostile  # type: ignore[union-attr]
    trace.warnings = [hostile]
    path.write_text(trace.model_dump_json())
    shown = invoke("show", path, "-v").stdout
    assert "\x1b" not in shown.split("The answer:")[0]
    assert "\u202e" not in shown.split("The answer:")[0]
    assert "[bold]x[/bold]" in shown


def test_where_nobody_reads_on_it_ends_without_a_word(
    kept: tuple[Path, Any], start_command: Callable[..., Any]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = start_command(["trace", "show", kept[0]], writer).end()
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_checks_and_the_other_runs_of_the_question_are_told(tmp_path: Path) -> None:
    def check_it(answer: str, result: object) -> str | None:
        return None if answer == "42" else "it is no forty-two"

    root = ScriptedModel(["```repl\nFINAL(41)\n```", "```repl\nFINAL(42)\n```"])
    path = tmp_path / "run.json"
    path.write_text(RLMEngine(root, verify=check_it).run("How many?", "text").trace.model_dump_json())
    lines = without_times(invoke("show", path).stdout)
    assert re.match(r"iteration 1 of 20: 1 code block, a check refused the answer, ", lines[2])
    assert lines[3] == "  check check_it: refused the answer: it is no forty-two"
    assert lines[5] == "  check check_it: took the answer"

    verdict = '{"verdict": "second", "why": "it counts", "answer": None}'
    replies = ["```repl\nFINAL(41)\n```", "```repl\nFINAL(42)\n```", f"```repl\nFINAL({verdict})\n```"]
    trace = RLMEngine(ScriptedModel(replies), verify=Twice()).run("How many?", "text").trace
    path.write_text(trace.model_dump_json())
    lines = invoke("show", path).stdout.splitlines()
    assert next(line for line in lines if line.startswith("other run")) == "other run 1: 41"
    assert sum(line.startswith("iteration 1 of 20") for line in lines) == 3
    assert "Two blind runs differed, and a third said which answer holds." in lines
    assert any(line.startswith("3 iterations, 0 sub-calls") for line in lines)


def test_what_a_journal_gave_back_is_marked_and_not_said_to_be_paid(tmp_path: Path) -> None:
    usage = Usage(input_tokens=100, output_tokens=10, cost_usd=0.5)
    replies = ["```repl\nx = llm_query('one')\n```", "```repl\ny = llm_query('two')\nFINAL(x + y)\n```"]
    sub = ScriptedModel(always=lambda messages: "yes", usage=usage)
    journal = tmp_path / "runs.sqlite"
    for scripted in ([replies[0], RuntimeError("down")], [replies[1]]):
        engine = RLMEngine(ScriptedModel(scripted, usage=usage), sub_llm=sub, journal=journal)
        with suppress(RunError):
            trace = engine.run("How many?", "text").trace
    path = tmp_path / "run.json"
    path.write_text(trace.model_dump_json())
    lines = invoke("show", path).stdout.splitlines()
    assert "tokens 0 in, 0 out (replayed: 200 in, 20 out)" in lines[2]
    assert "replayed" not in lines[3]
    assert "tokens 200 in, 20 out (replayed: 200 in, 20 out), $1.0000" in lines[4]
