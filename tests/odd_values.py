"""Values that users have in metadata and that cannot be written as JSON."""

from __future__ import annotations

from typing import NoReturn


class Mute:
    def __str__(self) -> NoReturn:
        raise KeyError("no words")

    __repr__ = __str__


def nested(deep: int) -> object:
    value: object = 1
    for _ in range(deep):
        value = [value]
    return value


ODD = {"huge": 10**5_000, "deep": nested(3_000), "mute": Mute()}
