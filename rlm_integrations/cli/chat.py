"""The command `chat`: a session over files and folders."""

from __future__ import annotations

import signal
import warnings
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass

import typer

from rlm_integrations.cli.answer_output import failed_json, json_text, result_json
from rlm_integrations.cli.ask import in_words, tell_files, tell_run
from rlm_integrations.cli.delivery import deliver, keep_unfinished
from rlm_integrations.cli.exit_codes import FAILED, LIMIT_MET, ended_by
from rlm_integrations.cli.file_corpus import FileCorpus
from rlm_integrations.cli.interrupted_run import RunInterruptedError, ended_by_signals, run_until_signal
from rlm_integrations.cli.questions import is_typed, questions
from rlm_integrations.cli.run_settings import RunSettings
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.loop.limit_met import LIMIT_WARNING
from rlm_integrations.core.trace.events import Event
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.trace.run_errors import LimitReachedError, RunError
from rlm_integrations.session import RLMSession
from rlm_integrations.terminal.console import progress_console
from rlm_integrations.terminal.live_view import LiveView
from rlm_integrations.terminal.streams import say, stdout_encoding, write_out


@dataclass(frozen=True)
class Chat:
    """The command's arguments, read."""

    files: FileCorpus
    run: RunSettings
    _: KW_ONLY
    as_json: bool
    verbose: bool


def answer_questions(chat: Chat) -> None:
    """Answer one after another, until there are no more.

    Raises typer.Exit where a signal ends the session or an answer cannot be printed; at the end, too, where a question
    that nobody typed was not answered, or met a limit.
    """
    view = LiveView(progress_console())
    with view, ended_by_signals():
        corpus = chat.files.read()
        tell_files(chat.files, view)
    asking, typed = _Asking(chat, corpus), is_typed()
    with asking.session:
        codes = [code for question in questions() if (code := asking.answer(question))]
    if codes and not typed:
        raise typer.Exit(codes[0])


class _Asking:
    """The session, and the view of the question that is being answered."""

    def __init__(self, chat: Chat, corpus: Corpus) -> None:
        self._chat, self._corpus = chat, corpus
        self._view = self._new_view()
        self.session: RLMSession[str] = chat.run.engine(self._see).session(corpus)

    def answer(self, question: str) -> int:
        """Print the answer, or what became of it. Returns the exit code that `ask` would have."""
        chat, self._view = self._chat, self._new_view()
        try:
            with self._view, warnings.catch_warnings():
                warnings.filterwarnings("ignore", LIMIT_WARNING)
                result = run_until_signal(self.session.aask(question))
        except RunError as error:
            message = in_words(error, chat.run.models.root)
            say(f"The run failed: {message}")
            self._tell_unfinished(error.result, message)
            return LIMIT_MET if isinstance(error, LimitReachedError) else FAILED
        except RunInterruptedError as interrupt:
            self._tell_unfinished(interrupt.result, str(interrupt))
            if interrupt.signal_number != signal.SIGINT or not is_typed():
                raise ended_by(interrupt.signal_number) from None
            say(str(interrupt))
            return FAILED
        if not self._deliver(result):
            raise typer.Exit(FAILED)
        tell_run(self._view)
        if result.stop_reason in ("answer", "plain_reply"):
            return 0
        say(f"Stopped by: {result.stop_reason}")
        return LIMIT_MET

    def _deliver(self, result: RLMResult[str]) -> bool:
        if not self._chat.as_json:
            return deliver(result, None, as_json=False, corpus=self._corpus)
        try:
            self._write(result_json(result, self._corpus))
        except OSError as error:
            say(f"The answer was not printed: {error}")
            return False
        return True

    def _tell_unfinished(self, result: RLMResult[str] | None, message: str) -> None:
        tell_run(self._view)
        if self._chat.as_json:
            with suppress(OSError):  # stderr says it too
                self._write({"error": message, **({} if result is None else failed_json(result))})
        keep_unfinished(result, None, message, as_json=False)

    def _write(self, value: object) -> None:
        write_out(json_text(value, stdout_encoding(), in_one_line=True))

    def _new_view(self) -> LiveView:
        return LiveView(progress_console(), in_full=self._chat.verbose)

    def _see(self, event: Event) -> None:
        self._view.see(event)
