"""Needles in a haystack: one key, or several keys among a hundred others (RULER's S-NIAH and MK-NIAH)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evals.scoring import substring_recall
from evals.tasks.family import CHARS_PER_TOKEN, Eye, Task, chance, documents_of, filled
from evals.tasks.filler import paragraph

_ADJECTIVES = (
    "amber",
    "brisk",
    "copper",
    "dusty",
    "early",
    "frosty",
    "gentle",
    "hollow",
    "ivory",
    "jolly",
    "keen",
    "lunar",
)
_NOUNS = (
    "anchor",
    "basket",
    "candle",
    "drawer",
    "engine",
    "ferry",
    "garden",
    "hammer",
    "island",
    "jacket",
    "kettle",
    "ladder",
)
_KEYS = [f"{adjective} {noun}" for adjective in _ADJECTIVES for noun in _NOUNS]
_NEEDLE = re.compile(r"The access code of the (\w+ \w+) is (\d{7})\.")
_ASKED = re.compile(r"(?:the|The) (\w+ \w+)(?=,| and|\?)")
_QUESTION = "the access code"


@dataclass(frozen=True)
class Needles:
    several: bool
    most_tokens: int = 10_000_000

    @property
    def name(self) -> str:
        return "keys among many" if self.several else "one needle"

    def make(self, tokens: int, seed: int) -> Task:
        rng = chance(self.name, tokens, seed)
        keys = rng.sample(_KEYS, 100 if self.several and tokens > 20_000 else 20 if self.several else 1)
        codes = {key: str(rng.randrange(10**6, 10**7)) for key in keys}
        asked = keys[: 4 if self.several else 1]
        needles = [f"The access code of the {key} is {code}." for key, code in codes.items()]
        paragraphs = list(filled(tokens * CHARS_PER_TOKEN, lambda: paragraph(rng)))
        for needle in needles:
            place = rng.randrange(len(paragraphs))
            paragraphs[place] += f" {needle}"
        named = ", ".join(f"the {key}" for key in asked[:-1])
        listed = f"{named} and the {asked[-1]}" if named else f"the {asked[0]}"
        form = "codes, in this order, with commas between" if self.several else "code alone"
        question = f"What is {_QUESTION} of {listed}? Reply with the {form}."
        return Task(self.name, tokens, seed, question, documents_of(paragraphs, "page"), [codes[key] for key in asked])

    def score(self, truth: Any, answer: str) -> float:
        return substring_recall(truth, answer)

    def knows(self, question: str) -> bool:
        return _QUESTION in question and (len(_keys_in(question)) > 1) == self.several

    def notes(self, question: str, text: str, eye: Eye) -> list[str]:
        found = [match[0] for match in _NEEDLE.finditer(text)]
        asked = _keys_in(question)
        noticed = [needle for needle in eye.noticed(found) if (match := _NEEDLE.match(needle)) and match[1] in asked]
        return list(dict.fromkeys(noticed))

    def answer(self, question: str, notes: Sequence[str]) -> str:
        codes = {match[1]: match[2] for note in notes for match in _NEEDLE.finditer(note)}
        return ", ".join(codes.get(key, "unknown") for key in _keys_in(question))

    def code(self, question: str, depth: int) -> str:
        return f"""asked = {_keys_in(question)!r}
codes = []
for key in asked:
    found = search(rf"access code of the {{key}} is (\\d+)")
    codes.append(found[0].groups[0] if found else "unknown")
    if found:
        cite(found[0].text, found[0].id)
answer["content"] = ", ".join(codes)
answer["ready"] = True"""


def _keys_in(question: str) -> list[str]:
    return [key for key in _ASKED.findall(question.partition("code of ")[2]) if key in _KEYS]
