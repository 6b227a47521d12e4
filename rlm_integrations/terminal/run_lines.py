"""What a `RunView` says, in lines."""

from __future__ import annotations

from rlm_integrations.core.wording import number, one_line, plural
from rlm_integrations.terminal.amounts import SubCallCounts, duration, place, token_words
from rlm_integrations.terminal.run_view import RunView

_REASON_CHARS = 100


def iteration_line(view: RunView, ended: float) -> str:
    """A finished iteration in one line: all its own. `ended` is when, in the run's seconds."""
    parts = [plural(view.blocks, "code block") if view.blocks else "no code"]
    if sub_calls := view.sub_calls.done - view.sub_calls_before:
        failed = view.sub_calls.failed - view.failed_before
        parts.append(plural(sub_calls, "sub-call") + (f" ({number(failed)} failed)" if failed else ""))
    if view.raised:
        parts.append("the code raised an error")
    if view.objections > view.objections_before:
        parts.append("a check refused the answer")
    parts.append(f"tokens {token_words(view.iteration_usage, view.iteration_replayed)}")
    parts.append(duration(ended - view.iteration_began))
    return f"{view.iteration_name}: {', '.join(parts)}"


def child_line(node: tuple[int, ...], child: RunView) -> str:
    """What a child RLM is at, in one line that begins with its place in the tree."""
    parts = [child.iteration_name if child.iteration else "", child.phase]
    if child.sub_calls != SubCallCounts():
        parts.append(f"sub-calls {child.sub_calls}")
    return f"{place(node)}: {', '.join(filter(None, parts))}"


def run_line(view: RunView, seconds: float) -> str:
    """What one run of several is at, in one line."""
    parts = [view.iteration_name if view.iteration else "", view.phase]
    if view.sub_calls != SubCallCounts():
        parts.append(f"sub-calls {view.sub_calls}")
    return ", ".join(part for part in (*parts, view.cost, duration(seconds)) if part)


def failure_line(view: RunView) -> str:
    return f"The first sub-call that failed: {view.first_failure}"


def summary_line(view: RunView, seconds: float, retries: str = "") -> str:
    """The whole run in one line. `retries` is said of requests that were sent again."""
    counts = view.sub_calls
    why = f"{number(counts.failed)} failed: {one_line(view.first_failure, _REASON_CHARS)}"
    parts = [
        plural(view.iterations, "iteration"),
        plural(counts.done, "sub-call") + (f" ({why})" if counts.failed else ""),
        retries,
        f"tokens {view.tokens}",
        view.cost,
        duration(seconds),
    ]
    return ", ".join(part for part in parts if part)


def corpus_line(view: RunView) -> str:
    return f"corpus: {plural(view.documents, 'document')}, {plural(view.chars, 'character')}"
