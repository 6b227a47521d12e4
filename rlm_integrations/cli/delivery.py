"""What becomes of a run that is paid for: the answer goes to stdout, the trace to its file, and what one of them cannot
take is kept elsewhere.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rlm_integrations.cli.answer_output import answer_text, json_text, result_json
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.terminal.streams import say, say_whole, stdout_encoding, write_out


def check_writable(trace: Path | None) -> None:
    """Before anything is paid for. Raises InvalidArgumentError for a trace that could not be written."""
    if trace is None:
        return
    target = trace if trace.exists() else trace.absolute().parent
    if str(trace) == "-" or trace.is_dir() or not target.exists() or not os.access(target, os.W_OK):
        raise InvalidArgumentError(
            f"--trace: {str(trace)!r} cannot be written; pass a file in an existing folder that you may write to"
        )


def deliver(result: RLMResult[str], trace: Path | None, *, as_json: bool, corpus: Corpus | None = None) -> bool:
    """Write the trace, where one is asked for, and print the answer. Whether both came to where they belong.

    With the corpus, citations of files have their lines.
    """
    trace_problem = _write_trace(trace, result)
    text = json_text(result_json(result, corpus), stdout_encoding()) if as_json else answer_text(result, corpus)
    try:
        write_out(text)
    except OSError as error:
        say(f"The answer was not printed: {error}")
        if trace is None or trace_problem:
            _rescue(result)
        else:
            say("The trace has it.")
        _tell_trace(trace, trace_problem)
        return False
    _tell_trace(trace, trace_problem)
    return trace_problem is None


def keep_unfinished(result: RLMResult[str], trace: Path | None) -> None:
    """What is left of a run that failed or was interrupted: its trace where one is asked for, and the draft answer."""
    trace_problem = _write_trace(trace, result)
    if result.text.strip():
        say("No answer was finished. The draft of one that stood in the REPL:")
        say_whole(without_lone_surrogates(result.text))
    if trace_problem:
        _rescue(result)
    _tell_trace(trace, trace_problem)


def _write_trace(trace: Path | None, result: RLMResult[str]) -> str | None:
    """What went wrong, if anything did."""
    if trace is None:
        return None
    try:
        # It holds what was read and sent: a new file is its owner's alone.
        with open(trace, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(_trace_text(result))
    except Exception as error:  # whatever it is, the answer is still to be printed
        return str(error)
    return None


def _tell_trace(trace: Path | None, problem: str | None) -> None:
    if trace is not None:
        say(f"Trace: {trace}" if problem is None else f"The trace was not written: {problem}")


def _rescue(result: RLMResult[str]) -> None:
    """The trace, which holds the answer too, in a file for temporary ones; where that fails, the answer on stderr."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix="rlm-trace-", suffix=".json", delete=False
        ) as file:  # its owner's alone
            path = Path(file.name)
            try:
                file.write(_trace_text(result))
                file.flush()
            except BaseException:
                path.unlink()
                raise
    except Exception:
        say_whole(without_lone_surrogates(result.text))
    else:
        say(f"The whole run is kept in {path}")


def _trace_text(result: RLMResult[str]) -> str:
    return json_text(result.report("full")["trace"], "utf-8") + "\n"
