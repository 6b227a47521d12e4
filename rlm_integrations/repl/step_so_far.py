"""A step while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from rlm_integrations.wire.steps import AnswerState, CodeError


@dataclass(slots=True)
class StepSoFar:
    """What is known of a step so far."""

    error: CodeError | None = None
    answer: AnswerState = field(default_factory=AnswerState)
    loop_names: set[str] = field(default_factory=set[str])

    @property
    def ended(self) -> bool:
        return self.error is not None or self.answer.ready
