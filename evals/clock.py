"""How long a run takes by a clock that only model calls move: their latency is a function of their tokens."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rlm_integrations import RLMLimits, RLMTrace
from rlm_integrations.compare.attempt import Attempt
from rlm_integrations.core.trace.records import SubCall
from rlm_integrations.core.usage import Usage

REPLS: int = RLMLimits().max_repls
"""Of children, at once."""


@dataclass(frozen=True)
class Latency:
    """Of one call, in seconds."""

    base: float = 0.4
    input_tokens_a_second: float = 20_000.0
    output_tokens_a_second: float = 100.0

    def of(self, usage: Usage) -> float:
        return (
            self.base
            + usage.input_tokens / self.input_tokens_a_second
            + usage.output_tokens / self.output_tokens_a_second
        )


def seconds_of(attempt: Attempt, latency: Latency, at_once: int) -> float:
    """Of an attempt, whose calls of one round are open side by side, `at_once` of them."""
    if attempt.trace is not None:
        return seconds_of_run(attempt.trace, latency, at_once)
    return sum(side_by_side((latency.of(usage) for usage in calls), at_once) for calls in attempt.rounds)


def seconds_of_run(trace: RLMTrace, latency: Latency, at_once: int) -> float:
    """Of an RLM: root calls one after another; sub-calls of a batch side by side, and batches one after another."""
    seconds = 0.0
    for iteration in trace.iterations:
        seconds += latency.of(iteration.root_usage)
        calls = [] if iteration.execution is None else iteration.execution.sub_calls
        seconds += sum(_seconds_of_batch(batch, latency, at_once) for batch in _batches(calls))
    return seconds


def side_by_side(durations: Iterable[float], at_once: int) -> float:
    """When the last of them is done, where each begins as soon as one of so many places is free."""
    free = [0.0] * at_once
    last = 0.0
    for duration in durations:
        end = heapq.heappop(free) + duration
        heapq.heappush(free, end)
        last = max(last, end)
    return last


def _seconds_of_batch(batch: Sequence[SubCall], latency: Latency, at_once: int) -> float:
    """Children are open side by side, so many at most as have a REPL, and share the places of their calls."""
    children = sum(call.child is not None for call in batch)
    if not children:
        return side_by_side((latency.of(call.usage) for call in batch), at_once)
    open_ = min(children, REPLS)
    return side_by_side((_of_call(call, latency, max(1, at_once // open_)) for call in batch), open_)


def _of_call(call: SubCall, latency: Latency, at_once: int) -> float:
    return latency.of(call.usage) if call.child is None else seconds_of_run(call.child, latency, at_once)


def _batches(calls: Sequence[SubCall]) -> list[list[SubCall]]:
    batches: dict[object, list[SubCall]] = {}
    for call in calls:
        batches.setdefault(("batch", call.batch) if call.batch is not None else ("alone", call.number), []).append(call)
    return list(batches.values())
