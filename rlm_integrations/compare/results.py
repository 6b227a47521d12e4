"""What came of a comparison: all attempts, and what they sum up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from rlm_integrations.compare.agreement import agreements, holds
from rlm_integrations.compare.attempt import Attempt, Estimate
from rlm_integrations.core.usage import Usage
from rlm_integrations.frozen import frozen


@frozen
class MethodSums:
    """Of one method, over all questions."""

    name: str
    answered: int
    of: int
    agreement: float | None
    """How far the other methods' answers say the same, from 0 to 1; None where there are none."""
    right: int | None
    """How many answers held what was expected; None where nothing was."""
    citations: int
    calls: int
    usage: Usage
    seconds: float
    """Of a question, on average."""


@dataclass(frozen=True)
class Results:
    """All attempts, in the order of the questions and, for each, of the methods."""

    questions: tuple[str, ...]
    methods: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    expected: Mapping[str, str]
    estimate: Estimate

    @cached_property
    def sums(self) -> tuple[MethodSums, ...]:
        """One for each method, in their order."""
        return tuple(self._sums_of(name) for name in self.methods)

    def of(self, question: str) -> list[Attempt]:
        """The attempts at one question."""
        return [each for each in self.attempts if each.question == question]

    @cached_property
    def agreement(self) -> dict[tuple[str, str], float | None]:
        """By question and method, how far the other methods' answers say the same."""
        found: dict[tuple[str, str], float | None] = {}
        for question in self.questions:
            answered = [each for each in self.of(question) if each.has_answer]
            shares = agreements([each.answer for each in answered])
            found |= {(question, each.method): share for each, share in zip(answered, shares, strict=True)}
        return found

    def _sums_of(self, name: str) -> MethodSums:
        own = [each for each in self.attempts if each.method == name]
        shares = [share for (_, method), share in self.agreement.items() if method == name and share is not None]
        known = [each for each in own if each.question in self.expected]
        right = sum(holds(self.expected[each.question], each.answer) for each in known) if known else None
        return MethodSums(
            name,
            sum(each.has_answer for each in own),
            len(own),
            sum(shares) / len(shares) if shares else None,
            right,
            sum(len(each.citations) for each in own),
            sum(each.calls for each in own),
            sum((each.usage for each in own), Usage()),
            sum(each.seconds for each in own) / max(1, len(own)),
        )
