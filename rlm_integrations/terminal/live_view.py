"""What a run looks like while it goes on: a fold over the engine's events, and a face for it.

On a terminal the face is a few lines that are rewritten; elsewhere, a line for each iteration.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rlm_integrations.core.events import (
    CodeEnded,
    CodeStarted,
    Event,
    IterationStarted,
    RootReplied,
    RunEnded,
    RunStarted,
    SubCallEnded,
    SubCallsReserved,
)
from rlm_integrations.core.prompt import number, plural
from rlm_integrations.core.usage import Usage


@dataclass(frozen=True, slots=True)
class SubCallCounts:
    reserved: int = 0
    done: int = 0
    failed: int = 0

    def __str__(self) -> str:
        failed = f" ({number(self.failed)} failed)" if self.failed else ""
        return f"{number(self.done)} of {number(max(self.reserved, self.done))}{failed}"


@dataclass(frozen=True, slots=True)
class RunView:
    """A run, as far as its events have told. `advance` makes the next one."""

    documents: int = 0
    chars: int = 0
    iteration: int = 0
    max_iterations: int = 0
    phase: str = "starting"
    blocks: int = 0
    """Code blocks of this iteration."""
    raised: bool = False
    """Whether this iteration's code ended with an error."""
    sub_calls: SubCallCounts = field(default_factory=SubCallCounts)
    """Of the run."""
    sub_calls_before: int = 0
    """How many were done when this iteration began."""
    usage: Usage = field(default_factory=Usage)

    @property
    def iteration_name(self) -> str:
        if self.iteration > self.max_iterations:
            return "last call"
        return f"iteration {self.iteration} of {self.max_iterations}"

    @property
    def tokens(self) -> str:
        return f"{number(self.usage.input_tokens)} in, {number(self.usage.output_tokens)} out"

    @property
    def cost(self) -> str:
        return "" if self.usage.cost_usd is None else f"${self.usage.cost_usd:.4f}"


def advance(view: RunView, event: Event) -> RunView:
    """The view after the event."""
    match event:
        case RunStarted():
            return replace(view, documents=event.documents, chars=event.chars)
        case IterationStarted():
            return replace(
                view,
                iteration=event.iteration,
                max_iterations=event.max_iterations,
                phase="asking the root LM",
                blocks=0,
                raised=False,
                sub_calls_before=view.sub_calls.done,
            )
        case RootReplied():
            return replace(view, usage=view.usage + event.usage, phase="reading the reply")
        case CodeStarted():
            return replace(view, blocks=len(event.blocks), phase="running code")
        case SubCallsReserved():
            counts = replace(view.sub_calls, reserved=view.sub_calls.reserved + event.count)
            return replace(view, sub_calls=counts, phase="waiting for sub-calls")
        case SubCallEnded():
            return _after_sub_call(view, event)
        case CodeEnded():
            # What was reserved in this step and not sent is given back.
            counts = replace(view.sub_calls, reserved=view.sub_calls.done)
            return replace(view, sub_calls=counts, raised=event.execution.error is not None, phase="code ended")
        case RunEnded():
            return replace(view, usage=event.result.usage, phase="done")


def _after_sub_call(view: RunView, event: SubCallEnded) -> RunView:
    before = view.sub_calls
    counts = replace(before, done=before.done + 1, failed=before.failed + (event.call.error is not None))
    phase = "running code" if counts.done >= counts.reserved else "waiting for sub-calls"
    return replace(view, sub_calls=counts, usage=view.usage + event.call.usage, phase=phase)


def iteration_line(view: RunView, seconds: float) -> str:
    """A finished iteration in one line; tokens and seconds are the run's so far."""
    parts = [plural(view.blocks, "code block") if view.blocks else "no code"]
    if sub_calls := view.sub_calls.done - view.sub_calls_before:
        parts.append(plural(sub_calls, "sub-call"))
    if view.raised:
        parts.append("the code raised an error")
    parts.append(f"tokens {view.tokens}")
    parts.append(duration(seconds))
    return f"{view.iteration_name}: {', '.join(parts)}"


def summary_line(view: RunView, seconds: float) -> str:
    """The whole run in one line."""
    failed = f" ({number(view.sub_calls.failed)} failed)" if view.sub_calls.failed else ""
    parts = [
        plural(view.iteration, "iteration"),
        plural(view.sub_calls.done, "sub-call") + failed,
        f"tokens {view.tokens}",
        view.cost,
        duration(seconds),
    ]
    return ", ".join(part for part in parts if part)


def corpus_line(view: RunView) -> str:
    return f"corpus: {plural(view.documents, 'document')}, {plural(view.chars, 'character')}"


def panel(view: RunView, seconds: float) -> Table:
    """The run so far, for a terminal of any width."""
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    rows = {
        "run": view.iteration_name if view.iteration else "",
        "now": view.phase,
        "sub-calls": str(view.sub_calls),
        "tokens": view.tokens,
        "cost": view.cost,
        "elapsed": duration(seconds),
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, Text(value))
    return table


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


class LiveView:
    """Shows a run on a console while the `with` block lasts: pass `see` to an engine as `on_event`."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._began = clock()
        self.view = RunView()
        self._live = Live(
            console=console,
            get_renderable=lambda: panel(self.view, self.seconds),
            refresh_per_second=5,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    @property
    def seconds(self) -> float:
        """Since the `with` block was entered."""
        return self._clock() - self._began

    @property
    def summary(self) -> str:
        """The run so far in one line."""
        return summary_line(self.view, self.seconds)

    def see(self, event: Event) -> None:
        before, self.view = self.view, advance(self.view, event)
        if self._console.is_terminal:
            return  # the live display draws itself a few times a second
        if isinstance(event, RunStarted):
            self._line(corpus_line(self.view))
        elif isinstance(event, (IterationStarted, RunEnded)) and before.iteration:
            self._line(iteration_line(before, self.seconds))

    def _line(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)

    def __enter__(self) -> LiveView:
        self._began = self._clock()
        if self._console.is_terminal:
            self._live.start(refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._console.is_terminal:
            self._live.stop()
