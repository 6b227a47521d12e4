"""How much of a chunk stands at the end of the one before it too. Pure."""

from __future__ import annotations

from collections.abc import Iterator

LEAST_OVERLAP = 16
"""Characters. Less than so many are alike by chance."""
_TRIED = 16


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
