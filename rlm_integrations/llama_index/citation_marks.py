"""`[n]` in an answer, where it rests on the n-th source. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from rlm_integrations.core.trace.citations import Citation

_SEARCHED_CHARS = 12
"""A shorter quote ("1874") stands in many a sentence that it does not support."""
_SIGN = "\x00"
"""Stands around a number while marks are placed, so that `row[1][1]` in an answer is not taken for two of them."""


@cache
def inline_instructions() -> str:
    """What the root LM is told where marks are asked for."""
    return Path(__file__).with_name("inline_citations.md").read_text(encoding="utf-8").rstrip("\n")


def mark_citations(text: str, citations: Sequence[Citation], sources: Sequence[Sequence[int]]) -> str:
    """The text with the numbers of each citation's sources: "In May [1], or in June [2][3]."

    `sources` are the numbers for each citation, from 1; one without any gets no mark. A mark stands where the root LM
    put what `cite` returned, else after the quote where the text repeats it, else at the end of the text.
    """
    at_end: list[int] = []
    for citation, numbers in zip(citations, sources, strict=True):
        marks = "".join(f"{_SIGN}{number}{_SIGN}" for number in numbers)
        placed = _returned(citation).sub(lambda found, marks=marks: _spaced(found[1], marks), text)
        end = _end_of_quote(text, citation.cited_text) if numbers and placed == text else None
        if end is not None:
            placed = f"{text[:end]} {marks}{text[end:]}"
        if placed == text:
            at_end += numbers
        text = placed
    left = [f"{_SIGN}{number}{_SIGN}" for number in dict.fromkeys(at_end)]
    if unplaced := "".join(mark for mark in left if mark not in text):
        text = f"{text.rstrip()} {unplaced}"
    once = re.sub(rf"({_SIGN}\d+{_SIGN})(?: ?\1)+", r"\1", text)
    return re.sub(rf"{_SIGN}(\d+){_SIGN}", r"[\1]", once)


def _returned(citation: Citation) -> re.Pattern[str]:
    """What `cite` gave for it, in brackets or not, and the character before."""
    returned = re.escape(f"cited {citation.document_id}[{citation.start_index}:{citation.end_index}]")
    return re.compile(rf"(^|.)(?:\({returned}\)|{returned})", re.DOTALL)


def _spaced(before: str, marks: str) -> str:
    if not marks:
        return before.rstrip()
    apart = before and not (before.isspace() or before in f"[({_SIGN}")
    return f"{before}{' ' if apart else ''}{marks}"


def _end_of_quote(text: str, quote: str) -> int | None:
    """Where the first repetition of the quote in the text ends, quotation marks included."""
    if len(quote) < _SEARCHED_CHARS:
        return None
    words = r"\s+".join(map(re.escape, quote.split()))
    found = re.search(rf"(?<!\w){words}(?!\w)[\"'”’»`]*", text)
    return None if found is None else found.end()
