"""`ask` answers: what goes to stdout, to stderr and to the file of the trace."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import RLMTrace
from rlm_integrations.testing import PythonCalls, ScriptedModel

from .questions import FINDS_THE_KEY, LOOKS_FIRST, QUESTION, Ask, RunCli


def test_the_answer_and_its_citations_go_to_stdout_and_the_progress_to_stderr(
    run_cli: RunCli, corpus: Path, model_server: Any
) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS_FIRST, FINDS_THE_KEY])
    model_server.models["sub"] = ScriptedModel(always=lambda messages: "the cellar")
    done = run_cli(*QUESTION, model_server.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "The red key: the cellar (2 documents)",
        "",
        "Citations:",
        "  [1] notes/a.txt:1: “The red key opens the cellar.”",
    ]
    lines = done.stderr.splitlines()
    assert lines[:2] == ["read: 2 documents; skipped 1 binary", "corpus: 2 documents, 2,280 characters"]
    assert lines[2].startswith("iteration 1 of 20: 1 code block, tokens ")
    assert lines[3].startswith("iteration 2 of 20: 1 code block, 1 sub-call, tokens ")
    assert lines[4].startswith("2 iterations, 1 sub-call, tokens ")
    assert len(lines) == 5
    assert "What does it open? The red key" in model_server.models["sub"].requests[0][-1].content


def test_json_is_one_object_with_everything_a_program_needs(ask: Ask, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel([FINDS_THE_KEY])
    done = ask("--json", "--price", "1,2", "--sub-price", "0.1,0.2")
    told = json.loads(done.stdout)
    assert told["answer"] == "The red key: the cellar (2 documents)"
    assert told["stop_reason"] == "answer"
    assert [(c["document_id"], c["start_index"], c["end_index"]) for c in told["citations"]] == [("notes/a.txt", 0, 29)]
    assert told["sources"][0] == "notes/a.txt"
    assert (told["iterations"], told["sub_calls"], told["failed_sub_calls"]) == (1, 1, 0)
    assert told["usage"]["input_tokens"] > 0
    assert 0 < told["usage"]["cost_usd"] < 0.1


def test_the_trace_file_holds_the_whole_run(ask: Ask, model_server: Any, tmp_path: Path) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS_FIRST, FINDS_THE_KEY])
    done = ask("--trace", "run.json")
    assert "Trace: run.json" in done.stderr
    trace = RLMTrace.model_validate(json.loads((tmp_path / "run.json").read_text("utf-8")))
    assert trace.detail == "full"
    assert [iteration.reply for iteration in trace.iterations] == [LOOKS_FIRST, FINDS_THE_KEY]
    assert trace.executions[1].sub_calls[0].reply == "the cellar"


def test_limits_come_from_options_and_pairs_and_the_stop_reason_is_told(ask: Ask, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS_FIRST, "I do not know."])
    done = ask("--max-iterations", "1", "--limit", "max_sub_calls=7", "--limit", "memory_mb=none")
    assert done.exit_code == 3, done.stderr
    assert done.stdout == "I do not know.\n"
    assert "Stopped by: max_iterations" in done.stderr
    assert "last call: no code" in done.stderr


def test_a_limit_is_told_once(run_cli: Any, corpus: Path, model_server: Any, tmp_path: Path) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS_FIRST, "I do not know."])
    arguments = (*QUESTION, model_server.url, "--max-iterations", "1", "--trace", "run.json")
    done = run_cli(*arguments, warnings=["default"])
    assert done.returncode == 3, done.stderr
    assert "Warning" not in done.stderr
    assert done.stderr.count("limit") + done.stderr.count("max_iterations") == 1
    [warning] = json.loads((tmp_path / "run.json").read_text("utf-8"))["warnings"]
    assert "(max_iterations), and its answer is the root LM's word in one last call" in warning


def test_a_reply_in_plain_text_is_no_stop(ask: Ask, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel(["The cellar."])
    done = ask("--limit", "inline_chars=20000")
    assert (done.exit_code, done.stdout) == (0, "The cellar.\n")
    assert "Stopped by" not in done.stderr


def test_an_answer_for_which_nothing_was_read_says_so(run_cli: Any, corpus: Path, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel(["yes", "yes"])
    done = run_cli(*QUESTION, model_server.url, "--limit", "inline_chars=0", "--json", warnings=["default"])
    told = json.loads(done.stdout)
    assert (told["answer"], told["stop_reason"]) == ("yes", "plain_reply")
    [warning] = told["warnings"]
    assert warning.startswith("no code ran: the root LM answered “What does the red key open?” without reading the ")
    assert done.stderr.count(f"Warning: {warning}") == done.stderr.count("without reading") == 1


def test_a_run_that_fails_says_so_in_one_line_and_still_writes_its_trace(
    ask: Ask, model_server: Any, tmp_path: Path
) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS_FIRST, ValueError("the model is\nout of order")])
    done = ask("--trace", "run.json")
    assert done.exit_code == 1
    assert done.stdout == ""
    [line] = [line for line in done.stderr.splitlines() if line.startswith("The run failed: ")]
    assert "the model is out of order" in line.replace("\\n", " ")
    trace = RLMTrace.model_validate(json.loads((tmp_path / "run.json").read_text("utf-8")))
    assert trace.iterations[0].reply == LOOKS_FIRST
    assert "out of order" in (trace.error or "")


def test_requests_that_are_sent_again_are_told(ask: Ask, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel([FINDS_THE_KEY])
    model_server.refusals += [503, 429]
    done = ask()
    assert done.exit_code == 0, done.stderr
    assert done.stderr.splitlines()[-1].startswith("1 iteration, 1 sub-call, 2 retries (503 Service Unavailable), ")


def test_verbose_shows_what_the_root_lm_writes_and_its_code_prints(ask: Ask, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS_FIRST, "```repl\n1 / 0\n```", FINDS_THE_KEY])
    done = ask("-v")
    assert done.stdout.startswith("The red key: the cellar")
    assert "root LM, iteration 1:\n    ```repl\n    print(len(context))\n    ```\n  output:\n    2\n" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "    I search, ask and cite.\n" in done.stderr


def test_the_root_lm_may_hand_over_its_code_by_a_tool(ask: Ask, model_server: Any) -> None:
    code = FINDS_THE_KEY.partition("```repl\n")[2].removesuffix("\n```")
    root = ScriptedModel([PythonCalls("print(len(context))", text="Look."), PythonCalls(code)])
    model_server.models["root"] = root
    done = ask("--protocol", "tool", "-v")
    assert done.stdout.startswith("The red key: the cellar (2 documents)\n")
    assert [[tool.name for tool in offered] for offered in root.offered] == [["python"]] * 2
    assert "root LM, iteration 1:\n    Look.\n    print(len(context))\n  output:\n    2\n" in done.stderr


def test_why_sub_calls_failed_is_told(ask: Ask, model_server: Any) -> None:
    model_server.models["sub"] = ScriptedModel(always=lambda messages: [][0])
    model_server.models["root"] = ScriptedModel(["```repl\nFINAL(str(len(llm_query_batched(['a', 'b']))))\n```"] * 2)
    done = ask("--limit", "max_iterations=1")
    first, last = (line for line in done.stderr.splitlines() if "list index out of range" in line)
    assert first.startswith("The first sub-call that failed: ")
    assert "2 sub-calls (2 failed: " in last
    model_server.models["root"] = ScriptedModel(["```repl\nFINAL(str(len(llm_query_batched(['a', 'b']))))\n```"])
    assert json.loads(ask("--json").stdout)["failed_sub_calls"] == 2


def test_a_sandbox_that_does_not_confine_is_warned_of_in_one_line(
    run_cli: RunCli, corpus: Path, model_server: Any
) -> None:
    model_server.models["root"] = ScriptedModel([FINDS_THE_KEY])
    model_server.models["sub"] = ScriptedModel(always=lambda messages: "the cellar")
    done = run_cli(*QUESTION, model_server.url, "--sandbox", "unconfined", warnings=["default"])
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("Warning: ")], done.stderr
    assert ".py" not in done.stderr


@pytest.mark.parametrize("whole_group", [False, True])
def test_ctrl_c_ends_a_run_at_once_with_130(
    start_command: Any, model_server: Any, corpus: Path, whole_group: bool
) -> None:
    model_server.models["root"] = ScriptedModel(always=lambda _: str(model_server.closing.wait(60)))
    arguments = ["ask", "notes", "-q", "?", "--model", "root", "--base-url", model_server.url]
    running = start_command(arguments, new_session=True)
    assert model_server.asked.wait(30)
    (os.killpg if whole_group else os.kill)(running.process.pid, signal.SIGINT)
    ended = running.end(10)
    stderr = ended.stderr
    assert ended.returncode == 130, stderr
    assert ended.stdout == ""
    spent, last = stderr.splitlines()[-2:]
    assert spent.startswith("1 iteration, 0 sub-calls, tokens 0 in, 0 out, ")
    assert last == "Interrupted."
    assert "Traceback" not in stderr
