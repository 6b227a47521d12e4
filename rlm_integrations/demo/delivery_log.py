"""The demo's corpus: a year of a delivery service's log, made on the spot, and what its maker knows of it.

It is larger than any window. Code can find the crates that came warm and what their customers wrote afterwards, but
which of them are on their way out is a matter of meaning.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import count, product

from rlm_integrations.demo.messages import SupportMessage, read_messages
from rlm_integrations.frozen import frozen

QUESTION = """\
The corpus is the log of Larderly, which delivers crates of food: one document a day of 2025. Some crates arrived at \
more than 8 °C. Look at what their customers wrote on a later day: which of these messages are from people on their \
way out, who let us know, in whatever words, that they are done with Larderly or soon will be? (A complaint alone, a \
pause, a threat with an "if" and a change of heart are not that.) Cite three of them, and answer in four lines, each a \
name, a colon and the value:
crates: how many arrived at more than 8 °C
messages: how many their customers wrote on a later day
leaving: how many of these messages are from people on their way out
van: the number of the van that had brought most of these people their warm crate"""

ANSWER = ("crates", "messages", "leaving", "van")
"""The lines of the answer."""

_DAYS = [date(2025, 1, 1) + timedelta(days) for days in range(365)]
_TIMES = [f"{hour:02}:{minute:02}" for hour in range(7, 22) for minute in range(60)]
_VANS = [str(van) for van in range(11, 51)]
_BROKEN_VAN = "17"
_COLD, _WARM = ["2", "3", "4", "5", "6", "7", "8"], ["9", "10", "11", "13", "16"]
_FIRST = [
    "ada", "ben", "cleo", "dev", "edith", "finn", "gwen", "hugo", "ivy", "jon", "kim", "lars",
    "mina", "noor", "otto", "pia", "rosa", "sami", "tess", "uri", "vera", "wim",
]  # fmt: skip
_LAST = [
    "abel", "bauer", "cole", "dunn", "egan", "frey", "gill", "holt", "ince", "jung", "kerr", "lowe",
    "marsh", "nash", "orr", "page", "quinn", "reed", "shaw", "tate",
]  # fmt: skip


@frozen
class DeliveryLog:
    files: dict[str, str]
    """Name of a day's file -> its lines."""
    sought: tuple[SupportMessage, ...]
    """The messages that the question asks for."""
    truth: dict[str, str]
    """The right answer: name of a line -> its value."""

    @property
    def chars(self) -> int:
        return sum(map(len, self.files.values()))


def make_log(seed: int = 7, *, crates_a_day: int = 1200, messages_a_day: int = 300) -> DeliveryLog:
    """A log, the same for the same arguments.

    Two of three who wrote the hand-written messages have one warm crate, on a day before the last of these, and so have
    some others, who write nothing. All other crates are cold, and all other messages are from people without one.
    """
    chance = random.Random(seed)
    written = read_messages()
    warm = _warm_crates(chance, written)
    names = [f"{first}_{last}{n}" for n, first, last in product(range(1, 10), _FIRST, _LAST)]
    silent, others = names[:200], names[200:]
    warm |= {name: (chance.choice(_DAYS).isoformat(), chance.choice(_VANS)) for name in silent}
    later = [message for message in written if message.user in warm and message.date > warm[message.user][0]]
    sought = tuple(message for message in later if message.category == "leaving")
    vans = Counter(warm[user][1] for user in {message.user for message in sought})

    numbers = count(100_001)
    own_lines: dict[str, list[str]] = {}
    for customer, (day, van) in warm.items():
        line = _crate(chance.choice(_TIMES), next(numbers), customer, van, chance.choice(_WARM))
        own_lines.setdefault(day, []).append(line)
    for message in written:
        own_lines.setdefault(message.date, []).append(_wrote(chance.choice(_TIMES), message.user, message.text))

    sentences = _sentences(written)
    files: dict[str, str] = {}
    for day in map(date.isoformat, _DAYS):
        lines = own_lines.get(day, [])
        drawn = [chance.choices(each, k=crates_a_day) for each in (_TIMES, others, _VANS, _COLD)]
        lines += map(_crate, drawn[0], numbers, *drawn[1:])
        lines += [
            _wrote(time, name, _text(chance, sentences[meaning]))
            for time, name, meaning in zip(
                chance.choices(_TIMES, k=messages_a_day),
                chance.choices(others, k=messages_a_day),
                chance.choices(list(sentences), k=messages_a_day),
                strict=True,
            )
        ]
        files[f"{day}.log"] = "\n".join(sorted(lines)) + "\n"
    values = (len(warm), len(later), len(sought), vans.most_common(1)[0][0])
    truth = {label: str(value) for label, value in zip(ANSWER, values, strict=True)}
    return DeliveryLog(files, sought, truth)


def _warm_crates(chance: random.Random, written: Sequence[SupportMessage]) -> dict[str, tuple[str, str]]:
    """The one warm crate of two in three who wrote: the day it came, and its van."""
    last = {message.user: message.date for message in written}  # they are in order of their dates
    crates: dict[str, tuple[str, str]] = {}
    for user in chance.sample(list(last), len(last) * 2 // 3):
        before = [each.isoformat() for each in _DAYS if each.isoformat() < last[user]]
        crates[user] = (chance.choice(before), _BROKEN_VAN if chance.random() < 0.3 else chance.choice(_VANS))
    return crates


def _crate(time: str, number: int, customer: str, van: str, degrees: str) -> str:
    return f"{time} crate {number} to {customer}, van {van}, arrived at {degrees} °C"


def _wrote(time: str, customer: str, text: str) -> str:
    return f"{time} {customer} wrote: {text}"


def _sentences(messages: Iterable[SupportMessage]) -> dict[str, list[str]]:
    """Sentences of each meaning."""
    found: dict[str, list[str]] = {}
    for message in messages:
        found.setdefault(message.category, []).extend(re.split(r"(?<=[.!?]) ", message.text))
    return found


def _text(chance: random.Random, sentences: Sequence[str]) -> str:
    return f"{chance.choice(sentences)} {chance.choice(sentences)}"
