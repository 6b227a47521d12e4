"""How a command ends: errors as one line on stderr, as JSON where that is asked for, and an exit code."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Generator
from contextlib import contextmanager, suppress

import typer

from rlm_integrations.cli.answer_output import json_text
from rlm_integrations.cli.interrupted_run import RunInterruptedError, end_words
from rlm_integrations.cli.shell_words import in_shell_words
from rlm_integrations.core.errors import InvalidArgumentError, MissingExtraError, RLMError
from rlm_integrations.core.wording import error_words
from rlm_integrations.terminal.streams import say, stdout_encoding, write_out

FAILED = 1
WRONG_ARGUMENTS = 2
LIMIT_MET = 3


@contextmanager
def exit_codes(*, as_json: bool = False) -> Generator[None]:
    """2 for wrong arguments and missing extras, 1 for other errors, 130 for Ctrl-C. None of them is a traceback.

    With `as_json`, stdout gets {"error": ...}, too.
    """
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except (InvalidArgumentError, MissingExtraError) as error:
        raise _failed(in_shell_words(str(error)), WRONG_ARGUMENTS, as_json) from None
    except RLMError as error:
        raise _failed(in_shell_words(str(error)), FAILED, as_json) from None
    except ImportError as error:  # a package that is installed and broken
        raise _failed(repr(error), FAILED, as_json) from None
    except MemoryError:
        raise _failed("out of memory", FAILED, as_json) from None
    except OSError as error:
        raise _failed(str(error), FAILED, as_json) from None
    except RunInterruptedError as interrupt:
        raise ended_by(interrupt.signal_number, as_json=as_json) from None
    except KeyboardInterrupt:
        raise ended_by(signal.SIGINT, as_json=as_json) from None
    except Exception as error:
        raise _failed(f"{error_words(error)}{_place(error)}, a fault of this program", FAILED, as_json) from None


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
