"""Counts, costs and seconds of a run, in words."""

from __future__ import annotations

from rlm_integrations.core.trace.events import SubCallsReserved
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import number, plural
from rlm_integrations.frozen import frozen


@frozen
class SubCallCounts:
    reserved: int = 0
    done: int = 0
    failed: int = 0

    def __str__(self) -> str:
        failed = f" ({number(self.failed)} failed)" if self.failed else ""
        return f"{number(self.done)} of {number(max(self.reserved, self.done))}{failed}"


def batch_words(event: SubCallsReserved) -> str:
    """How many sub-calls, and about what they cost: "1,000 sub-calls, about $0.40"."""
    cost = event.cost_usd
    what = "at a cost that is unknown" if cost is None else f"about ${cost:.2f}" if cost >= 0.01 else "under $0.01"
    return f"{plural(event.count, 'sub-call')}, {what}"


def place(node: tuple[int, ...]) -> str:
    """The node of a child as users read it: "2.1" is the first sub-call of the root's second."""
    return ".".join(map(str, node))


def token_words(paid: Usage, replayed: Usage | None = None) -> str:
    """`replayed` came from the journal: it is said apart from what was paid for."""
    about = "about " if paid.estimated_tokens else ""
    words = f"{about}{number(paid.input_tokens)} in, {number(paid.output_tokens)} out"
    return f"{words} (replayed: {token_words(replayed)})" if replayed and replayed.total_tokens else words


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
