"""The questions of a chat: typed at a prompt, or the lines of standard input; and one that is all of it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, cast

from rlm_integrations.cli.file_corpus import check_stdin_is_free
from rlm_integrations.cli.interrupted_run import ended_by_signals
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.terminal.streams import progress_stream, say, stdout_is_terminal

_ENDS = ("/quit", "/exit")
_PROMPT = "> "


def read_question(given: str, paths: Sequence[str], files_from: str | None) -> str:
    """What `--question` says; "-" is all of standard input, as it is of a corpus.

    Raises InvalidArgumentError for an empty one, before any file is read for it, where the corpus comes from there too,
    and for what is no text; RunInterruptedError for SIGTERM.
    """
    question = given
    if given == "-":
        check_stdin_is_free(paths, files_from)
        question = _all_of_stdin()
    if not question.strip():
        raise InvalidArgumentError("--question: is empty, as an unset variable is; pass what is to be answered")
    return question


def _all_of_stdin() -> str:
    try:
        with ended_by_signals(), open(0, "rb", closefd=False) as file:
            return file.read().decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InvalidArgumentError("--question: what standard input has is not UTF-8; pass it as UTF-8") from error
    except OSError as error:
        raise InvalidArgumentError(
            f"--question: cannot read standard input: {error.strerror}; pass the question itself, or -q - < FILE"
        ) from error


def is_typed() -> bool:
    """Whether somebody sits at a terminal, and sees what is asked."""
    return sys.stdin is not None and sys.stdin.isatty() and progress_stream().isatty()


def questions() -> Iterator[str]:
    """Until "/quit", or the end of input; empty lines ask nothing.

    Raises RunInterruptedError where SIGTERM comes or the terminal goes away. Ctrl-C at a prompt begins another line;
    elsewhere it raises KeyboardInterrupt.
    """
    typed = is_typed()
    if typed:
        with suppress(ImportError):  # `input` edits lines with it
            importlib.import_module("readline")
        cast(Any, sys.stdin).reconfigure(errors="replace")
        say("/quit or the end of input ends the session; Ctrl-C gives up a question.")
    while True:
        try:
            with ended_by_signals():
                line = _typed_line() if typed else _line()
        except KeyboardInterrupt:
            if not typed:
                raise
            say("")
            continue
        if line is None or line.strip() in _ENDS:
            return
        if line.strip():
            yield line.strip()


def _typed_line() -> str | None:
    if not stdout_is_terminal():  # `input` would prompt there
        stream = progress_stream()
        stream.write(_PROMPT)
        stream.flush()
        return _line()
    try:
        return input(_PROMPT)
    except EOFError:
        say("")
        return None


def _line() -> str | None:
    """Of standard input, None at its end. What is no text in there is replaced."""
    if sys.stdin is None:
        return None
    line = sys.stdin.buffer.readline()
    return line.decode("utf-8", "replace") if line else None
