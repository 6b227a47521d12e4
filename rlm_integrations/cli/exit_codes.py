"""How a command ends: errors as one line on stderr, as JSON where that is asked for, and an exit code."""

from __future__ import annotations

import signal
import traceback
from contextlib import AbstractContextManager, suppress

import typer

from rlm_integrations.cli.answer_output import json_text
from rlm_integrations.cli.interrupted_run import RunInterruptedError, end_words
from rlm_integrations.cli.shell_words import in_shell_words
from rlm_integrations.core.calls.raised_instead import raising_instead
from rlm_integrations.core.errors import InvalidArgumentError, MissingExtraError, RLMError
from rlm_integrations.core.wording import error_words
from rlm_integrations.terminal.streams import ReaderGoneError, say, stdout_encoding, write_out

FAILED = 1
WRONG_ARGUMENTS = 2
LIMIT_MET = 3


def exit_codes(*, as_json: bool = False) -> AbstractContextManager[None]:
    """2 for wrong arguments and missing extras, 1 for other errors, 130 for Ctrl-C. None of them is a traceback.

    Without a word, 1 where nobody reads stdout any more. With `as_json`, stdout gets {"error": ...}, too.
    """

    def end(error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt):
            raise ended_by(signal.SIGINT, as_json=as_json) from None
        if isinstance(error, Exception) and not isinstance(error, typer.Exit | typer.Abort):
            raise _end_of(error, as_json) from None

    return raising_instead(end)


def _end_of(error: Exception, as_json: bool) -> typer.Exit:
    """Says what went wrong, and has its exit code."""
    if _nobody_reads(error):
        return typer.Exit(FAILED)
    match error:
        case InvalidArgumentError() | MissingExtraError():
            return _failed(in_shell_words(str(error)), WRONG_ARGUMENTS, as_json)
        case RLMError():
            return _failed(in_shell_words(str(error)), FAILED, as_json)
        case ImportError():  # a package that is installed and broken
            return _failed(repr(error), FAILED, as_json)
        case MemoryError():
            return _failed("out of memory", FAILED, as_json)
        case OSError():
            return _failed(str(error), FAILED, as_json)
        case RunInterruptedError():
            return ended_by(error.signal_number, as_json=as_json)
        case _:
            return _failed(f"{error_words(error)}{_place(error)}, a fault of this program", FAILED, as_json)


def _nobody_reads(error: BaseException | None) -> bool:
    """Whether that is why it was raised: what a handler of events prints fails as the run does."""
    while error is not None:
        if isinstance(error, ReaderGoneError):
            return True
        error = error.__cause__
    return False


def ended_by(signal_number: int, *, as_json: bool = False) -> typer.Exit:
    """Says which signal ended the program, and has the exit code that shells give it."""
    end = end_words(signal_number)
    if as_json:
        print_error({"error": end})
    return _ended(end, 128 + signal_number)


def print_error(report: dict[str, object]) -> None:
    """The JSON of a failure on stdout. Where it cannot be written it is let go: stderr and the exit code say it too."""
    with suppress(OSError):
        write_out(json_text(report, stdout_encoding()))


def _failed(message: str, code: int, as_json: bool) -> typer.Exit:
    if as_json:
        print_error({"error": message})
    return _ended(f"Error: {message}", code)


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


def _ended(line: str, code: int) -> typer.Exit:
    say(line)
    return typer.Exit(code)
