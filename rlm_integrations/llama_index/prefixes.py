"""Which of many texts stand at a place of another one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

_TRIED = 16
"""Texts that begin alike: so many are tried at one place."""


class Prefixes:
    """Looks at a place in time that hardly grows with the number of texts.

    Where many places begin as long texts do, it stops after `most` characters that it looked at, and finds no more.
    """

    def __init__(self, texts: Iterable[str], most: int) -> None:
        self._most = most
        self.looked_at = 0
        self._texts = sorted(texts)
        self._longest = max(map(len, self._texts), default=0)
        self._shorter: list[int] = []
        """For each text the longest other one that it begins with; -1 where there is none."""
        begun: list[int] = []
        for number, text in enumerate(self._texts):
            while begun and not text.startswith(self._texts[begun[-1]]):
                begun.pop()
            self._shorter.append(begun[-1] if begun else -1)
            begun.append(number)

    def at(self, text: str, place: int) -> Iterator[str]:
        """Those that stand there, the longest first."""
        if self.looked_at >= self._most:
            return
        here = text[place : place + self._longest]
        self.looked_at += len(here)
        number = bisect_right(self._texts, here) - 1  # all that `here` begins with, this one begins with
        for _ in range(_TRIED):
            if number < 0:
                return
            if here.startswith(self._texts[number]):
                yield self._texts[number]
            number = self._shorter[number]
