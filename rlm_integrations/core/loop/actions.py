"""What the root loop decides to do next, and what can come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.limits import StopReason
from rlm_integrations.wire.steps import ReplLost, StepDone


@dataclass(frozen=True, slots=True)
class CallRootLM:
    """Send the conversation to the root LM."""

    messages: tuple[Message, ...]
    iteration: int
    last_call: bool = False


@dataclass(frozen=True, slots=True)
class RunCode:
    """Run the blocks of the last reply."""

    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """The run has its answer."""

    text: str
    stop_reason: StopReason
    is_json: bool = False
    """Whether the text is the JSON of a value that was not a str."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The run cannot have an answer."""

    message: str
    stop_reason: StopReason | None = None
    draft: str = ""


Action = CallRootLM | RunCode | Finish | Fail


@dataclass(frozen=True, slots=True)
class FailedBatch:
    """Sub-calls of one batch that failed: their places in it, how many there were, and why the first did."""

    indices: tuple[int, ...]
    of: int
    reason: str


@dataclass(frozen=True, slots=True)
class BudgetView:
    """What the root loop needs to know of the budget, at one moment."""

    limit: StopReason | None = None
    sub_calls_left: int = 0
    tokens_left_share: float = 1.0
    seconds_left: float = float("inf")


@dataclass(frozen=True, slots=True)
class CodeRan:
    """What came of RunCode."""

    outcome: StepDone | ReplLost
    sub_calls_made: int = 0
    sub_call_seconds: float = 0.0
    failed_batches: Sequence[FailedBatch] = ()
    retrieved: int = 0
    """Documents that a retriever has added to `context` in this run."""
