"""Anchors: short stretches of documents, by which a longer one that stands elsewhere is found, and told apart.

Which stretches are anchors, their own characters alone decide. So an anchor of one document is an anchor in each other
document that holds it, and one that the index knows from a single document stands in no other.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.frozen import frozen

ANCHOR_CHARS = 32
_INDEXED_CHARS = 64_000_000
"""A larger corpus has no anchors: a stretch could stand in a part of it that was not looked at."""
_ANCHORS = 1 << 18
"""About so many are kept, evenly spread: they take some 30 MB."""
_STARTS = ((256_000, 1 / 4), (4_000_000, 1 / 8), (_INDEXED_CHARS, 1 / 20))
"""Up to so many characters of text, about this share of them begins an anchor."""
_SAMPLES, _SAMPLE_CHARS = 1_024, 256
_INDENT_CHARS = 128
_PLACE_BITS = 40
_SEVERAL_DOCUMENTS = -1


@frozen
class AnchorChoice:
    """Which stretches are anchors: those that begin with certain characters, and of these, if need be, a part."""

    starts: re.Pattern[str]
    """One character."""
    mask: int
    """An anchor is kept where its checksum has none of these bits; 0 keeps all."""
    always: frozenset[int]
    """Checksums of anchors that are kept whatever the mask: the beginnings of documents."""

    @classmethod
    def of(cls, documents: Sequence[Document]) -> AnchorChoice:
        chars = sum(len(document.text) for document in documents)
        share = next((share for up_to, share in _STARTS if chars <= up_to), _STARTS[-1][1])
        first = Counter(char for document in documents if (char := _beginning(document.text)[:1].strip()))
        starts = re.compile(f"[{re.escape(''.join(_start_chars(documents, first, share)))}]")
        keep_one_in = 1
        while chars * share / keep_one_in > _ANCHORS:
            keep_one_in *= 2
        if keep_one_in == 1:
            return cls(starts, 0, frozenset())
        beginnings = (_beginning(document.text) for document in islice(documents, _ANCHORS))
        always = frozenset(_checksum(text) for text in beginnings if len(text) == ANCHOR_CHARS)
        return cls(starts, keep_one_in - 1, always)

    def anchors(self, text: str, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, int]]:
        """Where anchors begin in the text, and their keys."""
        mask, always = self.mask, self.always
        last = len(text) if stop is None else min(stop, len(text))
        for found in self.starts.finditer(text, start, max(start, last - ANCHOR_CHARS + 1)):
            at = found.start()
            anchor = text[at : at + ANCHOR_CHARS]
            if mask and (checksum := _checksum(anchor)) & mask and checksum not in always:
                continue
            yield at, hash(anchor)


class AnchorIndex:
    """The anchors of documents, and where they stand. It is made in time that grows with the text alone."""

    def __init__(self, documents: Sequence[Document], choice: AnchorChoice | None = None) -> None:
        self.chars = sum(len(document.text) for document in documents)
        self.too_large = self.chars > _INDEXED_CHARS
        self._places: dict[int, int] = {}
        self.choice = choice or AnchorChoice.of(() if self.too_large else documents)
        for number, document in enumerate(() if self.too_large else documents):
            self._add(number, document.text)

    def _add(self, number: int, text: str) -> None:
        places, own = self._places, number << _PLACE_BITS
        for at, key in self.choice.anchors(text):
            place = own | at << 1
            known = places.setdefault(key, place)
            if known != place and known != _SEVERAL_DOCUMENTS:
                places[key] = known | 1 if known >> _PLACE_BITS == number else _SEVERAL_DOCUMENTS

    @property
    def keys(self) -> Collection[int]:
        return self._places.keys()

    def place_of(self, key: int) -> tuple[int, int, bool] | None:
        """The number of the one document that holds the anchor, where, and whether it holds it but once."""
        place = self._places.get(key, _SEVERAL_DOCUMENTS)
        if place == _SEVERAL_DOCUMENTS:
            return None
        return place >> _PLACE_BITS, (place & (1 << _PLACE_BITS) - 1) >> 1, not place & 1


def _checksum(text: str) -> int:
    """Says which anchors are kept, the same ones in each process. Their keys are hashes that nobody can foresee: of two
    texts with one key, neither would be found.
    """
    return zlib.crc32(text.encode("utf-16-le", "surrogatepass"))


def _beginning(text: str) -> str:
    head = text[:_INDENT_CHARS]
    space = len(head) - len(head.lstrip())
    return text[space : space + ANCHOR_CHARS]


def _start_chars(documents: Sequence[Document], first: Counter[str], share: float) -> list[str]:
    """Characters that make up about that share of the text: those that documents begin with, rare ones first."""
    counts = _sample(documents)
    total = max(1, counts.total())
    others = sorted(
        (char for char in counts if not char.isspace() and char not in first),
        key=lambda char: (ord(char) * 40_503) % 65_521,
    )
    chosen: list[str] = []
    used = 0
    for char in [*sorted(first, key=lambda char: (counts[char] / first[char], char)), *others]:
        if used + counts[char] <= share * total * (1.5 if used < share * total / 2 else 1):
            chosen.append(char)
            used += counts[char]
    if used < share * total / 2 and (left := [char for char in counts if not char.isspace() and char not in chosen]):
        chosen.append(min(left, key=lambda char: (counts[char], char)))
    return chosen or ["\0"]


def _sample(documents: Sequence[Document]) -> Counter[str]:
    """How often characters occur, in some of the text from all parts of the corpus."""
    counts: Counter[str] = Counter()
    step = max(1, len(documents) // _SAMPLES)
    picked = documents[::step]
    pieces = max(1, _SAMPLES // max(1, len(picked)))
    for document in picked:
        apart = max(_SAMPLE_CHARS, len(document.text) // pieces)
        for start in range(0, len(document.text), apart):
            counts.update(document.text[start : start + _SAMPLE_CHARS])
    return counts
