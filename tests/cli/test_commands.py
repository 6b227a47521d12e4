from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from rlm_integrations import __version__
from rlm_integrations.cli.app import app
from rlm_integrations.core.limits import RLMLimits

RunCli = Callable[..., Any]


def test_the_help_names_the_commands_and_is_quick_to_load(run_cli: RunCli) -> None:
    done = run_cli("--help")
    assert done.returncode == 0
    for name in ("ask", "doctor", "demo", "trace"):
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


@pytest.mark.parametrize("command", ["--help", "--version", "doctor", "demo"])
def test_where_nobody_reads_on_it_ends_without_a_word(start_command: Callable[..., Any], command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = start_command([command], writer).end()
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.parametrize("command", ["doctor", "demo"])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_where_the_disk_is_full_it_says_so(start_command: Callable[..., Any], command: str) -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        ended = start_command([command], full.fileno()).end()
    assert (ended.returncode, ended.stderr) == (1, "Error: [Errno 28] No space left on device\n")


def test_ctrl_c_while_the_program_is_loaded_is_no_traceback() -> None:
    code = (
        "import sys\n"
        "class Slow:\n"
        "    def find_spec(self, name, *more):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Slow())\n"
        "from rlm_integrations.cli import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


@pytest.mark.parametrize("command", ["demo", "doctor"])
@pytest.mark.parametrize("missing", ["typer", "rich", "markdown_it"])
def test_without_its_extra_the_command_line_says_what_to_install(missing: str, command: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None\nfrom rlm_integrations.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f'The command line is in the extra [cli], and {missing} is missing: pip install "rlm-integrations[cli]" '
        '(in a clone: pip install ".[cli]")\n'
    )
