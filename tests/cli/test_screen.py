"""What a person has on the screen: `ask` in a real terminal emulator, with a shell that has job control."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.testing import ScriptedModel

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Screen:
    """A terminal of 80 columns with a shell in it."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "tmux")
        shell = ["bash", "--norc", "--noprofile", "-i"]
        size = ["-x", "80", "-y", "24"]
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment = kept | {"PYTHONPATH": os.getcwd(), "PYTHONWARNINGS": "error", "PS1": "> ", "LANG": "C.UTF-8"}
        program = ["tmux", "-S", self._socket, "-f", "/dev/null", "new-session", "-d", *size, "-c", str(folder), *shell]
        subprocess.run(program, env=environment, check=True, cwd=folder)

    def tmux(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-S", self._socket, *arguments], capture_output=True, text=True, check=True
        ).stdout

    def type(self, line: str) -> None:
        self.tmux("send-keys", "-l", line)
        self.tmux("send-keys", "Enter")

    def shown(self) -> str:
        """All that is on the screen and has left it at its top."""
        return self.tmux("capture-pane", "-p", "-S", "-")

    def has_cursor(self) -> bool:
        return self.tmux("display", "-p", "#{cursor_flag}").strip() == "1"

    def wait_for(self, what: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + 30
        while not what(shown := self.shown()):
            assert time.monotonic() < deadline, shown
            select.select([], [], [], 0.1)  # each look is a process
        return shown

    def command_pid(self) -> int:
        """Of what the shell runs."""
        shell = self.tmux("display", "-p", "#{pane_pid}").strip()
        return int(Path(f"/proc/{shell}/task/{shell}/children").read_text().split()[0])

    def terminate(self) -> None:
        """End what the shell runs, once that has seen to being ended: the view is drawn a moment before."""
        pid, bit = self.command_pid(), 1 << (signal.SIGTERM - 1)

        def is_ready(_: str) -> bool:
            status = Path(f"/proc/{pid}/status").read_text()
            return bool(int(status.partition("SigCgt:")[2].split()[0], 16) & bit)

        self.wait_for(is_ready)
        os.kill(pid, signal.SIGTERM)


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    screen = Screen(tmp_path)
    yield screen
    screen.tmux("kill-server")


def command(*arguments: object) -> str:
    return shlex.join([sys.executable, "-m", "rlm_integrations", "ask", "-q", "?", *map(str, arguments)])


def test_the_lines_that_are_redrawn_leave_nothing_behind(screen: Screen, model_server: Any, corpus: Path) -> None:
    asked = threading.Event()

    def hang() -> str:
        asked.set()
        return str(model_server.closing.wait(60))

    asks = "```repl\nprint(llm_query_batched(['a', 'b', 'c', 'd']))\n```"
    model_server.models["root"] = ScriptedModel(always=lambda _: asks)
    model_server.models["sub"] = ScriptedModel(always=lambda _: hang())
    screen.type(command("notes", "-m", "root", "--sub-model", "sub", "--base-url", model_server.url))
    shown = screen.wait_for(lambda shown: "0 of 4" in shown)
    assert shown.count("elapsed") == 1
    assert asked.wait(30)
    assert not screen.has_cursor()

    screen.tmux("resize-window", "-x", "30")  # it wraps what was drawn
    shown = screen.wait_for(lambda shown: "waiting for\n" in shown)
    assert shown.count("elapsed") == shown.count("0 of 4") == 1
    screen.tmux("resize-window", "-x", "80")
    shown = screen.wait_for(lambda shown: "waiting for sub-calls\n" in shown)
    assert shown.count("elapsed") == 1
    assert "corpus: 2 documents, 2,280 characters\n" in shown

    screen.tmux("send-keys", "C-z")
    shown = screen.wait_for(lambda shown: "Stopped" in shown)
    assert "elapsed" not in shown
    assert screen.has_cursor()
    screen.type("fg")
    screen.wait_for(lambda shown: "elapsed" in shown)
    assert not screen.has_cursor()
    screen.tmux("send-keys", "C-z")
    screen.wait_for(lambda shown: shown.count("Stopped") == 2)
    screen.type("fg")
    screen.wait_for(lambda shown: "elapsed" in shown)

    screen.terminate()
    shown = screen.wait_for(lambda shown: "Terminated." in shown)
    assert "elapsed" not in shown
    assert screen.has_cursor()


def test_the_view_is_there_while_the_corpus_is_read_and_the_cursor_after_it(screen: Screen) -> None:
    screen.type(command("-", "-m", "root", "--base-url", "http://127.0.0.1:9/v1") + "; echo ended $?")
    screen.wait_for(lambda shown: "reading the corpus" in shown)
    assert not screen.has_cursor()
    screen.terminate()
    shown = screen.wait_for(lambda shown: "ended 143" in shown)
    assert "Terminated." in shown
    assert "reading" not in shown
    assert screen.has_cursor()
