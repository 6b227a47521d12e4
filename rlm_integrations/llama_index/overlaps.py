"""How much of a chunk stands at the end of the one before it too. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rlm_integrations.frozen import frozen

LEAST_OVERLAP = 16
"""Characters. Less than so many are alike by chance."""
_TRIED = 16
_MOST_OVERLAP = 10_000
"""Characters. A splitter has chunks overlap by a few hundred."""


def overlap_of_neighbours(before: str, text: str, claimed: int, *, linked: bool) -> tuple[int, bool]:
    """Characters at the start of `text` that stand at the end of `before` too, and whether that is a guess.

    `claimed` is what the positions say. They are those of the first place where a chunk's text stands after the
    start of the one before, so in repetitive text they overlap far too much, and most of the text would be lost.
    An overlap of more than half is taken for that where a smaller one fits, and the smallest that fits for the real
    one: where every line is the same that is a guess.

    `linked`: the two are known to follow each other, so neither is a part of the other. Where that is not known,
    positions that are not the first place where the text stands are the real ones.
    """
    most = min(len(before), len(text)) // 2
    if claimed <= most:
        return claimed, False
    otherwise = claimed if claimed < len(text) or not linked else 0
    if most < LEAST_OVERLAP:
        return otherwise, False
    fitting = [each for each in _shared(before[-most:], text[:most]) if each >= LEAST_OVERLAP]
    if not fitting:
        return otherwise, False
    if not linked and before.find(text[:claimed], 1) != len(before) - claimed:
        return claimed, False
    return min(fitting), True


def overlaps_by_text(before: str, text: str) -> list[int]:
    """How long a stretch may be that ends `before` and begins `text`, where nothing is known of their positions.

    Shorter ones than chance makes are left out, and so is the whole of either, which need not be an overlap.
    """
    end, most = before[-LEAST_OVERLAP:], min(len(before), len(text)) - 1
    fitting: list[int] = []
    at = text.find(end)
    while at >= 0 and at + len(end) <= most:
        if len(fitting) == _TRIED:  # of a text that repeats itself, in time linear in it
            return [each for each in _shared(before[-most:], text[:most]) if each >= LEAST_OVERLAP]
        if before.endswith(text[: at + len(end)]):
            fitting.append(at + len(end))
        at = text.find(end, at + 1)
    return fitting if most >= LEAST_OVERLAP else []


def _shared(before: str, text: str) -> Iterator[int]:
    """How many characters the end of the one may share with the beginning of the other, in time linear in both.

    As Knuth, Morris and Pratt match a text: of each of its beginnings it is known which shorter ones end it.
    """
    shorter = [0] * len(text)
    length = 0
    for at in range(1, len(text)):
        while length and text[at] != text[length]:
            length = shorter[length - 1]
        length += text[at] == text[length]
        shorter[at] = length
    length = 0
    for char in before:
        while length and (length == len(text) or char != text[length]):
            length = shorter[length - 1]
        length += char == text[length]
    while length:
        yield length
        length = shorter[length - 1]


@frozen
class Overlapping:
    """Texts that overlap, by their numbers, with the place where each stands in what they make up together."""

    places: Mapping[int, int]
    sure: bool
    """Whether each overlap agrees with all others; where texts repeat themselves they do not."""


def overlapping(texts: Sequence[str]) -> Iterator[Overlapping]:
    """Those that begin with the end of another one, and those others."""
    apart: dict[int, dict[int, int]] = {}
    doubtful: set[int] = set()
    for before, after, distance in _continued(texts):
        doubtful.update((before,) if apart.setdefault(before, {}).get(after, distance) != distance else ())
        apart[before][after] = distance
        apart.setdefault(after, {})[before] = -distance
    while apart:
        places = {next(iter(apart)): 0}
        waiting, sure = [*places], True
        while waiting:
            at = waiting.pop()
            sure = sure and at not in doubtful
            for other, distance in apart.pop(at).items():
                if other not in places:
                    places[other] = places[at] + distance
                    waiting.append(other)
                sure = sure and places[other] == places[at] + distance
        first = min(places.values())
        yield Overlapping({number: place - first for number, place in places.items()}, sure)


def _continued(texts: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """A text, another that begins with its end, and how far after the one the other begins."""
    beginning: dict[str, list[int]] = {}
    for number, text in enumerate(texts):
        if len(text) > LEAST_OVERLAP and any(map(str.isalnum, text[:LEAST_OVERLAP])):
            beginning.setdefault(text[:LEAST_OVERLAP], []).append(number)
    for before, text in enumerate(texts):
        tries = _TRIED * _TRIED  # of a text that repeats itself, which is in doubt long before
        for at in range(max(1, len(text) - _MOST_OVERLAP), len(text) - LEAST_OVERLAP + 1):
            for after in beginning.get(text[at : at + LEAST_OVERLAP], ())[:_TRIED]:
                tries -= 1
                if after != before and len(texts[after]) > len(text) - at and texts[after].startswith(text[at:]):
                    yield before, after, at
            if tries <= 0:
                break
