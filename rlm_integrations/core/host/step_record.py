"""What one step's code did through the host, while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rlm_integrations.core.loop.actions import FailedBatch
from rlm_integrations.core.trace.records import HostFunctionCall, SubCall


@dataclass
class Batch:
    """Sub-calls that were reserved together. `sent` of `size` have come."""

    size: int
    sent: int = 0
    failed: dict[int, str] = field(default_factory=dict[int, str])


@dataclass
class StepRecord:
    """Filled by the host functions of one step."""

    iteration: int
    clock: Callable[[], float]
    batches: dict[int, Batch] = field(default_factory=dict[int, Batch])
    sub_calls: list[SubCall] = field(default_factory=list[SubCall])
    host_calls: list[HostFunctionCall] = field(default_factory=list[HostFunctionCall])
    sub_calls_made: int = 0
    seconds: float = 0.0
    """Wall time in which at least one sub-call was open."""
    over: bool = False
    """Whether the step has ended: nothing more is begun for it."""
    _open: int = 0
    _opened_at: float = 0.0

    def sub_call_opened(self) -> None:
        self.sub_calls_made += 1
        if self._open == 0:
            self._opened_at = self.clock()
        self._open += 1

    def sub_call_closed(self, call: SubCall) -> None:
        self._open -= 1
        if self._open == 0:
            self.seconds += self.clock() - self._opened_at
        self.sub_calls.append(call)
        batch = self.batches.get(call.batch) if call.batch is not None else None
        if batch is not None and call.error is not None and call.index is not None:
            batch.failed[call.index] = call.error

    def failed_batches(self) -> list[FailedBatch]:
        return [
            FailedBatch(tuple(sorted(batch.failed)), batch.size, batch.failed[min(batch.failed)])
            for batch in self.batches.values()
            if batch.failed
        ]

    def end(self) -> int:
        """The step has ended. Returns how many sub-calls were reserved and never came."""
        self.over = True
        return sum(batch.size - batch.sent for batch in self.batches.values())
