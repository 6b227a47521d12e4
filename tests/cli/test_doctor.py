"""What `doctor` finds, where all is well and where it is not."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlm_integrations.cli import doctor
from rlm_integrations.cli.app import app
from rlm_integrations.cli.installed import PARTS, Finding, Part, find_installed, misfit
from rlm_integrations.cli.model_check import check_model
from rlm_integrations.core.errors import SandboxUnavailableError
from rlm_integrations.core.sandbox import Capabilities
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.testing import ScriptedModel

RunCli = Callable[..., Any]


@pytest.fixture
def nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is installed: for tests of the rest, as importing it takes seconds."""
    monkeypatch.setattr(doctor, "find_installed", lambda: [Finding(part, "1.0") for part in PARTS])


def test_it_shows_what_works_and_what_confines_the_repl(run_cli: RunCli) -> None:
    done = run_cli("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    capabilities = resolve_sandbox("auto").capabilities()
    assert f"Sandbox: {capabilities.name} (confines model-written code)" in done.stdout
    for layer in capabilities.layers:
        assert layer in done.stdout
    assert re.match(r"rlm-integrations \S+, Python 3", done.stdout), "it says at once what it looks at"
    assert "Not closed:" in done.stdout
    for name in ("langchain-core", "llama-index-core", "openai"):
        assert name in done.stdout
    assert done.stdout.splitlines()[-4:] == [
        "works: what is installed can be imported",
        "works: model-written code is confined here",
        "works: a run with a scripted model",
        "No model was asked (OPENAI_API_KEY is not set). To try one: rlm-integrations doctor --model NAME",
    ]


@pytest.mark.usefixtures("nothing_is_imported")
def test_it_fits_a_narrow_terminal() -> None:
    done = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "40"}, catch_exceptions=False)
    assert done.exit_code == 0
    table = [line for line in done.stdout.splitlines() if line[:1] in "│┃├└┌"]
    assert table
    assert max(map(len, table)) <= 40


@pytest.mark.usefixtures("nothing_is_imported")
def test_where_nothing_confines_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def refuse(name: str) -> Any:
        raise SandboxUnavailableError("no Linux here; use a container")

    monkeypatch.setattr(doctor, "resolve_sandbox", refuse)
    assert not doctor.examine()
    shown = " ".join(capsys.readouterr().out.split())
    assert "Sandbox: none. no Linux here; use a container" in shown
    assert "FAILS: nothing confines model-written code here" in shown


@pytest.mark.usefixtures("nothing_is_imported")
def test_it_does_not_call_an_unconfined_repl_confined(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    class Open:
        def capabilities(self) -> Capabilities:
            return Capabilities("unconfined", False, {"files": "everything is open"})

    monkeypatch.setattr(doctor, "resolve_sandbox", lambda name: Open())
    assert not doctor.examine()
    shown = capsys.readouterr().out
    assert "DOES NOT CONFINE" in shown
    assert "FAILS: model-written code is not confined here" in shown


@pytest.mark.usefixtures("nothing_is_imported")
@pytest.mark.usefixtures("wasi_component")
def test_it_says_why_process_is_out(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def resolve(name: str) -> Any:
        if name == "wasi":
            return resolve_sandbox("wasi")
        raise SandboxUnavailableError("this kernel denies seccomp; pass sandbox='wasi'")

    monkeypatch.setattr(doctor, "resolve_sandbox", resolve)
    assert doctor.examine()
    shown = " ".join(capsys.readouterr().out.split())
    assert "Not “process”, which runs all of it: this kernel denies seccomp; pass --sandbox wasi" in shown
    assert "works: model-written code is confined here; pass --sandbox wasi" in shown


def test_with_few_descriptors_it_ends_without_a_traceback(start_command: Callable[..., Any], tmp_path: Path) -> None:
    # an import takes a second, and no more descriptors
    for name in ("langchain_core", "llama_index", "openai", "ray", "wasmtime"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('half installed')\n")
    few = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))"
    environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.getcwd()}"}
    done = start_command(["doctor"], before=few, environment=environment, fresh=True).end()
    assert "Traceback" not in done.stdout + done.stderr
    assert "model-written code is" in done.stdout


def test_what_is_installed_is_imported_and_what_is_broken_or_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken_one.py").write_text("raise ImportError('half installed')\n")
    (tmp_path / "fatal_one.py").write_text("import os; os._exit(3)\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.getcwd()}")
    good, broken, fatal, missing = find_installed(
        [Part("openai", "x", "json"), Part("pydantic", "x", "broken_one"), Part("rich", "x", "fatal_one"),
         Part("no-such-package", "x", "no_such_module")]
    )  # fmt: skip
    assert (good.version is not None, good.problem) == (True, "")
    assert "ImportError: half installed" in broken.words
    assert "pip install --force-reinstall pydantic" in broken.words
    assert "it ended with 3" in fatal.problem
    assert missing.words.startswith('not installed: pip install "rlm-integrations[x]"')
    assert not missing.problem


@pytest.mark.parametrize(
    ("found", "bounds", "wanted"),
    [
        ("1.2", "<2,>=1.2", ""),
        ("1.2.0rc1", "<2,>=1.2", ""),
        ("1.10.3", ">=1.9", ""),
        ("0.3.86", "<2,>=1.2", ">= 1.2"),
        ("2.0.0", "<2,>=1.2", "< 2"),
        ("3.0", "", ""),
        ("unknown", ">=1", ">= 1"),
    ],
)
def test_versions_are_held_against_the_bounds(found: str, bounds: str, wanted: str) -> None:
    assert misfit(found, bounds) == wanted


def test_a_model_is_asked_when_one_is_named(model_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model_server.models["root"] = root = ScriptedModel(["ready\x1b[2J"])
    works, said = check_model(model_server.url, "root")
    assert (works, said) == (True, f"the model root at {model_server.url} replied: ready\\x1b[2J")
    assert len(root.requests) == 1
    model_server.refusals.append(401)
    works, said = check_model(model_server.url, "root")
    assert not works
    assert "does not accept the key" in said
    works, said = check_model(None, "gpt-5")
    assert not works
    assert said.startswith("OPENAI_API_KEY is not set")
    works, said = check_model("http://127.0.0.1:9/v1", None)
    assert not works
    assert "nothing listens there" in said


@pytest.mark.usefixtures("nothing_is_imported")
def test_a_model_that_fails_is_a_failure(model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel([])
    model_server.refusals.append(404)
    arguments = ["doctor", "--base-url", model_server.url, "-m", "nosuch"]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"}, catch_exceptions=False)
    assert done.exit_code == 1
    assert "FAILS: " in done.stdout
    assert "knows no such model or page" in done.stdout
