"""What is paid for only after a person has agreed to it."""

from __future__ import annotations

import sys

import typer

from rlm_integrations.cli.exit_codes import FAILED
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.terminal.console import progress_console
from rlm_integrations.terminal.printable import one_sentence
from rlm_integrations.terminal.streams import say


def agree(cost: str) -> None:
    """Ask the person at the terminal whether to spend that much.

    Raises typer.Exit where they do not agree, InvalidArgumentError where nobody can be asked.
    """
    if not (sys.stdin.isatty() and progress_console().is_terminal):
        raise InvalidArgumentError(f"--yes: not given, and nobody can be asked here. {cost} Add --yes to agree")
    if not typer.confirm(f"{one_sentence(cost)} Go on?", err=True):
        say("No model was asked.")
        raise typer.Exit(FAILED)
