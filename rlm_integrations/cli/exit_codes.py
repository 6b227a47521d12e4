"""Errors of the package as one line on stderr and an exit code."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import typer

from rlm_integrations.core.errors import InvalidArgumentError, MissingExtraError, RLMError

FAILED = 1
WRONG_ARGUMENTS = 2
INTERRUPTED = 130


@contextmanager
def exit_codes() -> Generator[None]:
    """2 for wrong arguments and missing extras, 1 for other errors of the package, 130 for Ctrl-C."""
    try:
        yield
    except (InvalidArgumentError, MissingExtraError) as error:
        raise _ended(f"Error: {error}", WRONG_ARGUMENTS) from None
    except RLMError as error:
        raise _ended(f"Error: {error}", FAILED) from None
    except KeyboardInterrupt:
        raise _ended("Interrupted.", INTERRUPTED) from None


def _ended(line: str, code: int) -> typer.Exit:
    typer.echo(" ".join(line.split()), err=True)
    return typer.Exit(code)
