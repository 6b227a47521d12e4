"""The demo's first corpus: 240 support messages, a question over all of them, and the truth about it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent / "data"

MESSAGES_QUESTION = """\
The corpus is what customers of Larderly, which delivers crates of ingredients with recipe cards, wrote to it in 2025. \
Which messages are from people on their way out: the writer lets us know, in whatever words, that they are done with \
Larderly or soon will be? (A complaint alone, a pause, a threat with an "if" and a change of heart are not that.) \
Go through all messages, and cite four of those you find.
Answer in five lines, each a name, a colon and the value:
messages: how many there are
month: the month that has most of them, as YYYY-MM
writer: the user who wrote most of them
people: how many different users wrote them
reported: how many of these users had reported a fault of a delivery, the food, a recipe or the app (money matters \
aside) before the first of theirs"""

MESSAGES_ANSWER = ("messages", "month", "writer", "people", "reported")
"""The lines of the answer."""


@dataclass(frozen=True, slots=True)
class SupportMessage:
    id: str
    text: str
    user: str
    date: str
    """As YYYY-MM-DD."""

    @property
    def metadata(self) -> dict[str, str]:
        return {"user": self.user, "date": self.date}


def read_messages() -> list[SupportMessage]:
    """The messages, in order of their dates."""
    lines = (DATA / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    return [SupportMessage(item["id"], item["text"], **item["metadata"]) for item in map(json.loads, lines)]


def read_categories() -> dict[str, str]:
    """The one category of each message: id -> "leaving", "broken", "money", "praise", "wish" or "how_to"."""
    return json.loads((DATA / "truth.json").read_text(encoding="utf-8"))["categories"]


def true_answer(messages: Sequence[SupportMessage], categories: Mapping[str, str]) -> dict[str, str]:
    """What the right answer has in each of its lines."""
    leaving = [message for message in messages if categories[message.id] == "leaving"]
    first: dict[str, str] = {}
    for message in sorted(leaving, key=lambda message: message.date):
        first.setdefault(message.user, message.date)
    reported = {
        message.user
        for message in messages
        if categories[message.id] == "broken" and message.date < first.get(message.user, "")
    }
    return {
        "messages": str(len(leaving)),
        "month": _most(message.date[:7] for message in leaving),
        "writer": _most(message.user for message in leaving),
        "people": str(len(first)),
        "reported": str(len(reported)),
    }


def _most(values: Iterable[str]) -> str:
    return Counter(values).most_common(1)[0][0]


def answer_lines(answer: str, names: Sequence[str]) -> dict[str, str]:
    """The value of each line `name: value` of an answer; a name that has no line is left out."""
    found: dict[str, str] = {}
    for line in answer.splitlines():
        name, colon, value = line.strip(" -*`").partition(":")
        if colon and name.strip(" *`").lower() in names:
            found.setdefault(name.strip(" *`").lower(), value.strip(" *`"))
    return found
