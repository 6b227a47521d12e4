"""Pairs of users whose unlabelled records have something in common: the form of OOLONG-Pairs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from evals.scoring import pairs_f1
from evals.tasks.counting import count_code
from evals.tasks.family import CHARS_PER_TOKEN, Eye, Task, chance, documents_of
from evals.tasks.records import KINDS, kind_of, make_records, records_in

_ASKED = "List all pairs of users"
_NOTE = re.compile(r"user (\d+) has (\w+) (\d+)")


@dataclass(frozen=True)
class Pairs:
    name: str = "pairs by meaning"
    most_tokens: int = 512_000

    def make(self, tokens: int, seed: int) -> Task:
        rng = chance(self.name, tokens, seed)
        records = make_records(rng, tokens * CHARS_PER_TOKEN, 12, labelled=False)
        one, other = _alike(Counter(record.kind for record in records))
        question = (
            f"{_ASKED} (a, b), a below b, such that one of them asked for a {one} more often than for a {other}, and "
            f"the other for a {other} more often than for a {one}. Reply with the pairs alone, as (3, 7), (4, 9), "
            "or 'none'."
        )
        kinds = {record.number: record.kind for record in records}
        users = {record.number: record.user for record in records}
        return Task(
            self.name,
            tokens,
            seed,
            question,
            documents_of([r.line(labelled=False) for r in records], "log", 4_000),
            _pairs(kinds, users, one, other),
        )

    def score(self, truth: Any, answer: str) -> float:
        return pairs_f1(truth, answer)

    def knows(self, question: str) -> bool:
        return question.startswith(_ASKED)

    def notes(self, question: str, text: str, eye: Eye) -> list[str]:
        found = records_in(text)
        counts: dict[tuple[int, str], int] = defaultdict(int)
        for _, user, _label, asked in eye.noticed(found):
            counts[user, eye.taken_for(kind_of(asked), KINDS, len(found))] += 1
        for user, kind, n in _NOTE.findall(text):
            counts[int(user), kind] += int(n)
        return [f"user {user} has {kind} {n}" for (user, kind), n in sorted(counts.items())]

    def answer(self, question: str, notes: Sequence[str]) -> str:
        one, other = _kinds_in(question)
        counts: dict[tuple[int, str], int] = defaultdict(int)
        for note in notes:
            for user, kind, n in _NOTE.findall(note):
                counts[int(user), kind] += int(n)
        sign = {user: counts[user, one] - counts[user, other] for user in sorted({user for user, _ in counts})}
        return _told([(a, b) for a, b in combinations(sign, 2) if sign[a] * sign[b] < 0])

    def code(self, question: str, depth: int) -> str:
        one, other = _kinds_in(question)
        return rf"""{count_code(labelled=False, depth=depth)}
from itertools import combinations
users = {{int(n): int(u) for d in context for n, u in re.findall(r"^Record (\d+) \| user (\d+)", d["text"], re.M)}}
sign = {{}}
for n, kind in kinds.items():
    sign[users[n]] = sign.get(users[n], 0) + (kind == {one!r}) - (kind == {other!r})
found = [f"({{a}}, {{b}})" for a, b in combinations(sorted(sign), 2) if sign[a] * sign[b] < 0]
answer["content"] = ", ".join(found) or "none"
answer["ready"] = True"""


def _alike(counts: Counter[str]) -> tuple[str, str]:
    """The two kinds whose counts are closest, so that some users have more of the one, and some of the other."""
    return min(combinations(KINDS, 2), key=lambda kinds: abs(counts[kinds[0]] - counts[kinds[1]]))


def _pairs(kinds: dict[int, str], users: dict[int, int], one: str, other: str) -> list[tuple[int, int]]:
    sign: dict[int, int] = defaultdict(int)
    for number, kind in kinds.items():
        sign[users[number]] += (kind == one) - (kind == other)
    return [(a, b) for a, b in combinations(sorted(sign), 2) if sign[a] * sign[b] < 0]


def _told(pairs: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"({a}, {b})" for a, b in pairs) or "none"


def _kinds_in(question: str) -> tuple[str, str]:
    one, other = re.findall(r"asked for a (\w+) more often than for a (\w+)", question)[0]
    return one, other
