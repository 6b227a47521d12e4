"""What is done only after a person has agreed to it."""

from __future__ import annotations

import os
import sys

import typer

from rlm_integrations.cli.exit_codes import FAILED
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.terminal.console import progress_console
from rlm_integrations.terminal.printable import one_sentence
from rlm_integrations.terminal.streams import progress_stream, say

_ANSWERS = {"y": True, "yes": True, "": False, "n": False, "no": False}


def can_be_asked() -> bool:
    """Whether somebody sits at a terminal, and sees what is asked."""
    return sys.stdin is not None and sys.stdin.isatty() and progress_console().is_terminal


def confirmed(what: str) -> bool:
    """What the person says to this sentence and "Go on?". The end of input is a no; Ctrl-C is KeyboardInterrupt.

    typer.confirm would write a part of it on stdout, where the answer goes, and end with 1 where Ctrl-C ends it.
    """
    stream = progress_stream()
    while True:
        stream.write(f"{one_sentence(what)} Go on? [y/N]: ")
        stream.flush()
        line = os.read(
            sys.stdin.fileno(), 4_096
        )  # of a terminal a line; a thread amid it can be left behind at the end
        if not line:
            say("")
        said = _ANSWERS.get(line.decode("utf-8", "replace").strip().lower())
        if said is not None:
            return said


def agree(cost: str) -> None:
    """Ask the person at the terminal whether to spend that much.

    Raises typer.Exit where they do not agree, InvalidArgumentError where nobody can be asked.
    """
    if not can_be_asked():
        raise InvalidArgumentError(f"--yes: not given, and nobody can be asked here. {cost} Add --yes to agree")
    if not confirmed(cost):
        say("No model was asked.")
        raise typer.Exit(FAILED)
