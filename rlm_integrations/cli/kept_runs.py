"""Runs that were kept, found where they are: traces in files and folders, and journals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path

from rlm_integrations.cli.saved_trace import read_trace
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.partial_trace import trace_of
from rlm_integrations.core.journal.reading import JournalReader, JournalRun, is_journal
from rlm_integrations.core.limits import StopReason
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import listed, plural, shortened
from rlm_integrations.frozen import frozen

_SUFFIXES = (".json", ".sqlite", ".sqlite3", ".db")
_TEXT_CHARS = 1_000
"""Of a question, an answer and an error."""
_MOST_NUMBERS = 8
_LAST_TIME = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


@frozen
class KeptRun:
    """What is told of a run in a list."""

    source: str
    """The file."""
    run: int | None
    """Its number in a journal; None for a file that is one trace."""
    run_id: str | None
    """As the user named it."""
    when: datetime
    """When it was last worked on, or its file written. UTC."""
    state: str
    """"finished", "failed", "unfinished" or "going on"."""
    question: str
    answer: str
    error: str | None
    stop_reason: StopReason | None
    models: tuple[str, ...]
    """Their names, the root LM's first."""
    iterations: int
    sub_calls: int
    failed_sub_calls: int
    usage: Usage
    """What was paid for by whoever made it last."""
    replayed: Usage
    """What came from a journal besides, and was paid for before."""
    seconds: float
    contents: bool
    """Whether texts are told, and tokens known where they are not."""


@frozen
class Listing:
    runs: list[KeptRun] = field(default_factory=list[KeptRun])
    """The newest last."""
    passed_over: list[str] = field(default_factory=list[str])
    """What was found and is no run, in words."""


def list_runs(paths: Sequence[Path], *, redact: bool) -> Listing:
    """All runs in the files and in the folders, of which those within are not looked into.

    Raises InvalidArgumentError for a path that is no folder, and holds no run.
    """
    listing = Listing()
    for path in paths:
        if path.is_dir():
            _look_into(path, listing, redact=redact)
        else:
            listing.runs.extend(_runs_of(path, listing, redact=redact))
    listing.runs.sort(key=lambda run: (run.when, run.source, run.run or 0))
    return listing


def find_trace(path: Path, wanted: str | None) -> tuple[RLMTrace, str]:
    """The trace that a file is, or the run of a journal that is wanted: by its name, or else by its number.

    Returns it with a word for it: "" for a file, the number for a run. Raises InvalidArgumentError.
    """
    try:
        in_journal = path.is_file() and is_journal(path)
    except OSError:
        in_journal = False
    if not in_journal:
        if wanted is not None:
            raise InvalidArgumentError(f"RUN: {str(path)!r} is no journal, which has several; leave {wanted!r} out")
        return read_trace(path), ""
    with JournalReader(path) as journal:
        run = _wanted(journal.runs(), wanted, path)
        return trace_of(journal.rows(run), contents=run.contents), str(run.id)


def _wanted(runs: Sequence[JournalRun], wanted: str | None, path: Path) -> JournalRun:
    found = [run for run in runs if wanted is None or run.run_id == wanted]
    if not found:
        found = [run for run in runs if str(run.id) == wanted]
    if len(found) == 1:
        return found[0]
    remedy = f"see `rlm-integrations trace list {path}`"
    if not found:
        what = "it holds no run" if wanted is None else f"it has no run {shortened(wanted, 100)!r}"
        raise InvalidArgumentError(f"RUN: {str(path)!r}: {what}; {remedy}")
    numbers = [str(run.id) for run in found[-_MOST_NUMBERS:]]
    named = "" if wanted is None else " of that name"
    which = f"it has {plural(len(found), 'run')}{named}, the last of them {listed(numbers)}"
    raise InvalidArgumentError(f"RUN: {str(path)!r}: {which}; pass the number of one, or {remedy}")


def _look_into(folder: Path, listing: Listing, *, redact: bool) -> None:
    try:
        files = sorted(each for each in folder.iterdir() if each.suffix in _SUFFIXES and each.is_file())
    except OSError as error:
        raise InvalidArgumentError(f"PATH: {str(folder)!r} cannot be read ({error.strerror}); name another") from error
    others = 0
    for file in files:
        try:
            listing.runs.extend(_runs_of(file, listing, redact=redact))
        except (InvalidArgumentError, OSError):
            others += 1
    if others:
        listing.passed_over.append(f"{folder}: {plural(others, 'file')} that {'is' if others == 1 else 'are'} no run")


def _runs_of(path: Path, listing: Listing, *, redact: bool) -> Iterator[KeptRun]:
    try:
        in_journal = path.is_file() and is_journal(path)
    except OSError as error:
        raise InvalidArgumentError(f"PATH: {str(path)!r} cannot be read ({error.strerror}); name another") from error
    if not in_journal:
        trace = read_trace(path)
        written = min(max(path.stat().st_mtime, 0), _LAST_TIME)  # a file may say that it is of any year
        yield _kept(trace, str(path), datetime.fromtimestamp(written, UTC), redact=redact)
        return
    with JournalReader(path) as journal:
        for run in journal.runs():
            try:
                trace = trace_of(journal.rows(run), contents=run.contents)
                when = datetime.fromtimestamp(run.updated, UTC)
            except (InvalidArgumentError, OverflowError, ValueError, OSError) as error:
                listing.passed_over.append(f"{path}, run {run.id}: {error}")
                continue
            yield _kept(trace, str(path), when, run, redact=redact)


def _kept(trace: RLMTrace, source: str, when: datetime, run: JournalRun | None = None, *, redact: bool) -> KeptRun:
    models = dict.fromkeys(_models(trace))
    shown = trace.redacted() if redact else trace
    return KeptRun(
        source=source,
        run=None if run is None else run.id,
        run_id=None if run is None or redact else run.run_id,
        when=when,
        state=_state(trace, run),
        question=shortened(shown.question, _TEXT_CHARS),
        answer=shortened(shown.answer, _TEXT_CHARS),
        error=None if shown.error is None else shortened(shown.error, _TEXT_CHARS),
        stop_reason=trace.stop_reason,
        models=tuple(shortened(name, 100) for name in models),
        iterations=trace.iteration_count,
        sub_calls=trace.sub_call_count,
        failed_sub_calls=trace.failed_sub_call_count,
        usage=trace.paid_usage,
        replayed=trace.replayed_usage,
        seconds=trace.seconds,
        contents=shown.contents,
    )


def _state(trace: RLMTrace, run: JournalRun | None) -> str:
    if run is not None and run.state == "going on":
        return run.state
    if trace.error is not None:
        return "failed"
    ended = trace.stop_reason is not None or (run is not None and not run.contents and run.state == "finished")
    return "finished" if ended else "unfinished"


def _models(trace: RLMTrace) -> Iterator[str]:
    for each in trace.tree():
        yield from (step.call.model for step in each.iterations if step.call.model)
    for each in trace.tree():
        yield from (call.model for ran in each.executions for call in ran.sub_calls if call.model)
