"""`chat`: questions one after another over files, at a prompt of a real terminal and from a pipe."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.testing import ScriptedModel

from .conftest import command_environment
from .test_terminal import CITES as CITES_EVIL
from .test_terminal import EVIL, EVIL_NAME, assert_harmless

COUNT = (
    "```repl\nn = globals().get('n', 0) + 1\nanswer['content'] = f'answer {n} of {len(context)} documents'\n"
    "answer['ready'] = True\n```"
)
CITES = "```repl\nanswer['content'] = cite('The red key opens the cellar.')\nanswer['ready'] = True\n```"
CHAT = ("chat", "notes", "--model", "root", "--limit", "inline_chars=0", "--base-url")


@pytest.fixture
def pipe() -> Iterator[Callable[[str], int]]:
    """The end of a pipe from which a text can be read."""
    opened: list[int] = []

    def of(text: str) -> int:
        near, far = os.pipe()
        os.write(far, text.encode())
        os.close(far)
        opened.append(near)
        return near

    yield of
    for near in opened:
        os.close(near)


@pytest.fixture
def run_chat(start_command: Any, corpus: Path, model_server: Any, pipe: Callable[[str], int]) -> Callable[..., Any]:
    """Runs the command with lines of standard input as its questions."""

    def run(replies: list[Any], text: str, *more: str) -> Any:
        model_server.models["root"] = ScriptedModel(replies)
        return start_command((*CHAT, model_server.url, *more), stdin=pipe(text)).end()

    return run


def test_each_line_of_a_pipe_is_a_question_of_one_session(run_chat: Any, model_server: Any) -> None:
    done = run_chat([COUNT, COUNT, CITES], "How many?\n\n  And now?  \nWhat opens it?")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "answer 1 of 2 documents",
        "answer 2 of 2 documents",
        "The red key opens the cellar.",
        "",
        "Citations:",
        "  [1] notes/a.txt:1: “The red key opens the cellar.”",
    ]
    assert done.stderr.count("read: 2 documents; skipped 1 binary") == 1
    assert "> " not in done.stderr
    told = model_server.models["root"].requests[1]
    assert [message.content for message in told[1:3]] == ["How many?", "answer 1 of 2 documents"]
    assert "Question:\nAnd now?" in told[-1].content


def test_quit_ends_it_and_no_question_is_none(run_chat: Any) -> None:
    done = run_chat([COUNT], "How many?\n/quit\nAnd now?\n")
    assert (done.returncode, done.stdout) == (0, "answer 1 of 2 documents\n")
    done = run_chat([], "")
    assert (done.returncode, done.stdout) == (0, "")


def test_json_is_an_object_in_a_line_for_each_question(run_chat: Any) -> None:
    done = run_chat([COUNT, "", "", COUNT], "How many?\nAnd?\nAnd now?\n", "--json")
    first, failed, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert first["answer"] == "answer 1 of 2 documents"
    assert "twice in a row with nothing" in failed["error"]
    assert failed["draft"] is None
    assert last["answer"] == "answer 2 of 2 documents"
    assert done.returncode == 1


def test_the_exit_code_is_that_of_the_first_question_that_did_not_go_well(run_chat: Any) -> None:
    looks = "```repl\nprint(len(context))\n```"
    done = run_chat([looks, "I do not know.", COUNT, "", ""], "A?\nB?\nC?\n", "--max-iterations", "1")
    assert done.returncode == 3, done.stderr
    assert done.stdout == "I do not know.\nanswer 1 of 2 documents\n"
    assert "Stopped by: max_iterations" in done.stderr
    assert "The run failed: the run reached the limit" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-",), "PATH: - is standard input, which the questions come from; pass a file"),
        (("--files-from", "-"), "--files-from: - is standard input, which the questions come from"),
        (("nowhere",), "PATH: "),
        (("notes", "--limit", "max_steps=5"), "did you mean 'max_iterations'"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_asked(
    run_cli: Any, corpus: Path, model_server: Any, arguments: tuple[str, ...], says: str
) -> None:
    done = run_cli("chat", *arguments, "--model", "root", "--base-url", model_server.url)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_a_line_that_is_no_text_is_a_question_all_the_same(start_command: Any, corpus: Path, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel([COUNT])
    near, far = os.pipe()
    os.write(far, b"What is \xff?\n")
    os.close(far)
    done = start_command((*CHAT, model_server.url), stdin=near).end()
    os.close(near)
    assert (done.returncode, done.stdout) == (0, "answer 1 of 2 documents\n")
    assert "What is \ufffd?" in model_server.models["root"].requests[0][-1].content


def test_ctrl_c_ends_questions_of_a_pipe(start_command: Any, corpus: Path, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel([COUNT, "```repl\nwhile True: pass\n```"])
    near, far = os.pipe()
    os.write(far, b"How many?\nAnd now?\n")
    running = start_command((*CHAT, model_server.url), stdin=near)
    root = model_server.models["root"]
    while len(root.requests) < 2:
        time.sleep(0.01)
    os.kill(running.process.pid, signal.SIGINT)
    done = running.end()
    os.close(near)
    os.close(far)
    assert (done.returncode, done.stdout) == (130, "answer 1 of 2 documents\n")
    assert "Interrupted." in done.stderr
    assert "Traceback" not in done.stderr


class Terminal:
    """The command on a terminal of its own, of which it is the foreground."""

    def __init__(self, start_main: Any, folder: Path, environment: dict[str, str], arguments: tuple[str, ...]) -> None:
        self._screen, terminal = pty.openpty()
        self._command = start_main(arguments, [terminal] * 3, env=environment, cwd=folder)
        os.close(terminal)
        self.written = ""

    def type(self, line: str) -> None:
        os.write(self._screen, line.encode())

    def send(self, number: signal.Signals, until: str, times: int = 1) -> None:
        """As the terminal does for Ctrl-C where the command has it as its own; once more where it came a moment before
        the prompt began to wait, which then does not hear it.
        """
        while self.written.count(until) < times:
            os.kill(self._command.pid, number)
            while self._read(0.5) and self.written.count(until) < times:
                pass

    def wait_for(self, words: str, times: int = 1) -> None:
        deadline = time.monotonic() + 60
        while self.written.count(words) < times and time.monotonic() < deadline and self._read():
            pass
        assert self.written.count(words) >= times, self.written

    def wait_for_prompt(self, after: str) -> None:
        """A control character that comes before the prompt has its terminal is no such character to it."""
        while "> " not in self.written.rpartition(after)[2]:
            assert self._read(), self.written

    def end(self) -> int:
        deadline = time.monotonic() + 60
        while self._read():
            pass
        assert time.monotonic() < deadline, f"it does not end: {self.written}"
        os.close(self._screen)
        code: int = self._command.wait(30)
        return code

    def _read(self, seconds: float = 60) -> bool:
        if not select.select([self._screen], [], [], seconds)[0]:
            return False
        try:
            piece = os.read(self._screen, 65_536)
        except OSError:  # the other side is closed
            return False
        self.written += piece.decode("utf-8", "replace")
        return bool(piece)


@pytest.fixture
def terminal(start_main: Any, corpus: Path, model_server: Any) -> Callable[..., Terminal]:
    def start(replies: list[Any], *more: str, **environment: str) -> Terminal:
        model_server.models["root"] = ScriptedModel(replies)
        arguments = (*CHAT, model_server.url, *more)
        return Terminal(start_main, corpus.parent, command_environment(**environment), arguments)

    return start


def test_a_prompt_asks_until_quit(terminal: Callable[..., Terminal]) -> None:
    chat = terminal([COUNT, COUNT])
    chat.wait_for("> ")
    chat.type("How many?\n")
    chat.wait_for("answer 1 of 2 documents")
    chat.type("And now?\n")
    chat.wait_for("answer 2 of 2 documents")
    chat.type("/quit\n")
    assert chat.end() == 0, chat.written
    assert "/quit or the end of input ends the session" in chat.written
    assert "Traceback" not in chat.written


def test_nothing_that_a_model_wrote_steers_the_terminal(terminal: Callable[..., Terminal], corpus: Path) -> None:
    (corpus / EVIL_NAME).write_bytes((f"The key: {EVIL} ends here.\n" * 20).encode())
    chat = terminal([CITES_EVIL, ValueError(EVIL)], "-v")
    chat.wait_for("> ")
    chat.type("How many?\n")
    chat.wait_for("Citations:")
    chat.type("And now?\n")
    chat.wait_for("the root LM failed", times=2)
    chat.type("/quit\n")
    chat.end()
    assert_harmless(chat.written, "pwned")


def test_the_end_of_input_ends_a_prompt_and_a_question_that_failed_does_not(terminal: Callable[..., Terminal]) -> None:
    chat = terminal(["", "", COUNT])
    chat.wait_for("> ")
    chat.type("Which?\n")
    chat.wait_for("twice in a row with nothing")
    chat.type("How many?\n")
    chat.wait_for("answer 1 of 2 documents")
    chat.wait_for_prompt(after="answer 1 of 2 documents")
    chat.type("\x04")
    assert chat.end() == 0, chat.written


def test_ctrl_c_gives_up_a_question_and_at_the_prompt_a_line(
    terminal: Callable[..., Terminal], model_server: Any
) -> None:
    busy = "```repl\nn = 41\nprint('busy')\nwhile True: pass\n```"
    chat = terminal([busy, COUNT], "--verbose")
    chat.wait_for("> ")
    chat.send(signal.SIGINT, "> ", 2)
    chat.type("Which?\n")
    chat.wait_for("while True: pass")
    chat.send(signal.SIGINT, "Interrupted.")
    chat.type("How many?\n")
    chat.wait_for("answer")
    chat.type("/quit\n")
    assert chat.end() == 0, chat.written
    assert "of 2 documents" in chat.written
    assert "Traceback" not in chat.written


def test_sigterm_ends_it_at_the_prompt(terminal: Callable[..., Terminal]) -> None:
    chat = terminal([])
    chat.wait_for("> ")
    chat.send(signal.SIGTERM, "Terminated.")
    assert chat.end() == 143


def test_a_terminal_without_capabilities_will_do(terminal: Callable[..., Terminal]) -> None:
    chat = terminal([COUNT], TERM="dumb")
    chat.wait_for("> ")
    chat.type("How many?\n")
    chat.wait_for("answer 1 of 2 documents")
    chat.type("/exit\n")
    assert chat.end() == 0, chat.written
