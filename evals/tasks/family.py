"""What a family of tasks is: how its tasks are made and scored; and, for simulated models, how one reads and codes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

CHARS_PER_TOKEN = 4
T = TypeVar("T")


@dataclass(frozen=True)
class Task:
    """One question over documents, with its truth."""

    family: str
    tokens: int
    """About so many have all documents."""
    seed: int
    question: str
    documents: dict[str, str] = field(repr=False)
    truth: Any


class Eye(Protocol):
    """How well a simulated reader reads one prompt. Chance is the prompt's own, so equal prompts are read equally."""

    def noticed(self, items: Sequence[T]) -> list[T]:
        """Those of the items that it does not overlook."""
        ...

    def taken_for(self, value: str, others: Sequence[str], items: int) -> str:
        """What it takes a value for, of so many that it reads: mostly what it is, else one of the others."""
        ...


class Family(Protocol):
    """A kind of task."""

    @property
    def name(self) -> str: ...
    @property
    def most_tokens(self) -> int:
        """Up to which length it is made: a simulated reader reads each word."""
        ...

    def make(self, tokens: int, seed: int) -> Task:
        """Equal arguments give equal tasks."""
        ...

    def score(self, truth: Any, answer: str) -> float: ...
    def knows(self, question: str) -> bool:
        """Whether the question is one of its own, or one that its code asks sub-LMs."""
        ...

    def notes(self, question: str, text: str, eye: Eye) -> list[str]:
        """Lines with what bears on the question in a text, or in other such lines."""
        ...

    def answer(self, question: str, notes: Sequence[str]) -> str:
        """The answer from notes on all that was read."""
        ...

    def code(self, question: str, depth: int) -> str:
        """What a root LM runs for the question: it may call nobody (`depth` 0), sub-LMs (1), child RLMs too (2)."""
        ...


def chance(*parts: object) -> random.Random:
    """Chance that depends on these alone, in every process."""
    return random.Random(repr(parts))


def documents_of(paragraphs: Iterable[str], prefix: str, chars: int = 2_000) -> dict[str, str]:
    """Documents of about so many characters."""
    documents: dict[str, str] = {}
    held: list[str] = []
    size = 0
    for paragraph in paragraphs:
        held.append(paragraph)
        size += len(paragraph) + 1
        if size >= chars:
            documents[f"{prefix}-{len(documents):05}"] = "\n".join(held)
            held, size = [], 0
    if held:
        documents[f"{prefix}-{len(documents):05}"] = "\n".join(held)
    return documents


def filled(chars: int, make: Callable[[], str]) -> Iterator[str]:
    """Paragraphs until they have so many characters."""
    while chars > 0:
        paragraph = make()
        chars -= len(paragraph) + 1
        yield paragraph
