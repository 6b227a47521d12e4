"""Chains of three facts in different documents, each stated several times in different years: the latest holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evals.scoring import exact
from evals.tasks.family import CHARS_PER_TOKEN, Eye, Task, chance, documents_of, filled
from evals.tasks.filler import paragraph

_THINGS = ("silver astrolabe", "torn atlas", "brass sextant", "blue ledger", "oak chest", "stone seal")
_NAMES = ("Abel", "Bruna", "Celia", "Dorian", "Edda", "Fabio", "Greta", "Hanno", "Ilse", "Jonas", "Kira", "Levin")
_FAMILIES = ("Arden", "Brook", "Castell", "Dahl", "Ekman", "Farrow", "Grimm", "Holm", "Ivers", "Jansen")
_TOWNS = ("Aldmoor", "Birkstead", "Coldwater", "Dunford", "Eastbay", "Fernleigh", "Greyhaven", "Hartwick")
_FACT = re.compile(
    r"In (\d{4}) (?:the ([a-z]+ [a-z]+) was kept by ([A-Z]\w+ [A-Z]\w+)|([A-Z]\w+ [A-Z]\w+) lived in ([A-Z]\w+)"
    r"|the mayor of ([A-Z]\w+) was ([A-Z]\w+ [A-Z]\w+))\."
)
_ASKED = re.compile(r"Who was the last mayor of the town where the last keeper of the ([a-z]+ [a-z]+) lived last\?")


@dataclass(frozen=True)
class Chains:
    name: str = "chains with contradictions"
    most_tokens: int = 10_000_000

    def make(self, tokens: int, seed: int) -> Task:
        rng = chance(self.name, tokens, seed)
        people = [f"{first} {last}" for first in _NAMES for last in _FAMILIES]
        rng.shuffle(people)
        facts: list[str] = []
        last: dict[tuple[str, str], str] = {}

        def state(kind: str, subject: str, values: Sequence[str], form: str) -> None:
            years = sorted(rng.sample(range(1990, 2026), len(values)))
            facts.extend(
                form.format(year=year, subject=subject, value=value) for year, value in zip(years, values, strict=True)
            )
            last[kind, subject] = values[-1]

        keepers: list[str] = []
        for place, thing in enumerate(_THINGS):
            own = people[3 * place : 3 * place + 3]
            keepers += own
            state("keeper", thing, own, "In {year} the {subject} was kept by {value}.")
        for person in keepers:
            state("town", person, rng.sample(_TOWNS, 3), "In {year} {subject} lived in {value}.")
        for place, town in enumerate(_TOWNS):
            state(
                "mayor", town, people[40 + 3 * place : 43 + 3 * place], "In {year} the mayor of {subject} was {value}."
            )
        paragraphs = list(filled(tokens * CHARS_PER_TOKEN, lambda: paragraph(rng)))
        for fact in facts:
            paragraphs[rng.randrange(len(paragraphs))] += f" {fact}"
        thing = rng.choice(_THINGS)
        truth = last["mayor", last["town", last["keeper", thing]]]
        asked = f"Who was the last mayor of the town where the last keeper of the {thing} lived last?"
        question = f"{asked} Reply with the name alone."
        return Task(self.name, tokens, seed, question, documents_of(paragraphs, "page"), truth)

    def score(self, truth: Any, answer: str) -> float:
        return exact(truth, answer)

    def knows(self, question: str) -> bool:
        return _ASKED.match(question) is not None

    def notes(self, question: str, text: str, eye: Eye) -> list[str]:
        return eye.noticed(list(dict.fromkeys(match[0] for match in _FACT.finditer(text))))

    def answer(self, question: str, notes: Sequence[str]) -> str:
        found = _ASKED.match(question)
        assert found is not None
        latest: dict[tuple[str, str], tuple[int, str]] = {}
        for note in notes:
            for fact in _FACT.finditer(note):
                year, thing, keeper, person, town, of, mayor = fact.groups()
                kind = (
                    ("keeper", thing, keeper) if thing else ("town", person, town) if person else ("mayor", of, mayor)
                )
                latest[kind[:2]] = max(latest.get(kind[:2], (0, "")), (int(year), kind[2]))
        subject = found[1]
        for kind in ("keeper", "town", "mayor"):
            subject = latest.get((kind, subject), (0, "unknown"))[1]
        return subject

    def code(self, question: str, depth: int) -> str:
        found = _ASKED.match(question)
        assert found is not None
        return rf"""def last(pattern):
    facts = search(pattern, limit=None)
    best = max(facts, key=lambda m: int(m.groups[0]), default=None)
    return "unknown" if best is None else cite(best.text, best.id) and best.groups[1]
keeper = last(r"In (\d{{4}}) the {found[1]} was kept by ([A-Z]\w+ [A-Z]\w+)")
town = last(rf"In (\d{{{{4}}}}) {{keeper}} lived in ([A-Z]\w+)")
answer["content"] = last(rf"In (\d{{{{4}}}}) the mayor of {{town}} was ([A-Z]\w+ [A-Z]\w+)")
answer["ready"] = True"""
