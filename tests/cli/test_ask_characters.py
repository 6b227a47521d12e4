"""`ask` in any script, and on terminals of any kind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.testing import ScriptedModel

from .questions import LOOKS_FIRST, QUESTION, Ask, RunCli


def test_an_answer_in_any_script_survives_a_terminal_that_is_ascii(
    run_cli: RunCli, corpus: Path, model_server: Any
) -> None:
    model_server.models["root"] = ScriptedModel(['```repl\nFINAL("ключ 🔑")\n```'] * 2)
    plain = run_cli(*QUESTION, model_server.url, PYTHONIOENCODING="ascii")
    assert plain.stdout == r"\u043a\u043b\u044e\u0447 \U0001f511" + "\n"
    as_json = run_cli(*QUESTION, model_server.url, "--json", PYTHONIOENCODING="ascii")
    assert json.loads(as_json.stdout)["answer"] == "ключ 🔑"


def test_a_file_that_is_not_utf_8_can_be_cited(ask: Ask, model_server: Any, corpus: Path, tmp_path: Path) -> None:
    (corpus / "odd.txt").write_bytes(b"caf\xe9 is latin-1\n" * 10)
    model_server.models["root"] = ScriptedModel(
        ['```repl\nd = [d for d in context if "odd" in d["id"]][0]\ncite(d["text"][:16])\nFINAL("done")\n```']
    )
    done = ask("--trace", "run.json")
    assert done.exit_code == 0, done.stderr
    assert "notes/odd.txt:1: “café is latin-1”" in done.stdout
    assert "1 read as cp1252, a guess ('notes/odd.txt')" in done.stderr
    trace = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert trace["citations"][0]["cited_text"] == "café is latin-1"


def test_half_a_character_in_an_answer_loses_neither_answer_nor_trace(
    ask: Ask, model_server: Any, tmp_path: Path
) -> None:
    model_server.models["root"] = ScriptedModel(['```repl\nFINAL("half \\ud83d.")\n```'])
    done = ask("--json", "--trace", "run.json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["answer"] == "half \N{REPLACEMENT CHARACTER}."
    assert json.loads((tmp_path / "run.json").read_text("utf-8"))["answer"] == "half \N{REPLACEMENT CHARACTER}."


@pytest.mark.parametrize("terminal", ["xterm-256color", "dumb"])
def test_on_a_terminal_the_corpus_and_the_iterations_stay_on_the_screen(
    run_on_terminal: Callable[..., tuple[int, str]], model_server: Any, corpus: Path, terminal: str
) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS_FIRST, '```repl\nFINAL("the end")\n```'])
    code, written = run_on_terminal(*QUESTION, model_server.url, COLUMNS="40", LINES="24", TERM=terminal)
    assert code == 0, written
    assert ("\x1b[?25l" in written) == (terminal != "dumb")
    *lines, _ = re.sub(r"\x1b(\[[?0-9;]*[a-zA-Z]|[78])", "", written).splitlines()
    assert "corpus: 2 documents, 2,280 characters" in lines
    assert any(line.startswith("iteration 2 of 20: 1 code block") for line in lines)
    assert lines[-1] == "the end"


@pytest.mark.parametrize("columns", ["0", "1"])
def test_a_width_that_is_none_hides_nothing(
    run_cli: RunCli,
    run_on_terminal: Callable[..., tuple[int, str]],
    model_server: Any,
    corpus: Path,
    columns: str,
) -> None:
    model_server.models["root"] = ScriptedModel(always=lambda messages: '```repl\nFINAL("the end")\n```')
    done = run_cli(*QUESTION, model_server.url, COLUMNS=columns)
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == ["read:", "corpus:", "iteration", "1"]
    _, written = run_on_terminal(*QUESTION, model_server.url, COLUMNS=columns, TERM="dumb")
    assert "theend" in "".join(written.split())


def test_colour_that_is_forced_makes_no_pipe_a_terminal(run_cli: RunCli, model_server: Any, corpus: Path) -> None:
    model_server.models["root"] = ScriptedModel(['```repl\nFINAL("the end")\n```'])
    done = run_cli(*QUESTION, model_server.url, FORCE_COLOR="1")
    assert "\x1b[" not in done.stderr
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == ["read:", "corpus:", "iteration", "1"]
