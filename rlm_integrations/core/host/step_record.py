"""What one step's code does through the host, while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rlm_integrations.core.calls.slots import Waiting
from rlm_integrations.core.loop.happenings import FailedBatch


@dataclass
class Batch:
    """Sub-calls that were reserved together. `begun` of `size` have come."""

    size: int
    begun: int = 0
    failed: dict[int, str] = field(default_factory=dict[int, str])


@dataclass
class StepRecord:
    """Filled by the host functions of one step. `clock` gives seconds that only ever grow."""

    iteration: int
    clock: Callable[[], float]
    batches: dict[int, Batch] = field(default_factory=dict[int, Batch])
    waiting: Waiting = field(default_factory=Waiting)
    sub_calls_made: int = 0
    seconds: float = 0.0
    """Wall time in which at least one sub-call was open."""
    _open: int = 0
    _opened_at: float = 0.0

    @property
    def over(self) -> bool:
        """Whether the step has ended: nothing more is begun for it."""
        return self.waiting.over

    def sub_call_sent(self, now: float) -> None:
        self.sub_calls_made += 1
        if self._open == 0:
            self._opened_at = now
        self._open += 1

    def sub_call_closed(self, now: float) -> None:
        self._open -= 1
        if self._open == 0:
            self.seconds += now - self._opened_at

    def sub_call_failed(self, batch: int | None, index: int | None, why: str) -> None:
        """One of a batch has no reply, sent or not."""
        if batch in self.batches and index is not None and index < self.batches[batch].size:
            self.batches[batch].failed[index] = why

    def failed_batches(self) -> list[FailedBatch]:
        return [
            FailedBatch(tuple(sorted(batch.failed)), batch.size, batch.failed[min(batch.failed)])
            for batch in self.batches.values()
            if batch.failed
        ]

    def end(self) -> int:
        """The step has ended. Returns how many sub-calls were reserved and never came."""
        self.waiting.give_up()
        return sum(batch.size - batch.begun for batch in self.batches.values())
