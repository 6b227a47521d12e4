"""Where a quote stands in a text: letter for letter, or else with other white space. In time linear in both."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from itertools import accumulate

_WORD = re.compile(r"\S++")
_MARKS = "\"'`“”„‘’«»"


class QuotedText:
    """A text in which quotes are looked for. Its words are taken apart once, and where a quote needs it alone."""

    def __init__(self, text: str) -> None:
        self._text = text

    def find(self, quote: str) -> tuple[int, int] | None:
        """Start and end of its first place, with quotation marks or without; None where it does not stand there."""
        words = quote.strip()
        inner = words.strip(_MARKS).strip()
        for each in (words, inner) if inner != words else (words,):
            if each and (found := self._find(each)) is not None:
                return found
        return None

    def _find(self, words: str) -> tuple[int, int] | None:
        at = self._text.find(words)
        if at >= 0:
            return at, at + len(words)
        wanted = " ".join(words.split())
        spaced, starts, originals = self._spaced
        at = spaced.find(wanted)
        if at < 0:
            return None

        def original(place: int) -> int:
            number = bisect_right(starts, place) - 1
            return originals[number] + place - starts[number]

        return original(at), original(at + len(wanted) - 1) + 1

    @cached_property
    def _spaced(self) -> tuple[str, list[int], list[int]]:
        """Its words with a space between them; where each begins there, and in the text."""
        matches = list(_WORD.finditer(self._text))
        spaced = " ".join([match[0] for match in matches])
        starts = list(accumulate([len(match[0]) + 1 for match in matches], initial=0))
        return spaced, starts, [match.start() for match in matches]
