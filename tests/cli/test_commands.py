from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from rlm_integrations import __version__
from rlm_integrations.cli import doctor
from rlm_integrations.cli.app import app
from rlm_integrations.core.errors import SandboxUnavailableError
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.sandbox import Capabilities
from rlm_integrations.sandboxes.choose import resolve_sandbox

RunCli = Callable[..., Any]


def test_doctor_shows_what_confines_the_repl_and_that_a_run_works(run_cli: RunCli) -> None:
    done = run_cli("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    capabilities = resolve_sandbox("auto").capabilities()
    assert f"Sandbox: {capabilities.name} (confines model-written code)" in done.stdout
    for layer in capabilities.layers:
        assert layer in done.stdout
    assert "Not closed:" in done.stdout
    for name in ("Python", "langchain-core", "llama-index-core", "openai"):
        assert name in done.stdout
    assert "A run with a scripted model: works" in done.stdout


def test_doctor_fits_a_narrow_terminal() -> None:
    done = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "40"}, catch_exceptions=False)
    assert done.exit_code == 0
    table = [line for line in done.stdout.splitlines() if line[:1] in "│┃├└┌"]
    assert table
    assert max(map(len, table)) <= 40


def test_doctor_ends_with_1_where_nothing_confines(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def refuse(name: str) -> Any:
        raise SandboxUnavailableError("no Linux here; use a container")

    monkeypatch.setattr(doctor, "resolve_sandbox", refuse)
    assert not doctor.examine()
    assert "Sandbox: none. no Linux here; use a container" in " ".join(capsys.readouterr().out.split())


def test_doctor_does_not_call_an_unconfined_repl_confined(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    class Open:
        def capabilities(self) -> Capabilities:
            return Capabilities("unconfined", False, {"files": "everything is open"})

    monkeypatch.setattr(doctor, "resolve_sandbox", lambda name: Open())
    assert not doctor.examine()
    assert "DOES NOT CONFINE" in capsys.readouterr().out


def test_the_help_names_the_commands_and_is_quick_to_load(run_cli: RunCli) -> None:
    done = run_cli("--help")
    assert done.returncode == 0
    for name in ("ask", "doctor", "demo"):
        assert name in done.stdout
    code = (
        "import sys, rlm_integrations.cli.app\n"
        "print([name for name in ('openai', 'langchain_core', 'llama_index') if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


def test_the_help_of_ask_has_an_example_and_the_defaults() -> None:
    shown = " ".join(CliRunner().invoke(app, ["ask", "-h"], env={"COLUMNS": "100"}).stdout.split())
    limits = RLMLimits()
    assert 'rlm-integrations ask -q "Who decides what?" minutes/ statutes.md -m gpt-5' in shown
    assert f"Replies of the root LM. Default: {limits.max_iterations:,}." in shown
    assert f"Sub-calls in all. Default: {limits.max_sub_calls:,}." in shown
    assert limits.timeout_s is None
    assert "For the whole run. Default: no limit." in shown


def test_the_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == __version__


def test_no_arguments_show_the_help() -> None:
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 2
    assert "doctor" in done.output


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_its_extra_the_command_line_says_what_to_install(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None\nfrom rlm_integrations.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f'The command line needs {missing}: pip install "rlm-integrations[cli]"\n'
