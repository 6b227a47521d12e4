"""Errors of the package as one line on stderr and an exit code."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager

import typer

from rlm_integrations.core.errors import InvalidArgumentError, MissingExtraError, RLMError
from rlm_integrations.terminal.streams import say

FAILED = 1
WRONG_ARGUMENTS = 2

_ENDS = {"SIGINT": "Interrupted.", "SIGTERM": "Terminated.", "SIGHUP": "Hung up."}


@contextmanager
def exit_codes() -> Generator[None]:
    """2 for wrong arguments and missing extras, 1 for other errors of the package, 130 for Ctrl-C."""
    try:
        yield
    except (InvalidArgumentError, MissingExtraError) as error:
        raise _ended(f"Error: {error}", WRONG_ARGUMENTS) from None
    except RLMError as error:
        raise _ended(f"Error: {error}", FAILED) from None
    except ImportError as error:  # a package that is installed and broken
        raise _ended(f"Error: {error!r}", FAILED) from None
    except MemoryError:
        raise _ended("Error: out of memory", FAILED) from None
    except KeyboardInterrupt:
        raise ended_by(signal.SIGINT) from None


def ended_by(signal_number: int) -> typer.Exit:
    """Says which signal ended the program, and has the exit code that shells give it."""
    return _ended(_ENDS[signal.Signals(signal_number).name], 128 + signal_number)


def _ended(line: str, code: int) -> typer.Exit:
    say(line)
    return typer.Exit(code)
