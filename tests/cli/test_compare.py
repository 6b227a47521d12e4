"""The command `compare`, at a model server on loopback."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlm_integrations import InvalidArgumentError, Message
from rlm_integrations.cli.app import app
from rlm_integrations.testing import ScriptedModel

CODE = """```repl
answer["content"] = "The cellar."
cite("The red key opens the cellar.")
answer["ready"] = True
```"""


def reads(messages: Sequence[Message]) -> str:
    if "```repl" in messages[0].content:
        return CODE
    found = "The red key opens the cellar." in messages[-1].content
    if "<part " in messages[-1].content:
        return "The red key opens the cellar." if found else "NOTHING"
    return "The cellar.\n<evidence>\nThe red key opens the cellar.\n</evidence>" if found else "Unknown."


@pytest.fixture
def compare(model_server: Any, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.chdir(corpus.parent)
    model_server.models["root"] = model_server.models["sub"] = ScriptedModel(always=reads)

    def run(*more: str) -> Any:
        question = ("compare", "notes", "-q", "What does the red key open?", "-m", "root", "--base-url")
        return CliRunner().invoke(app, [*question, model_server.url, *more], env={"COLUMNS": "200"})

    return run


def test_a_table_on_stdout_and_a_page(compare: Callable[..., Any], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    methods = "direct,top2,map,tree,rlm0,rlm1,auto"
    done = compare("--price", "1,2", "--max-cost", "1", "--methods", methods, "--html", str(page), "--yes")
    assert done.exit_code == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows[0].startswith("| method | answered | agreement | citations | calls | tokens | cost | seconds |")
    assert len([row for row in rows if "1 of 1" in row]) == 7
    assert "it stops at $1.00" in done.stderr
    assert "RLM depth 1 (auto): answered" in done.stderr
    assert page.read_text().count("<article>") == 7


def test_as_json_within_a_cap_of_tokens(compare: Callable[..., Any]) -> None:
    done = compare("--max-tokens", "100000", "--methods", "direct,rlm0", "--yes", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(each["method"], each["status"], each["answer"]) for each in told["attempts"]] == [
        ("direct", "answered", "The cellar."),
        ("RLM depth 0", "answered", "The cellar."),
    ]
    assert [each["citations"] for each in told["methods"]] == [1, 1]


def test_nothing_is_sent_before_somebody_agreed(compare: Callable[..., Any], model_server: Any) -> None:
    done = compare("--max-tokens", "100000", "--methods", "direct")
    assert done.exit_code == 2
    assert "--yes: not given, and nobody can be asked here. About 1 call and" in done.stderr
    assert model_server.models["root"].requests == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "--max-cost: not given"),
        (["--max-cost", "1"], "--max-cost: what calls cost is unknown"),
        (["--max-tokens", "9", "--methods", "direct,rag"], "--methods: 'rag' is unknown"),
        (["--max-tokens", "9", "--methods", "top0"], "k: 0 given"),
    ],
)
def test_wrong_arguments(compare: Callable[..., Any], arguments: list[str], why: str) -> None:
    done = compare(*arguments, "--yes")
    assert done.exit_code == 2
    assert why in done.stderr


def test_where_nothing_is_answered_it_fails(compare: Callable[..., Any], model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel(always=lambda _: "")
    done = compare("--max-tokens", "100000", "--methods", "direct", "--yes")
    assert done.exit_code == 1
    assert "failed: the reply is empty" in done.stdout


def test_ctrl_c_keeps_what_was_answered_by_then(start_command: Any, model_server: Any, corpus: Path) -> None:
    def hangs(messages: Sequence[Message]) -> str:
        if "```repl" in messages[0].content:
            os.kill(running.process.pid, signal.SIGINT)
            model_server.closing.wait(60)
        return reads(messages)

    model_server.models["root"] = ScriptedModel(always=hangs)
    question = ("compare", "notes", "-q", "What does the red key open?", "-m", "root", "--base-url", model_server.url)
    running = start_command(
        [*question, "--max-tokens", "100000", "--methods", "direct,rlm0", "--yes"], new_session=True
    )
    done = running.end()
    assert done.returncode == 130
    assert "| direct | 1 of 1 |" in done.stdout
    assert "| RLM depth 0 |  | failed: cut off |" in done.stdout


@pytest.mark.parametrize("stdout", ["whole", "full"])
@pytest.mark.parametrize("page", ["page.html", "/dev/full", None])
def test_what_was_paid_for_is_handed_over_where_there_is_room(
    start_command: Any, model_server: Any, corpus: Path, tmp_path: Path, stdout: str, page: str | None
) -> None:
    model_server.models["root"] = ScriptedModel(always=reads)
    arguments = ["compare", "notes", "-q", "What does the red key open?", "-m", "root", "--base-url", model_server.url]
    arguments += ["--max-tokens", "100000", "--methods", "direct", "--yes", *(["--html", page] if page else [])]
    with open("/dev/full" if stdout == "full" else os.devnull, "wb", buffering=0) as full:
        done = start_command(arguments, **({"stdout": full.fileno()} if stdout == "full" else {})).end()
    written = page == "page.html"
    assert done.returncode == (0 if stdout == "whole" and page != "/dev/full" else 1)
    assert ("The page was not written: [Errno 28]" in done.stderr) == (page == "/dev/full")
    assert ("The table was not printed: [Errno 28]" in done.stderr) == (stdout == "full")
    assert ("| direct | The cellar." in done.stdout) == (stdout == "whole")
    assert ("| direct | The cellar." in done.stderr) == (stdout == "full" and not written)
    assert (tmp_path / "page.html").exists() == written


def test_a_fault_of_a_later_method_keeps_what_was_answered_by_then(
    compare: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> object:
        raise InvalidArgumentError("top: broken")

    monkeypatch.setattr("rlm_integrations.compare.TopK.answer", refused)
    done = compare("--max-tokens", "100000", "--methods", "direct,top2", "--yes")
    assert done.exit_code == 2
    assert "| direct | 1 of 1 |" in done.stdout
    assert "top: broken" in done.stderr
