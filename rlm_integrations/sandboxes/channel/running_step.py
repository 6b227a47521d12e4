"""What the host knows of a step while it runs."""

from __future__ import annotations

from rlm_integrations.core.sandbox import Output, StepDone
from rlm_integrations.sandboxes.channel.inbound import Finished
from rlm_integrations.sandboxes.channel.step_clock import StepClock


class RunningStep:
    """A step of so many blocks, its time, and the head of its output, of at most `max_output_chars`."""

    def __init__(self, number: int, blocks: int, clock: StepClock, max_output_chars: int) -> None:
        self.number, self.blocks, self.clock = number, blocks, clock
        self.kill_at: float | None = None
        """On the monotonic clock, in seconds; None until the step is interrupted."""
        self._room = max_output_chars
        self._head: list[str] = []
        self._cut_chars = 0

    def print_head(self, text: str) -> None:
        kept = text[: self._room]
        if kept:
            self._head.append(kept)
        self._room -= len(kept)
        self._cut_chars += len(text) - len(kept)

    def done(self, end: Finished) -> StepDone:
        output = Output("".join(self._head), end.tail, self._cut_chars + end.cut_chars)
        return StepDone(output, end.error, end.answer, end.variables, end.blocks_run)

    def lost(self) -> Output:
        """What it had printed."""
        return Output("".join(self._head), cut_chars=self._cut_chars)
