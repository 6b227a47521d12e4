"""What becomes of a run that is paid for: the answer goes to stdout, the trace to its file, and what one of them cannot
take is kept elsewhere.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from rlm_integrations.cli.answer_output import answer_text, failed_json, json_text, result_json
from rlm_integrations.cli.answer_view import print_answer
from rlm_integrations.cli.exit_codes import print_error
from rlm_integrations.cli.trace_file import TraceFile
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.terminal.streams import say, say_whole, stdout_encoding, write_out


def deliver(result: RLMResult[str], trace: TraceFile | None, *, as_json: bool, corpus: Corpus | None = None) -> bool:
    """Write the trace, where one is asked for, and print the answer. Whether both came to where they belong.

    With the corpus, citations of files have their lines.
    """
    trace_problem = _write_trace(trace, result)
    try:
        if as_json:
            write_out(json_text(result_json(result, corpus), stdout_encoding()))
        else:
            print_answer(answer_text(result, corpus))
    except OSError as error:
        say(f"The answer was not printed: {error}")
        if trace is None or trace_problem or not trace.contents:
            _rescue(result)
        else:
            say("The trace has it.")
        _tell_trace(trace, trace_problem)
        return False
    if trace is not None and trace_problem is not None:
        _kept(result, contents=trace.contents)
    _tell_trace(trace, trace_problem)
    return trace_problem is None


def keep_unfinished(result: RLMResult[str] | None, trace: TraceFile | None, error: str, *, as_json: bool) -> None:
    """What is left of a run that failed or was interrupted: its trace where one is asked for, and the draft answer."""
    trace_problem = None if result is None else _write_trace(trace, result)
    if as_json:
        path = None if trace is None or trace_problem or result is None else str(trace.path)
        print_error({"error": error, **({} if result is None else failed_json(result)), "trace": path})
    if result is None:
        return
    if result.text.strip():
        say("No answer was finished. The draft of one that stood in the REPL:")
        say_whole(without_lone_surrogates(result.text))
    if trace_problem:
        _rescue(result)
    _tell_trace(trace, trace_problem)


def _write_trace(trace: TraceFile | None, result: RLMResult[str]) -> str | None:
    """What went wrong, if anything did."""
    if trace is None:
        return None
    try:
        trace.write(_trace_text(result, contents=trace.contents))
    except (Exception, KeyboardInterrupt) as error:  # whatever it is, the answer is still to be printed
        return str(error) or type(error).__name__
    return None


def _tell_trace(trace: TraceFile | None, problem: str | None) -> None:
    if trace is not None:
        say(f"Trace: {trace.path}" if problem is None else f"The trace was not written: {problem}")


def _rescue(result: RLMResult[str]) -> None:
    """The trace, which holds the answer too, in a file for temporary ones; where that fails, the answer on stderr."""
    if not _kept(result):
        say_whole(without_lone_surrogates(result.text))


def _kept(result: RLMResult[str], *, contents: bool = True) -> bool:
    """Whether a file for temporary ones has the trace now. Which one is said."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix="rlm-trace-", suffix=".json", delete=False
        ) as file:  # its owner's alone
            path = Path(file.name)
            try:
                file.write(_trace_text(result, contents=contents))
                file.flush()
            except BaseException:
                path.unlink()
                raise
    except Exception:
        return False
    say(f"The whole run is kept in {path}" if contents else f"The run is kept, without contents, in {path}")
    return True


def _trace_text(result: RLMResult[str], *, contents: bool = True) -> str:
    report = result.report("full")["trace"] if contents else result.trace.redacted().model_dump(mode="json")
    return json_text(report, "utf-8") + "\n"
