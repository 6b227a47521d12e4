"""`-q -`: the question is what standard input has, as `-` among the paths is a corpus."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.testing import ScriptedModel

ANSWERS = '```repl\nFINAL("the cellar")\n```'
Asks = Callable[..., Any]


@pytest.fixture
def ask(start_command: Callable[..., Any], model_server: Any, corpus: Path) -> Asks:
    """Runs a command over the corpus with these bytes as standard input."""
    model_server.models["root"] = ScriptedModel([ANSWERS])

    def run(given: bytes, *arguments: object) -> Any:
        with tempfile.TemporaryFile() as file:
            file.write(given)
            file.seek(0)
            command = [*arguments, "-q", "-", "-m", "root", "--base-url", model_server.url]
            return start_command(command, stdin=file.fileno()).end()

    return run


def test_the_root_lm_is_asked_what_stands_there(ask: Asks, model_server: Any) -> None:
    done = ask("\ufeffWhat does the\nröd key open?\n".encode(), "ask", "notes")
    assert (done.returncode, done.stdout) == (0, "the cellar\n"), done.stderr
    [request] = model_server.models["root"].requests
    assert any("What does the\nröd key open?" in message.content for message in request)


def test_a_comparison_takes_it_too(ask: Asks, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel(["the cellar"])
    done = ask(b"What does the red key open?", "compare", "notes", "--methods", "direct", "--max-tokens", "90000", "-y")
    assert done.returncode == 0, done.stderr
    [request] = model_server.models["root"].requests
    assert any("What does the red key open?" in message.content for message in request)


@pytest.mark.parametrize(
    ("given", "arguments", "said"),
    [
        (b"?", ("-",), "PATH: - is standard input, which the questions come from; pass a file"),
        (b"?", ("--files-from", "-"), "--files-from: - is standard input, which the questions come from; pass a file"),
        (b"", ("notes",), "--question: is empty"),
        (b" \n", ("notes",), "--question: is empty"),
        (b"caf\xe9?", ("notes",), "--question: what standard input has is not UTF-8; pass it as UTF-8"),
    ],
)
def test_what_is_no_question_is_a_wrong_argument(
    ask: Asks, model_server: Any, given: bytes, arguments: tuple[str, ...], said: str
) -> None:
    done = ask(given, "ask", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert not model_server.asked.is_set()


def test_standard_input_that_cannot_be_read_is_a_wrong_argument(
    start_command: Callable[..., Any], corpus: Path
) -> None:
    only_written = os.open(os.devnull, os.O_WRONLY)
    try:
        arguments = ["ask", "notes", "-q", "-", "-m", "root", "--base-url", "http://localhost:1/v1"]
        done = start_command(arguments, stdin=only_written).end()
    finally:
        os.close(only_written)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "--question: cannot read standard input: Bad file descriptor" in done.stderr
