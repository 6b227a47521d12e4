"""`chunks`: the text of documents as strings of a bounded size, each part under its document's id and metadata."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rlm_integrations.repl.corpus_view import CorpusView
from rlm_integrations.repl.matches import Passage

_SEPARATOR = "\n\n"
_METADATA_CHARS = 300


class Chunks:
    """Holds the corpus and the largest size for the function that the model calls."""

    def __init__(self, corpus: CorpusView, ceiling: int) -> None:
        self._corpus = corpus
        self._ceiling = ceiling

    def chunks(self, docs: Any = None, size: int | None = None) -> list[str]:
        """All the text, or that of `docs` (ids, documents, matches or a text), as strings that each fit a sub-call.

        Each has at most `size` characters (by default, and at most, what fits), is cut at documents or lines, and
        carries `[document id | key: value]` above each part. A text without an id is cut into plain slices of itself.
        """
        if size is None:
            size = self._ceiling
        if not isinstance(size, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"size: {type(size).__name__} is not a number of characters")
        if size < 1:
            raise ValueError(f"size: {size} is less than one character")
        return pack(self._corpus.pick(docs), min(size, self._ceiling))


def pack(passages: Iterable[Passage], size: int) -> list[str]:
    """Passages packed into strings of at most `size` characters. No character of a text is lost.

    A head that would take more than half of a string is left out.
    """
    packed: list[str] = []
    parts: list[str] = []
    used = 0
    for passage in passages:
        text = passage.text
        head = heading(passage)
        if len(head) > size // 2:
            head = ""
        if parts and used + len(_SEPARATOR) + len(head) + len(text) > size:
            packed.append(_SEPARATOR.join(parts))
            parts, used = [], 0
        place = 0
        while place < len(text):
            separator = len(_SEPARATOR) if parts else 0
            end = _cut(text, place, size - used - separator - len(head))
            parts.append(head + text[place:end])
            used += separator + len(head) + end - place
            place = end
            if place < len(text):
                packed.append(_SEPARATOR.join(parts))
                parts, used = [], 0
    if parts:
        packed.append(_SEPARATOR.join(parts))
    return packed


def heading(passage: Passage) -> str:
    """The line above a part of a document: its id and metadata; nothing above a text without an id."""
    if not passage.id:
        return ""
    metadata = " ".join("".join(f" | {key}: {value}" for key, value in passage.metadata.items()).split())
    return f"[document {passage.id}{' ' * bool(metadata)}{metadata[:_METADATA_CHARS]}]\n"


def _cut(text: str, place: int, room: int) -> int:
    """Where a piece of at most `room` characters ends: after a line, else after a word, if that fills half the room."""
    end = place + room
    if end >= len(text):
        return len(text)
    for mark in ("\n", " "):
        found = text.rfind(mark, place + room // 2, end)
        if found >= 0:
            return found + 1
    return end
