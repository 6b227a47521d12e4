"""The command `demo`, as it is run from a shell."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from rich.console import Console

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Message
from rlm_integrations.demo.messages import read_categories, read_messages
from rlm_integrations.demo.models import RECORDING, choose_models, recorded_models
from rlm_integrations.demo.narration import thought_of
from rlm_integrations.demo.parts import ask_about_messages
from rlm_integrations.openai import OpenAIModel
from rlm_integrations.testing import ReplayingModel

NO_MODEL = {
    name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "RLM_")) and name != "COLUMNS"
}


def run_fresh_demo(*arguments: str, before: str = "pass") -> subprocess.CompletedProcess[str]:
    """With an interpreter of its own."""
    program = (
        f"import sys; {before}; sys.argv[1:] = ['demo', *sys.argv[1:]]; from rlm_integrations.cli import main; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        env=NO_MODEL,
        check=False,
    )


@pytest.fixture
def run_demo(run_program: Callable[..., Any]) -> Callable[..., Any]:
    main = "import sys; from rlm_integrations.cli import main; sys.argv[1:1] = ['demo']; main()"
    return lambda *arguments: run_program(main, *arguments, everything=True)


def table_rows(output: str) -> dict[str, list[tuple[str, str, str]]]:
    """Rows of the tables that hold an answer beside the right one: name -> (answer, right answer, verdict)."""
    rows: dict[str, list[tuple[str, str, str]]] = {}
    for line in output.splitlines():
        cells = [cell.strip() for cell in line.split("│")[1:-1]]
        if len(cells) == 4:
            rows.setdefault(cells[0], []).append((cells[1], cells[2], cells[3]))
    return rows


@pytest.fixture(scope="session")
def piped(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> subprocess.CompletedProcess[str]:
    """One run of the demo, also for tests that run in several processes."""
    if worker_id == "master":
        return run_fresh_demo()
    kept = tmp_path_factory.getbasetemp().parent / "demo.json"
    with FileLock(f"{kept}.lock"):
        if not kept.exists():
            run = run_fresh_demo()
            kept.write_text(json.dumps([run.args, run.returncode, run.stdout, run.stderr]), "utf-8")
        return subprocess.CompletedProcess(*json.loads(kept.read_text("utf-8")))


def test_piped_it_ends_well_and_says_first_that_no_model_is_asked(piped: subprocess.CompletedProcess[str]) -> None:
    assert piped.returncode == 0, piped.stderr
    assert piped.stderr == ""
    assert piped.stdout.startswith("No model is asked in this demo: the model's replies are a recorded conversation")
    assert "\x1b" not in piped.stdout


def test_both_frameworks_give_the_true_answer(piped: subprocess.CompletedProcess[str]) -> None:
    messages, categories = read_messages(), read_categories()
    leaving = [message for message in messages if categories[message.id] == "leaving"]
    truth = {
        "messages": str(len(leaving)),
        "month": max({m.date[:7] for m in leaving}, key=[m.date[:7] for m in leaving].count),
        "writer": max({m.user for m in leaving}, key=[m.user for m in leaving].count),
        "people": str(len({m.user for m in leaving})),
        "reported": str(
            len(
                {
                    later.user
                    for later in leaving
                    for earlier in messages
                    if categories[earlier.id] == "broken" and earlier.user == later.user and earlier.date < later.date
                }
            )
        ),
    }
    rows = table_rows(piped.stdout)
    for name, value in truth.items():
        assert rows[name] == [(value, value, "right")] * 2, name


def test_the_answer_about_the_standard_library_is_the_plain_count(piped: subprocess.CompletedProcess[str]) -> None:
    root = Path(sysconfig.get_path("stdlib"))
    counts: Counter[str] = Counter()
    for file in root.rglob("*.py"):
        path = file.relative_to(root)
        if {"site-packages", "dist-packages", "__pycache__", "test", "tests", "idle_test"}.isdisjoint(path.parts[:-1]):
            source = file.read_bytes()
            nodes = ast.walk(ast.parse(source)) if b"Exception" in source else ()
            classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
            counts[path.as_posix()] += sum("Exception" in map(ast.unparse, node.bases) for node in classes)
    rows = table_rows(piped.stdout)
    assert rows["classes"] == [(str(counts.total()), str(counts.total()), "right")]
    ((file, _, verdict),) = rows["file"]
    assert (counts[file], verdict) == (max(counts.values()), "right")


def test_retrieval_stands_beside_what_was_read(piped: subprocess.CompletedProcess[str]) -> None:
    assert re.search(r"read 4 of 240 messages, *│ read 240 of 240 messages,", piped.stdout)
    assert re.search(r"and of the 41 sought, [0-4] *│ and of the 41 sought, 41", piped.stdout)


def test_it_shows_the_lines_that_ran_the_iterations_and_the_command_for_a_real_model(
    piped: subprocess.CompletedProcess[str],
) -> None:
    for line in (
        "chain = prompt | RLMRunnable(",
        'engine="rlm",',
        "llm_query_batched(",
        "4 citations, compared",
        "sub-call 16: ",
    ):
        assert line in piped.stdout
    assert "pyright" not in piped.stdout
    assert re.search(r"^iteration 2 of 20: .*\d+ sub-calls", piped.stdout, re.MULTILINE)
    assert "rlm-integrations demo --base-url" in piped.stdout.splitlines()[-1]


def test_a_terminal_of_80_columns_is_not_overrun(piped: subprocess.CompletedProcess[str]) -> None:
    lines = [line for line in piped.stdout.splitlines() if not re.match(r"iteration \d|OPENAI|rlm-integrations", line)]
    assert max(map(len, lines)) <= 80


def test_on_a_terminal_each_iteration_stays_on_the_screen() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, highlight=False)
    ask_about_messages(console, recorded_models(ReplayingModel.from_file(RECORDING)))
    shown = screen.getvalue()
    assert "\x1b" in shown
    for iteration in range(1, 5):
        assert f"iteration {iteration} of 20: 1 code block" in shown


@pytest.fixture
def server(serve_posts: Callable[..., str]) -> tuple[str, ReplayingModel, list[str]]:
    """A server that answers chat completions from the recording: its address, the double, and the models asked."""
    asked: list[str] = []
    model = ReplayingModel.from_file(RECORDING)

    def post(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        request = json.loads(body)
        asked.append(request["model"])
        if request["model"] == "unknown":
            handler.send_error(404)
            return
        completion = model.complete_sync([Message(m["role"], m["content"]) for m in request["messages"]])
        choice = {"index": 0, "message": {"role": "assistant", "content": completion.text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        reply = {"id": "1", "object": "chat.completion", "created": 1, "model": request["model"], "usage": usage}
        data = json.dumps(reply | {"choices": [choice]}).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return serve_posts(post), model, asked


def test_with_a_server_named_the_same_questions_go_there_and_use_the_whole_recording(
    server: tuple[str, ReplayingModel, list[str]], run_demo: Callable[..., Any]
) -> None:
    address, recording, asked = server
    run = run_demo("--base-url", address, "--model", "big", "--sub-model", "small")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("A real model answers: big as the root LM and small for the sub-calls")
    assert "recorded" not in run.stdout
    assert set(asked) == {"big", "small"}
    recording.assert_exhausted()
    assert all(
        answer == right for rows in table_rows(run.stdout).values() for answer, right, verdict in rows if verdict
    )


def test_a_model_that_the_server_does_not_know_is_one_line_and_exit_code_1(
    server: tuple[str, ReplayingModel, list[str]], run_demo: Callable[..., Any]
) -> None:
    run = run_demo("--base-url", server[0], "--model", "unknown")
    assert run.returncode == 1
    assert len(run.stderr.splitlines()) == 1
    assert "404" in run.stderr


@pytest.mark.parametrize(
    ("package", "arguments", "extra"), [("llama_index", (), "all"), ("openai", ("--model", "m"), "openai")]
)
def test_without_a_package_it_needs_it_names_the_extra(package: str, arguments: tuple[str, ...], extra: str) -> None:
    run = run_fresh_demo(*arguments, before=f"sys.modules['{package}'] = None")
    assert run.returncode == 2
    assert f'pip install "rlm-integrations[{extra}]"' in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_a_server_without_a_model_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="--model"):
        choose_models(None, None, "http://127.0.0.1:9/v1", {})
    with pytest.raises(InvalidArgumentError, match="--model"):
        choose_models(None, "small", None, {})


def test_a_key_in_the_environment_means_a_real_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    models = choose_models(None, None, None, os.environ)
    assert not models.recorded
    assert isinstance(models.root, OpenAIModel)
    assert "gpt-5" in models.introduction


def test_a_thought_is_what_stands_before_the_code() -> None:
    assert thought_of("First look.\n\n```repl\n1\n```\nthen more") == "First look.\n\n"
    assert thought_of("```repl\n1\n```") == ""
    assert thought_of("no code") == "no code"
