"""What a command says is for somebody who types commands: options, names and installations that work where they are."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from rlm_integrations.cli import installed
from rlm_integrations.cli.app import app
from rlm_integrations.cli.installed import Part, find_installed

from .questions import Ask


def test_an_unknown_sandbox_is_answered_with_the_names_there_are(ask: Ask) -> None:
    done = ask("--sandbox", "docker")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        "Error: --sandbox: 'docker' is not one; pass 'auto', 'process', 'wasi', 'unconfined'"
    )


def test_the_demo_says_the_same() -> None:
    done = CliRunner().invoke(app, ["demo", "--sandbox", "docker"])
    assert done.exit_code == 2
    assert done.stderr == "Error: --sandbox: 'docker' is not one; pass 'auto', 'process', 'wasi', 'unconfined'\n"


def test_the_command_line_is_also_its_package_s_module() -> None:
    program = [sys.executable, "-m", "rlm_integrations.cli", "--help"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "rlm-integrations" in done.stdout


def test_what_is_not_installed_is_said_for_a_clone_too() -> None:
    [missing] = find_installed([Part("no-such-package", "x", "no_such_module")])
    assert missing.words == 'not installed: pip install "rlm-integrations[x]" (in a clone: pip install ".[x]")'


@pytest.mark.parametrize(("bounds", "wanted"), [("<2,>=1.2", "< 2"), (">=900", ">= 900")])
def test_a_version_that_does_not_fit_has_a_remedy_that_asks_no_index_for_us(
    monkeypatch: pytest.MonkeyPatch, bounds: str, wanted: str
) -> None:
    def promised() -> dict[str, Any]:
        return {"pydantic": bounds}

    monkeypatch.setattr(installed, "_requirements", promised)
    [finding] = find_installed([Part("pydantic", "x", "json")])
    assert finding.problem == f'{wanted} is needed: pip install "pydantic{bounds}"'
