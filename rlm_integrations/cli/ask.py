"""The command `ask`: one run over files and folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from rlm_integrations.cli.delivery import check_writable, deliver, keep_unfinished
from rlm_integrations.cli.exit_codes import FAILED, ended_by
from rlm_integrations.cli.file_corpus import FileCorpus
from rlm_integrations.cli.interrupted_run import RunInterruptedError, run_until_signal
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.engine import RLMEngine
from rlm_integrations.openai import OpenAIModel
from rlm_integrations.terminal.console import progress_console, sentence
from rlm_integrations.terminal.live_view import LiveView
from rlm_integrations.terminal.streams import say


@dataclass(frozen=True)
class Ask:
    """The command's arguments, read."""

    question: str
    files: FileCorpus
    root: OpenAIModel
    sub: OpenAIModel | None
    limits: RLMLimits
    sandbox: str | Sandbox
    as_json: bool
    trace: Path | None


def answer_question(ask: Ask) -> None:
    """Run, print, and write the trace where one is asked for.

    Raises typer.Exit for a run that failed or was interrupted, and where its answer or trace could not be written.
    """
    check_writable(ask.trace)
    console = progress_console()
    view = LiveView(console)
    engine = RLMEngine(ask.root, sub_llm=ask.sub, limits=ask.limits, sandbox=ask.sandbox, on_event=view.see)
    try:
        with view:
            corpus = ask.files.read()
            report = ask.files.report
            if report.skipped or report.notes or report.files != report.documents:
                console.print(sentence(f"read: {report.line}"), soft_wrap=True)
            result = run_until_signal(engine.arun(ask.question, corpus))
    except RunError as error:
        say(f"The run failed: {error}")
        _tell_run(view)
        if error.result is not None:
            keep_unfinished(error.result, ask.trace)
        raise typer.Exit(FAILED) from None
    except RunInterruptedError as interrupt:
        _tell_run(view)
        if interrupt.result is not None:
            keep_unfinished(interrupt.result, ask.trace)
        raise ended_by(interrupt.signal_number) from None
    delivered = deliver(result, ask.trace, as_json=ask.as_json, corpus=corpus)
    _tell_run(view)
    if result.stop_reason not in ("answer", "plain_reply"):  # all others name a limit
        say(f"Stopped by: {result.stop_reason}")
    if not delivered:
        raise typer.Exit(FAILED)


def _tell_run(view: LiveView) -> None:
    say(view.summary)
    if view.view.first_failure:
        say(f"The first sub-call that failed: {view.view.first_failure}")
    if view.failure is not None:
        say(f"The progress display failed: {view.failure!r}")
