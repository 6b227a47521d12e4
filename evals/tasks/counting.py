"""Counting over records (OOLONG-synth's form): how many, the most common kind, and comparisons."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Any

from evals.scoring import oolong
from evals.tasks.family import CHARS_PER_TOKEN, Eye, Task, chance, documents_of
from evals.tasks.records import KINDS, LABEL, kind_of, make_records, records_in

_COUNTED = re.compile(r"(\w+) (\d+)")
_TOLD = "Counted: "
_LABELLED = "Going by their labels"
_READ = "Going by what they ask for"


@dataclass(frozen=True)
class Counting:
    labelled: bool

    @property
    def name(self) -> str:
        return "counting labels" if self.labelled else "counting by meaning"

    @property
    def most_tokens(self) -> int:
        return 10_000_000 if self.labelled else 512_000

    def make(self, tokens: int, seed: int) -> Task:
        rng = chance(self.name, tokens, seed)
        records = make_records(rng, tokens * CHARS_PER_TOKEN, 50, labelled=self.labelled)
        counts = Counter(record.kind for record in records)
        one, other = rng.sample(KINDS, 2)
        by = _LABELLED if self.labelled else _READ
        asked: list[tuple[str, Any]] = [
            (f"{by}: how many of the records are of the kind {one}? Reply with the number alone.", counts[one]),
            (f"{by}: which kind has the most records? Reply with the kind alone.", _most(counts)),
            (
                f"{by}: is the kind {one} more common than, less common than, or of the same frequency as the "
                f"kind {other}? Reply with 'more common than', 'less common than' or 'same frequency as'.",
                _compared(counts[one], counts[other]),
            ),
        ]
        question, truth = asked[seed % len(asked)]
        lines = [record.line(labelled=self.labelled) for record in records]
        return Task(self.name, tokens, seed, question, documents_of(lines, "log", 4_000), truth)

    def score(self, truth: Any, answer: str) -> float:
        return oolong(truth, answer)

    def knows(self, question: str) -> bool:
        return question.startswith(_LABELLED) if self.labelled else question.startswith((_READ, LABEL[:40]))

    def notes(self, question: str, text: str, eye: Eye) -> list[str]:
        labels = labels_read(text, eye)
        if question.startswith(LABEL[:40]):
            return [f"{number}: {kind}" for number, kind in labels]
        counts = Counter(kind for _, kind in labels)
        for line in text.splitlines():
            if line.startswith(_TOLD):
                counts.update({kind: int(n) for kind, n in _COUNTED.findall(line)})
        return [_TOLD + ", ".join(f"{kind} {n}" for kind, n in sorted(counts.items()))] if counts else []

    def answer(self, question: str, notes: Sequence[str]) -> str:
        if question.startswith(LABEL[:40]):
            return "\n".join(notes)
        counts: Counter[str] = Counter()
        for note in notes:
            counts.update({kind: int(n) for kind, n in _COUNTED.findall(note.removeprefix(_TOLD))})
        kinds = re.findall(r"the kind (\w+)", question)
        if "how many" in question:
            return str(counts[kinds[0]])
        return _most(counts) if "which kind" in question else _compared(counts[kinds[0]], counts[kinds[1]])

    def code(self, question: str, depth: int) -> str:
        if question.startswith(LABEL[:40]):  # a child RLM's, over its share
            end = """answer["content"] = "\\n".join(f"{n}: {kind}" for n, kind in sorted(kinds.items()))
answer["ready"] = True"""
        else:
            end = _answer_code(question)
        return f"{count_code(labelled=self.labelled, depth=depth)}\n{end}"


def labels_read(text: str, eye: Eye) -> list[tuple[int, str]]:
    """(number, kind) of each record that a reader notices, as it takes it."""
    found = records_in(text)
    items = len(found)
    return [
        (number, eye.taken_for(label or kind_of(asked), KINDS, items)) for number, _, label, asked in eye.noticed(found)
    ]


def count_code(*, labelled: bool, depth: int) -> str:
    """Code that fills `kinds`, by the record's number. What has no label must be read: without sub-LMs it guesses.

    With child RLMs it gives each of up to eight a share of a long log, to have that read as it would itself.
    """
    texts = "texts = [d['text'] for d in context]"
    if labelled:
        return rf"""import re
{texts}
kinds = {{int(n): kind for t in texts for n, kind in re.findall(r"^Record (\d+) .*\| label: (\w+) \|", t, re.M)}}"""
    if not depth:
        return rf"""import re
{texts}
guesses = {{"Who": "person", "Where": "place", "How": "number", "Why": "reason"}}
lines = [found for t in texts for found in re.findall(r"^Record (\d+) .*\| (\w+) [^|]*$", t, re.M)]
kinds = {{int(n): guesses.get(word, "thing") for n, word in lines}}"""
    looks = r"""parts = chunks(size=6_000)
replies = llm_query_batched([f"{part}\n\nQuestion:\n{ask}" for part in parts])"""
    if depth > 1:
        looks = f"""size = max(16, -(-len(context) // 8))
shares = [context[at : at + size] for at in range(0, len(context), size)]
if len(shares) > 1:
    replies = rlm_query_batched([(ask, share) for share in shares])
else:
{indent(looks, "    ")}"""
    return rf"""import re
ask = {LABEL!r}
{looks}
kinds = {{int(n): kind for r in replies for n, kind in re.findall(r"(\d+): (\w+)", r)}}
numbers = {{int(m.groups[0]) for m in search(r"^Record (\d+) ", limit=None)}}
missing = numbers - kinds.keys()
if missing:
    lines = search(r"^Record (\d+) .*", limit=None)
    again = [m.text for m in lines if int(m.groups[0]) in missing]
    texts = ["\n".join(again[at : at + 50]) for at in range(0, len(again), 50)]
    for r in llm_query_batched([f"{{text}}\n\nQuestion:\n{{ask}}" for text in texts]):
        kinds |= {{int(n): kind for n, kind in re.findall(r"(\d+): (\w+)", r)}}"""


def _answer_code(question: str) -> str:
    kinds = re.findall(r"the kind (\w+)", question)
    if "how many" in question:
        content = f"counts[{kinds[0]!r}]"
    elif "which kind" in question:
        content = "min(counts, key=lambda kind: (-counts[kind], kind))"
    else:
        one, other = kinds
        content = (
            f"'more common than' if counts[{one!r}] > counts[{other!r}] else 'less common than' "
            f"if counts[{one!r}] < counts[{other!r}] else 'same frequency as'"
        )
    return f"""from collections import Counter
counts = Counter(kinds.values())
answer["content"] = {content}
answer["ready"] = True"""


def _most(counts: Counter[str]) -> str:
    return min(counts, key=lambda kind: (-counts[kind], kind)) if counts else "unknown"


def _compared(one: int, other: int) -> str:
    return "more common than" if one > other else "less common than" if one < other else "same frequency as"
