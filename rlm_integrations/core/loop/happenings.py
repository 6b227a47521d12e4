"""What can happen to a run. The loop decides on one of these, and knows nothing else of the world.

Named tuples, for each iteration makes some: frozen dataclasses take two to three times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.language_model import Finish as FinishReason
from rlm_integrations.core.limits import StopReason
from rlm_integrations.wire.steps import ReplLost, StepDone


class BudgetView(NamedTuple):
    """What is left of the budget at the moment of a happening."""

    limit: StopReason | None = None
    """The limit that is met, if one is."""
    sub_calls_left: int = 0
    tokens_left_share: float = 1.0
    """From 1 down to 0."""
    seconds_left: float = float("inf")


class FailedBatch(NamedTuple):
    """Sub-calls of one batch that failed: their places in it, how many there were, and why the first did."""

    indices: tuple[int, ...]
    of: int
    reason: str


class UnresolvedMap(NamedTuple):
    """A typed map of which some items have no value."""

    function: str
    """What code calls it by, for instance "llm_map"."""
    instruction: str
    """Its first words, in one line; "" where it has none."""
    of: int
    """How many items there were."""
    left: tuple[tuple[str, str], ...]
    """What code calls those by that have none, and why they have none."""
    new: bool = False
    """Whether that came about in the last step."""


class Opened(NamedTuple):
    """The corpus is read, and the conversation with the root LM has its first messages."""

    messages: tuple[Message, ...]
    bare: tuple[Message, ...] = ()
    """The same without what was said before the question; empty where nothing was."""
    foreign: tuple[str, ...] = ()
    """What of them may be words of documents, though it stands in no fence."""


class Replied(NamedTuple):
    """The root LM replied."""

    text: str
    budget: BudgetView
    finish: FinishReason | None = None
    """How the reply ended, where the server says so."""
    unfinished: str | None = None
    """Why it is no whole reply; None where it is one."""
    called: Completion | None = None
    """The reply itself, where it calls tools and some were offered."""
    prompt_tokens: int = 0
    """What was sent, as the server counted it; 0 where it did not."""
    prompt_chars: int = 0
    """Characters of what was sent."""
    prompt_cut: bool = False
    """Whether the server read no more than that of a longer prompt."""


class RootCallFailed(NamedTuple):
    """The root LM raised, or did not reply in time. `problem` says what happened, in words for the user."""

    problem: str
    budget: BudgetView
    too_long: bool = False
    """Whether the conversation is longer than the model's window."""


class CodeRan(NamedTuple):
    """The code of the last reply ended, or its REPL did."""

    outcome: StepDone | ReplLost
    sub_calls_made: int = 0
    sub_call_seconds: float = 0.0
    failed_batches: Sequence[FailedBatch] = ()
    unresolved: tuple[UnresolvedMap, ...] = ()
    """The maps of this answer of which something is unresolved now."""
    retrieved: int = 0
    """Documents that a retriever has added to `context` in this run."""
    budget: BudgetView = BudgetView()


class Verified(NamedTuple):
    """The user's checks looked at an answer."""

    objection: str | None = None
    """Why one of them refused it, in its own words."""
    budget: BudgetView = BudgetView()
    out_of_time: bool = False
    """Whether the run's time was up before they were done."""


Happening = Opened | Replied | RootCallFailed | CodeRan | Verified
