"""Scores from 0 to 1, as the benchmarks publish them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date

_NUMBER = re.compile(r"-?\d[\d,]*+(?:\.\d++)?")
_PAIR = re.compile(r"\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_LABELLED = re.compile(r"(?:label|answer|user|date)\s*:\s*(.+)", re.IGNORECASE)
COMPARISONS = ("more common than", "less common than", "same frequency as")


def substring_recall(wanted: Sequence[str], answer: str) -> float:
    """RULER: the share of the wanted strings that stand in the answer, case aside."""
    said = answer.lower()
    return sum(each.lower() in said for each in wanted) / len(wanted)


def oolong(truth: int | str | date, answer: str) -> float:
    """OOLONG-synth: a number scores 0.75 to the power of its error, a date and a label are right or wrong, and a
    comparison has to be contained."""
    said = answer.strip()
    if isinstance(truth, int):
        number = _last_number(said)
        return 0.0 if number is None else 0.75 ** abs(truth - number)
    if isinstance(truth, date):
        found = _DATE.search(said)
        return float(found is not None and found[0] == truth.isoformat())
    if truth in COMPARISONS:
        return float(
            truth in said.lower() and not any(other in said.lower() for other in COMPARISONS if other != truth)
        )
    named = _LABELLED.search(said)
    return float(_plain(truth) == _plain(said if named is None else named[1]))


def pairs_f1(truth: Iterable[tuple[int, int]], answer: str) -> float:
    """OOLONG-Pairs: F1 over the pairs "(a, b)" that are named, in either order. Two empty lists agree."""
    wanted = {tuple(sorted(pair)) for pair in truth}
    said = {tuple(sorted((int(a), int(b)))) for a, b in _PAIR.findall(answer)}
    if not wanted or not said:
        return float(wanted == said)
    return 2 * len(wanted & said) / (len(wanted) + len(said))


def exact(truth: str, answer: str) -> float:
    """Whether the answer is the truth, but for case, white space and marks."""
    return float(_plain(truth) == _plain(answer))


def set_f1(truth: Iterable[str], answer: str) -> float:
    """F1 over names that stand in the answer, one a line or with commas between. Two empty lists agree."""
    wanted = {name.lower() for name in truth}
    said = {name for part in re.split(r"[,\n]", answer) if (name := part.strip(" -*`.").lower()) and name != "none"}
    if not wanted or not said:
        return float(wanted == said)
    return 2 * len(wanted & said) / (len(wanted) + len(said))


def _last_number(said: str) -> int | None:
    found = _NUMBER.findall(said)
    return round(float(found[-1].replace(",", ""))) if found else None


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", text.lower()).split())
