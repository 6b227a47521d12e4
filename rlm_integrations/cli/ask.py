"""The command `ask`: one run over files and folders."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from rlm_integrations.cli.answer_output import answer_text, json_text, result_json
from rlm_integrations.cli.exit_codes import FAILED
from rlm_integrations.core.corpus import Corpus
from rlm_integrations.core.errors import InvalidArgumentError, RunError
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.result import RLMResult
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.engine import RLMEngine
from rlm_integrations.openai import OpenAIModel
from rlm_integrations.terminal.live_view import LiveView
from rlm_integrations.terminal.printable import harmless


@dataclass(frozen=True)
class Ask:
    """The command's arguments, read."""

    question: str
    paths: Sequence[Path]
    root: OpenAIModel
    sub: OpenAIModel | None
    limits: RLMLimits
    sandbox: str | Sandbox
    as_json: bool
    trace: Path | None


def answer_question(ask: Ask) -> None:
    """Run, print, and write the trace where one is asked for. Raises typer.Exit for a run that failed."""
    _check_writable(ask.trace)
    corpus = Corpus.of(ask.paths)
    console = Console(stderr=True, highlight=False)
    view = LiveView(console)
    engine = RLMEngine(ask.root, sub_llm=ask.sub, limits=ask.limits, sandbox=ask.sandbox, on_event=view.see)
    try:
        with view:
            # On this thread's own loop: Ctrl-C cancels the run, and open requests with it.
            result = asyncio.run(engine.arun(ask.question, corpus))
    except RunError as error:
        typer.echo(harmless(" ".join(f"The run failed: {error}".split())), err=True)
        if error.result is not None:
            _write_trace(ask.trace, error.result)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        typer.echo(view.summary, err=True)
        raise
    if ask.as_json:
        text = json_text(result_json(result), sys.stdout.encoding)
    else:
        text = answer_text(result, terminal=sys.stdout.isatty())
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    typer.echo(view.summary, err=True)
    if result.stop_reason not in ("answer", "plain_reply"):  # all others name a limit
        typer.echo(f"Stopped by: {result.stop_reason}", err=True)
    _write_trace(ask.trace, result)


def _check_writable(trace: Path | None) -> None:
    """Before anything is paid for."""
    if trace is not None and (trace.is_dir() or not trace.absolute().parent.is_dir()):
        raise InvalidArgumentError(f"--trace: {str(trace)!r} cannot be written; pass a file in an existing folder")


def _write_trace(trace: Path | None, result: RLMResult[str]) -> None:
    if trace is None:
        return
    try:
        trace.write_text(json_text(result.report("full")["trace"], "utf-8") + "\n", encoding="utf-8")
    except OSError as error:
        typer.echo(f"The trace was not written: {error}", err=True)
        raise typer.Exit(FAILED) from None
    typer.echo(f"Trace: {trace}", err=True)
