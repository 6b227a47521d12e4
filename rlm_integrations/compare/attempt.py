"""What came of one question by one method."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.usage import Usage
from rlm_integrations.frozen import frozen

Status = Literal["answered", "truncated", "too_long", "limit", "failed", "skipped"]
"""`truncated`: there is an answer, and a part of the texts was not read for want of room. `too_long`: they do not fit,
and nothing was sent. `limit`: a limit was met. `skipped`: it would have gone beyond what all may cost."""

Round = tuple[Usage, ...]
"""Calls that were open side by side."""


@frozen
class Answered:
    """An answer as a method gives it."""

    text: str
    citations: tuple[Citation, ...] = ()
    truncated: bool = False
    """Whether a part of the texts was left out for want of room. What a retriever leaves out is not meant."""
    trace: RLMTrace | None = None
    """Of an RLM."""
    limit: str | None = None
    """The limit that was met before it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One question by one method, as it came out."""

    question: str
    method: str
    status: Status
    answer: str = ""
    citations: tuple[Citation, ...] = ()
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    note: str = ""
    """What happened, where it is not simply answered."""
    rounds: tuple[Round, ...] = ()
    """One after another; empty of an RLM, whose trace says it."""
    trace: RLMTrace | None = None

    @property
    def has_answer(self) -> bool:
        return self.status in ("answered", "truncated") or (self.status == "limit" and bool(self.answer))


@frozen
class Estimate:
    """What a comparison takes, about: an order of magnitude, since code decides what an RLM reads."""

    calls: int
    tokens: int
    cost_usd: float | None
    """None where nobody says what tokens cost."""
