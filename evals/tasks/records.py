"""Records of short questions, each of which asks for one kind of thing, with or without its label: OOLONG's form."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

_SHAPES = {
    "person": ("Who built the {x}?", "Which sailor first saw the {x}?", "Name the woman behind the {x}."),
    "place": ("Where does the {x} stand?", "Which town is known for the {x}?", "What country did the {x} come from?"),
    "number": (
        "How many doors has the {x}?",
        "What was the length of the {x} in feet?",
        "In what year did the {x} open?",
    ),
    "reason": ("Why was the {x} closed?", "What led to the loss of the {x}?", "For what cause was the {x} moved?"),
    "thing": ("What colour is the {x}?", "Which tool mends the {x}?", "What was sold with the {x}?"),
}
"""The words at the head of a question do not give its kind away: "which" and "what" begin four of five."""
KINDS = tuple(_SHAPES)
_OF = {re.escape(shape).replace(r"\{x\}", r"[\w ]+?"): kind for kind, shapes in _SHAPES.items() for shape in shapes}
_KIND = re.compile("|".join(f"({pattern})" for pattern in _OF))
_THINGS = (
    "north tower",
    "grey mill",
    "long pier",
    "toll house",
    "glass works",
    "iron gate",
    "old library",
    "fish market",
)
RECORD = re.compile(r"^Record (\d+) \| user (\d+) \| (\d{4}-\d\d-\d\d) \| (?:label: (\w+) \| )?(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Record:
    number: int
    user: int
    date: str
    text: str
    kind: str

    def line(self, *, labelled: bool) -> str:
        label = f"label: {self.kind} | " if labelled else ""
        return f"Record {self.number} | user {self.user} | {self.date} | {label}{self.text}"


def make_records(rng: random.Random, chars: int, users: int, *, labelled: bool) -> list[Record]:
    """So many characters of them. Kinds are uneven, so that counts differ."""
    weights = [rng.uniform(0.5, 3.0) for _ in KINDS]
    records: list[Record] = []
    while chars > 0:
        [kind] = rng.choices(KINDS, weights)
        text = rng.choice(_SHAPES[kind]).format(x=rng.choice(_THINGS))
        date = f"{rng.randrange(2019, 2026)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
        record = Record(len(records) + 1, rng.randrange(1, users + 1), date, text, kind)
        records.append(record)
        chars -= len(record.line(labelled=labelled)) + 1
    return records


def kind_of(text: str) -> str:
    """What a question asks for, to whoever reads it well."""
    found = _KIND.fullmatch(text)
    assert found is not None, text
    assert found.lastindex is not None
    return list(_OF.values())[found.lastindex - 1]


def records_in(text: str) -> list[tuple[int, int, str | None, str]]:
    """(number, user, label, question) of each record."""
    return [(int(each[1]), int(each[2]), each[4], each[5]) for each in RECORD.finditer(text)]


LABEL = (
    f"What does each record ask for: a {', a '.join(KINDS[:-1])} or another {KINDS[-1]}? Reply with a line for each "
    "record, as `12: place`."
)
"""What code asks sub-LMs of a part of unlabelled records."""
