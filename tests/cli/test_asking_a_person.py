"""What a person at a terminal is asked: nothing of it gets into the answer, and Ctrl-C ends it as it ends a run."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.testing import ScriptedModel

from .conftest import command_environment

MANY = """
import sys
from rlm_integrations.cli import file_corpus, main
file_corpus.MANY_FILES = int(sys.argv.pop(1))
sys.argv[0] = "rlm-integrations"
main()
"""
Answers = Callable[..., tuple[int, str, str]]


@pytest.fixture
def answers(model_server: Any, corpus: Path, tmp_path: Path) -> Answers:
    """`ask` over files that it asks about, its stdout a file: its exit code, the answer, and what the terminal got."""
    model_server.models["root"] = ScriptedModel(['```repl\nFINAL("read")\n```'])

    def run(typed: bytes, *more: str, many: int = 1) -> tuple[int, str, str]:
        screen, terminal = pty.openpty()
        arguments = ["ask", "notes", "-q", "?", "-m", "root", "--base-url", model_server.url, *more]
        with open(tmp_path / "answer.txt", "wb") as file:
            asking = subprocess.Popen(
                [sys.executable, "-c", MANY, str(many), *arguments],
                env=command_environment(),
                cwd=tmp_path,
                stdin=terminal,
                stdout=file,
                stderr=terminal,
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )
        os.close(terminal)
        written = b""
        with suppress(OSError):  # the other side is closed
            while piece := os.read(screen, 65_536):
                written += piece
                if typed and b"[y/N]" in written:
                    os.write(screen, typed)
                    typed = b""
        os.close(screen)
        return asking.wait(30), (tmp_path / "answer.txt").read_text(), written.decode()

    return run


def test_the_answer_is_all_that_stdout_gets(answers: Answers) -> None:
    code, answer, written = answers(b"y\n")
    assert (code, answer) == (0, "read\n"), written


def test_ctrl_c_is_130(answers: Answers, model_server: Any) -> None:
    code, answer, written = answers(b"\x03")
    assert (code, answer) == (130, ""), written
    assert "Interrupted." in written
    assert not model_server.asked.is_set()


def test_ctrl_d_is_a_no(answers: Answers, model_server: Any) -> None:
    code, answer, written = answers(b"\x04")
    assert (code, answer) == (1, ""), written
    assert "Nothing was read or asked." in written
    assert not model_server.asked.is_set()


BATCH = """```repl
answer["content"] = str(len(llm_query_batched(["a" * 4_000] * 10)))
answer["ready"] = True
```"""


@pytest.mark.parametrize(("typed", "code", "said"), [(b"\x03", 130, "Interrupted."), (b"n\n", 1, "stopped before")])
def test_amid_a_run_too(answers: Answers, model_server: Any, typed: bytes, code: int, said: str) -> None:
    model_server.models["root"] = ScriptedModel([BATCH, BATCH])
    price = ("--price", "10,20", "--ask-above", "0.1")
    ended, answer, written = answers(typed, *price, many=9)
    assert (ended, answer) == (code, ""), written
    assert said in written
    assert "Fatal" not in written
