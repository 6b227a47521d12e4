"""A run as far as its events have told: a fold over them. `run_lines` says it in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from rlm_integrations.core.trace.events import (
    CheckEnded,
    CheckStarted,
    Cited,
    CodeEnded,
    CodeStarted,
    ConversationOpened,
    Event,
    Folded,
    FoldEnded,
    FoldStarted,
    HostCallEnded,
    HostCallStarted,
    IterationEnded,
    IterationStarted,
    PromptShortened,
    ReplOpened,
    RootFailed,
    RootReplied,
    Routed,
    RunEnded,
    RunFailed,
    RunStarted,
    SubCallContinued,
    SubCallEnded,
    SubCallsReserved,
    SubCallStarted,
    Warned,
)
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import one_line
from rlm_integrations.frozen import frozen
from rlm_integrations.terminal.amounts import SubCallCounts, batch_words, token_words

_REASON_CHARS = 100


@frozen
class Batch:
    """Sub-calls that are waited for together. Seconds are the run's."""

    began: float = 0.0
    at: float = 0.0
    """When the last of them ended."""
    done_before: int = 0
    """How many of the run's were done when it began."""


@frozen
class RunView:
    """A run, as far as its events have told. `advance` makes the next one."""

    documents: int = 0
    chars: int = 0
    attempt: int = 1
    """Of two blind runs, or the third that reconciles them."""
    iteration: int = 0
    iterations: int = 0
    """Of all runs of the question."""
    max_iterations: int = 0
    phase: str = "reading the corpus"
    blocks: int = 0
    """Code blocks of this iteration."""
    raised: bool = False
    """Whether this iteration's code ended with an error."""
    sub_calls: SubCallCounts = field(default_factory=SubCallCounts)
    """Of the run."""
    sub_calls_before: int = 0
    """How many were done when this iteration began."""
    failed_before: int = 0
    """The same of failed ones."""
    batch: Batch = field(default_factory=Batch)
    first_failure: str = ""
    """Why the first sub-call failed of those that did."""
    usage: Usage = field(default_factory=Usage)
    """What the run has paid for."""
    replayed: Usage = field(default_factory=Usage)
    """What came from its journal, and was paid for before."""
    iteration_began: float = 0.0
    """When this iteration began, in the run's seconds."""
    iteration_usage: Usage = field(default_factory=Usage)
    iteration_replayed: Usage = field(default_factory=Usage)
    objections: int = 0
    """How often a check refused the answer."""
    objections_before: int = 0
    """How often it had when this iteration began."""
    children: Mapping[tuple[int, ...], RunView] = field(default_factory=dict[tuple[int, ...], "RunView"])
    """The child RLMs at work, theirs as well, by their place in the tree. Filled in the view of the run alone."""

    @property
    def iteration_name(self) -> str:
        run = "" if self.attempt == 1 else f"run {self.attempt}, "
        if self.iteration > self.max_iterations:
            return f"{run}last call"
        return f"{run}iteration {self.iteration} of {self.max_iterations}"

    @property
    def pending(self) -> tuple[int, int]:
        """Of the sub-calls that are waited for together: how many are done, of how many. (0, 0): none are."""
        counts, before = self.sub_calls, self.batch.done_before
        return (counts.done - before, counts.reserved - before) if counts.done < counts.reserved else (0, 0)

    @property
    def rate(self) -> float:
        """Sub-calls a second, of those that are waited for; 0 while it is unknown."""
        seconds = self.batch.at - self.batch.began
        return self.pending[0] / seconds if seconds > 0 else 0.0

    @property
    def tokens(self) -> str:
        return token_words(self.usage, self.replayed)

    @property
    def cost(self) -> str:
        return "" if self.usage.cost_usd is None else f"${self.usage.cost_usd:.4f}"


def advance(view: RunView, event: Event) -> RunView:
    """The view after the event."""
    if event.node:
        children = {**view.children, event.node: _advanced(view.children.get(event.node, RunView()), event)}
        view = replace(_after_usage(view, event), children=children)
    else:
        view = _advanced(view, event)
    if isinstance(event, SubCallEnded) and (ended := (*event.node, event.call.number)) in view.children:
        view = replace(view, children={node: child for node, child in view.children.items() if node != ended})
    return view


def _spent(event: Event) -> tuple[Usage, Usage]:
    """What the event tells of that was paid for, and what of that came from the journal instead."""
    match event:
        case RootReplied():
            return _paid_or_not(event.usage, replayed=event.replayed)
        case FoldEnded():
            return _paid_or_not(event.fold.call.usage, replayed=event.fold.call.replayed)
        case SubCallEnded():
            return event.call.usage - event.call.replayed_usage, event.call.replayed_usage
        case _:
            return Usage(), Usage()


def _paid_or_not(usage: Usage, *, replayed: bool) -> tuple[Usage, Usage]:
    return (Usage(), usage) if replayed else (usage, Usage())


def _advanced(view: RunView, event: Event) -> RunView:
    """The view of the node whose event it is: a row for each kind of event."""
    match event:
        case RunStarted():
            return replace(
                view, documents=event.documents, chars=event.chars, phase="starting", attempt=event.attempt, iteration=0
            )
        case Routed():
            return replace(view, phase="asking the root LM directly" if event.way == "direct" else "starting")
        case IterationStarted():
            return _in_iteration(view, event)
        case RootReplied():
            return replace(_after_usage(view, event), phase="reading the reply")
        case CodeStarted():
            return replace(view, blocks=len(event.blocks), phase="running code")
        case SubCallsReserved():
            return _with_reserved(view, event)
        case SubCallEnded():
            return _after_sub_call(view, event)
        case CodeEnded():
            # What was reserved in this step and not sent is given back.
            counts = replace(view.sub_calls, reserved=view.sub_calls.done)
            return replace(view, sub_calls=counts, raised=event.execution.error is not None, phase="code ended")
        case RunEnded():
            return replace(_with_sums(view, event), phase="done")
        case RunFailed():
            return replace(_with_sums(view, event), phase="failed")
        case PromptShortened():
            return replace(view, phase="asking the root LM again, in fewer characters")
        case FoldStarted():
            return replace(view, phase="having the root LM sum up its older iterations")
        case FoldEnded():
            return _after_usage(view, event)
        case Folded():
            return replace(view, phase="asking the root LM")
        case RootFailed():
            return replace(view, phase="the root LM failed")
        case HostCallStarted():
            return view if event.sub_call else replace(view, phase=f"calling {event.name}")
        case HostCallEnded():
            return view if event.sub_call else replace(view, phase="running code")
        case CheckStarted():
            return replace(view, phase=f"checking the answer: {one_line(event.name, _REASON_CHARS)}")
        case CheckEnded():
            checked = event.check.objection is None and event.check.error is None
            return replace(view, objections=view.objections + (not checked), phase="the answer was checked")
        case ConversationOpened() | ReplOpened() | SubCallStarted() | Cited() | IterationEnded() | Warned():
            return view
        case SubCallContinued():  # its usage comes with its end
            return view


def _in_iteration(view: RunView, event: IterationStarted) -> RunView:
    return replace(
        view,
        iteration=event.iteration,
        iterations=view.iterations + 1,
        max_iterations=event.max_iterations,
        phase="asking the root LM",
        blocks=0,
        raised=False,
        sub_calls_before=view.sub_calls.done,
        failed_before=view.sub_calls.failed,
        objections_before=view.objections,
        iteration_began=event.at,
        iteration_usage=Usage(),
        iteration_replayed=Usage(),
    )


def _with_reserved(view: RunView, event: SubCallsReserved) -> RunView:
    before = view.sub_calls
    counts = replace(before, reserved=before.reserved + event.count)
    batch = view.batch if before.done < before.reserved else Batch(event.at, event.at, before.done)
    about = batch_words(event) if event.count > 1 and event.cost_usd is not None else ""
    phase = f"waiting for {about}" if about else "waiting for sub-calls"
    return replace(view, sub_calls=counts, batch=batch, phase=phase)


def _after_sub_call(view: RunView, event: SubCallEnded) -> RunView:
    before = view.sub_calls
    counts = replace(before, done=before.done + 1, failed=before.failed + (event.call.error is not None))
    waiting = view.phase if view.phase.startswith("waiting for ") else "waiting for sub-calls"
    phase = "running code" if counts.done >= counts.reserved else waiting
    first_failure = view.first_failure or event.call.error or ""
    batch, view = replace(view.batch, at=event.at), _after_usage(view, event)
    return replace(view, sub_calls=counts, batch=batch, phase=phase, first_failure=first_failure)


def _after_usage(view: RunView, event: Event) -> RunView:
    paid, replayed = _spent(event)
    return replace(
        view,
        usage=view.usage + paid,
        replayed=view.replayed + replayed,
        iteration_usage=view.iteration_usage + paid,
        iteration_replayed=view.iteration_replayed + replayed,
    )


def _with_sums(view: RunView, event: RunEnded | RunFailed) -> RunView:
    trace = event.result.trace
    return replace(view, usage=trace.paid_usage, replayed=trace.replayed_usage)
