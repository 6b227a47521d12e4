"""How far answers agree: the same figures, and the same words. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_TOKEN = re.compile(r"[^\W\d_]++|\d++(?>(?:[.,]\d++)*)")
_ARTICLES = {"a", "an", "the"}


def words_of(answer: str) -> list[str]:
    """What is compared: words without case and articles, figures without separators."""
    found: list[str] = _TOKEN.findall(answer.lower())
    return [token.replace(",", "") if token[0].isdecimal() else token for token in found if token not in _ARTICLES]


def _shared(first: Counter[str], second: Counter[str]) -> float:
    """From 0 to 1: the share of words that two answers have in common, as SQuAD counts it (F1 of tokens)."""
    if not first or not second:
        return float(first == second)
    shared = sum((first & second).values())
    return 2 * shared / (sum(first.values()) + sum(second.values()))


def agreements(answers: Sequence[str]) -> list[float | None]:
    """For each answer how far the others agree with it, on average; None where there is no other."""
    if len(answers) < 2:
        return [None] * len(answers)
    counted = [Counter(words_of(answer)) for answer in answers]
    return [
        sum(_shared(words, other) for at, other in enumerate(counted) if at != place) / (len(counted) - 1)
        for place, words in enumerate(counted)
    ]


def holds(expected: str, answer: str) -> bool:
    """Whether an answer says what was expected: its words, in their order, one after another."""
    wanted, said = words_of(expected), words_of(answer)
    return any(said[at : at + len(wanted)] == wanted for at in range(len(said) - len(wanted) + 1)) if wanted else False
