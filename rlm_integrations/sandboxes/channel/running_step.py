"""What the host knows of a step while it runs."""

from __future__ import annotations

from dataclasses import replace

from rlm_integrations.sandboxes.channel.step_clock import Overrun, StepClock, how_to_go_on, overrun_words
from rlm_integrations.wire.inbound import Finished
from rlm_integrations.wire.steps import CodeError, Output, StepDone


class RunningStep:
    """A step of so many blocks, its time, and the head of its output, of at most `max_output_chars`."""

    def __init__(self, number: int, blocks: int, clock: StepClock, limit_s: float, max_output_chars: int) -> None:
        self.number, self.blocks, self.clock = number, blocks, clock
        self.overrun: Overrun | None = None
        """Why the step is interrupted, once it is."""
        self.refuses_calls = False
        """Whether an interrupt had no effect: the code may be waiting for threads that call the host."""
        self.kill_at = float("inf")
        """On the monotonic clock, in seconds."""
        self._limit_s = limit_s
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
        said = end.done
        output = Output("".join(self._head), said.output.tail, self._cut_chars + said.output.cut_chars)
        error = None if said.error is None else self._explained(said.error)
        return StepDone(output, error, said.answer, said.variables)

    def lost(self) -> Output:
        """What it had printed."""
        return Output("".join(self._head), cut_chars=self._cut_chars)

    def stopped(self) -> str:
        """Why it was interrupted, in words for the root LM."""
        assert self.overrun is not None
        return f"stopped: {overrun_words(self.overrun, self._limit_s)}{how_to_go_on(self.overrun)}"

    def stubborn(self) -> str:
        """The same where the interrupt did not end it."""
        assert self.overrun is not None
        words = overrun_words(self.overrun, self._limit_s)
        return f"{words}, and it could not be interrupted{how_to_go_on(self.overrun)}"

    def _explained(self, error: CodeError) -> CodeError:
        """The worker knows that its code was interrupted, the host why; where it does not, the code did it itself."""
        if error.kind != "interrupted":
            return error
        if self.overrun is None:
            return replace(error, kind="raised", message="KeyboardInterrupt")
        return replace(error, message=self.stopped())
