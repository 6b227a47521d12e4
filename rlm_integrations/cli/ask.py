"""The command `ask`: one run over files and folders."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import typer

from rlm_integrations.cli.delivery import deliver, keep_unfinished
from rlm_integrations.cli.exit_codes import FAILED, LIMIT_MET, ended_by
from rlm_integrations.cli.file_corpus import FileCorpus
from rlm_integrations.cli.interrupted_run import RunInterruptedError, ended_by_signals, run_until_signal
from rlm_integrations.cli.model_errors import OPENAI_URL, hint
from rlm_integrations.cli.run_settings import RunSettings
from rlm_integrations.cli.shell_words import in_shell_words
from rlm_integrations.cli.spending import Spending
from rlm_integrations.cli.trace_file import TraceFile
from rlm_integrations.core.loop.limit_met import LIMIT_WARNING
from rlm_integrations.core.trace.run_errors import LimitReachedError, RunError
from rlm_integrations.files.finding import STDIN
from rlm_integrations.openai import OpenAIModel
from rlm_integrations.terminal.amounts import token_words
from rlm_integrations.terminal.live_view import LiveView
from rlm_integrations.terminal.streams import say

_WAYS = {"direct": "Answered directly", "rlm": "Answered by code"}
_AGREEMENT = {
    "agreed": "Two runs agreed.",
    "reconciled": "Two runs differed, and a third said which holds.",
    "differed": "Two runs differed, and nothing says which holds.",
}


@dataclass(frozen=True)
class Ask:
    """The command's arguments, read."""

    question: str
    files: FileCorpus
    run: RunSettings
    _: KW_ONLY
    as_json: bool
    trace: Path | None
    ask_above: float | None
    """US dollars; None: nobody is to be asked."""
    redact: bool
    """Whether the trace has sizes and hashes in place of texts."""


def answer_question(ask: Ask, view: LiveView) -> None:
    """Run, print, and write the trace where one is asked for.

    Raises typer.Exit for a run that failed, met a limit or was interrupted, and where its answer or trace could not be
    written.
    """
    with ExitStack() as stack:
        read = [file.path for file in ask.files.files if file.path != STDIN]
        trace = None if ask.trace is None else stack.enter_context(TraceFile(ask.trace, read, contents=not ask.redact))
        engine = ask.run.engine(view.see if ask.ask_above is None else Spending(view, ask.ask_above).see)
        try:
            with view:
                with ended_by_signals():
                    corpus = ask.files.read()
                tell_files(ask.files, view)
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", LIMIT_WARNING)  # it is said below, and by the exit code
                    result = run_until_signal(engine.arun(ask.question, corpus))
        except RunError as error:
            message = in_words(error, ask.run.models.root)
            say(f"The run failed: {message}")
            tell_run(view)
            keep_unfinished(error.result, trace, message, as_json=ask.as_json)
            raise typer.Exit(LIMIT_MET if isinstance(error, LimitReachedError) else FAILED) from None
        except RunInterruptedError as interrupt:
            tell_run(view)
            if interrupt.result is not None:
                keep_unfinished(interrupt.result, trace, str(interrupt), as_json=ask.as_json)
            raise ended_by(interrupt.signal_number, as_json=ask.as_json and interrupt.result is None) from None
        delivered = deliver(result, trace, as_json=ask.as_json, corpus=corpus)
    tell_run(view)
    if ask.run.route == "auto":
        say(f"{_WAYS[result.trace.route]}: {result.trace.route_why}")
    if result.trace.journal in ("resumed", "finished"):
        say(f"From the journal, paid for before: tokens {token_words(result.trace.replayed_usage)}")
    if result.agreement is not None:
        say(_AGREEMENT[result.agreement])
    limit = result.stop_reason not in ("answer", "plain_reply")  # all others name one
    if limit:
        say(f"Stopped by: {result.stop_reason}")
    if not delivered or limit:
        raise typer.Exit(LIMIT_MET if delivered else FAILED)


def tell_files(files: FileCorpus, view: LiveView) -> None:
    """What was read and skipped, where that is not as many documents as there are files."""
    report = files.report
    if report.skipped or report.notes or report.files != report.documents:
        view.note(f"read: {report.line}")


def in_words(error: RunError, root: OpenAIModel) -> str:
    """Why a run failed, with what the user of a command can do about it."""
    more = hint(error, root.base_url or OPENAI_URL)
    return in_shell_words(str(error)) + (f" ({more})" if more else "")


def tell_run(view: LiveView) -> None:
    """What the run came to, in a line."""
    say(view.summary)
    if view.failure is not None:
        say(f"The progress display failed: {view.failure!r}")
