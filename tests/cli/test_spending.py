"""`--ask-above`, where code makes one sub-call after another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlm_integrations.cli.app import app
from rlm_integrations.testing import ScriptedModel

ONE_BY_ONE = """```repl
answer["content"] = str([llm_query("a" * 4_000) for _ in range(10)])
answer["ready"] = True
```"""


def test_single_calls_stop_once_the_bound_is_passed(
    model_server: Any, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sub-call costs a cent and some more: 4,000 characters are 1,000 tokens."""
    monkeypatch.chdir(corpus.parent)
    model_server.models["root"] = ScriptedModel([ONE_BY_ONE, ONE_BY_ONE])
    model_server.models["sub"] = sub = ScriptedModel(always=lambda messages: "fine")
    arguments = ["ask", "notes", "-q", "?", "-m", "root", "--sub-model", "sub", "--base-url", model_server.url]
    arguments += ["--price", "0,0", "--sub-price", "10,0", "--ask-above", "0.025"]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert (done.exit_code, len(sub.requests)) == (1, 3)
    assert "--ask-above 0.025: stopped before another sub-call ($0.03 spent so far), for nobody" in done.stderr
    assert CliRunner().invoke(app, [*arguments, "--yes"], env={"COLUMNS": "200"}).exit_code == 0
