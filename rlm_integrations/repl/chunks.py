"""`chunks`: the text of documents as strings of a bounded size, each part under its document's id and metadata."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

from rlm_integrations.repl.corpus_view import CorpusView
from rlm_integrations.repl.matches import Passage

_SEPARATOR = "\n\n"
_METADATA_CHARS = 300
_ID_CHARS = 300
_HEAD = "[document "
_LINE_END = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
_LIKE_A_HEAD = re.compile(rf"(?:(?<=[{_LINE_END}])|\A)(?={re.escape(_HEAD)})")


class Chunks:
    """Holds the corpus and the largest size for the function that the model calls."""

    def __init__(self, corpus: CorpusView, ceiling: int) -> None:
        self._corpus = corpus
        self._ceiling = ceiling

    def chunks(self, docs: Any = None, size: int | None = None) -> list[str]:
        """All the text, or that of `docs` (ids, documents, matches or a text), as strings that each fit a sub-call.

        Each has at most `size` characters (by default, and at most, what fits), is cut at documents or lines, and
        carries `[document id | key: value]` above each part; a line of a text that begins like one is indented by a
        space. A text without an id is cut into plain slices of itself.
        """
        if size is None:
            size = self._ceiling
        if not isinstance(size, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"size: {type(size).__name__} is not a number of characters")
        if size < 1:
            raise ValueError(f"size: {size} is less than one character")
        return pack(self._corpus.pick(docs), min(size, self._ceiling), self._corpus.said_columns)


def pack(passages: Iterable[Passage], size: int, said: Collection[str] = frozenset()) -> list[str]:
    """Passages packed into strings of at most `size` characters. No character of a text is lost.

    A head that would take more than half of a string is left out. Where there are heads, no text can pass for one.
    """
    passages = list(passages)
    headed = any(passage.id for passage in passages)
    packed: list[str] = []
    parts: list[str] = []
    used = 0
    for passage in passages:
        text = without_heads(passage.text) if headed else passage.text
        head = heading(passage, said)
        if len(head) > size // 2:
            head = ""
        if parts and used + len(_SEPARATOR) + len(head) + len(text) > size:
            packed.append(_SEPARATOR.join(parts))
            parts, used = [], 0
        place = 0
        while place < len(text):
            separator = len(_SEPARATOR) if parts else 0
            room = size - used - separator - len(head)
            # Cut amid a line, the rest of it may read as a head where there is room for one
            begin = f"{head} " if headed and room > len(_HEAD) and text.startswith(_HEAD, place) else head
            end = _cut(text, place, room - len(begin) + len(head))
            parts.append(begin + text[place:end])
            used += separator + len(begin) + end - place
            place = end
            if place < len(text):
                packed.append(_SEPARATOR.join(parts))
                parts, used = [], 0
    if parts:
        packed.append(_SEPARATOR.join(parts))
    return packed


def heading(passage: Passage, said: Collection[str] = frozenset()) -> str:
    """The line above a part of a document: its id and metadata; nothing above a text without an id.

    Of the keys in `said`, what the text holds as well is left out.
    """
    if not passage.id:
        return ""
    kept = passage.metadata.items()
    if said:
        kept = [(key, value) for key, value in kept if not (key in said and _holds(passage.text, key, value))]
    metadata = " ".join("".join(f" | {key}: {value}" for key, value in kept).split())
    return f"{_HEAD}{shown_id(passage.id)}{' ' * bool(metadata)}{metadata[:_METADATA_CHARS]}]\n"


def _holds(text: str, key: str, value: Any) -> bool:
    return key in text and (isinstance(value, (dict, list)) or str(value) in text)


def shown_id(doc_id: str) -> str:
    """The id in one line, where it has several as the literal of a str; its beginning where it is very long."""
    lines = doc_id.splitlines()
    shown = doc_id if lines == [doc_id] else repr(doc_id)
    return shown if len(shown) <= _ID_CHARS else f"{shown[: _ID_CHARS - 1]}…"


def without_heads(text: str) -> str:
    """The text with a space before each line that begins like the head of a document."""
    return _LIKE_A_HEAD.sub(" ", text) if _HEAD in text else text


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
