"""A corpus that the root LM sees whole, and how its documents then stand there."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from itertools import repeat
from typing import Any, cast

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.facts import ID_CHARS
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.wording import shortened
from rlm_integrations.files.rows import Table

_LEAST_CHARS = len(" | : ")  # of a key and its value


def shown_whole(corpus: Corpus, limits: RLMLimits) -> bool:
    """Whether the root LM sees all of the corpus unasked, or there is none."""
    if corpus.retriever is not None:
        return False
    if corpus.kind == "none" or corpus.in_messages:
        return True
    room = limits.inline_chars
    if not room or max(corpus.chars, len(corpus.documents)) > room:
        return False
    return corpus.kind == "str" or fits_whole(corpus, room)


def fits_whole(corpus: Corpus, room: int) -> bool:
    """Whether the documents, each under its id, have at most so many characters. It looks no further than it must: an
    event loop waits.
    """
    for document in corpus.documents:
        if _LEAST_CHARS * len(document.metadata) > room or any(map(_is_long, document.metadata.values(), repeat(room))):
            return False
        room -= len(under_its_id(document, corpus.table))
        if room < 0:
            return False
    return True


def _is_long(value: object, chars: int) -> bool:
    """Whether its text surely has more characters; lines of it may be parted by two."""
    return isinstance(value, (str, list, dict)) and len(cast("Sized", value)) > 2 * chars


def whole_text(corpus: Corpus) -> str:
    """All of it, each document under its id."""
    if corpus.kind == "str":
        return corpus.text
    return "\n\n".join(under_its_id(document, corpus.table) for document in corpus.documents)


def shown_id(document: Document) -> str:
    """How the line above its text calls it."""
    return shortened(document.id if document.id.splitlines() == [document.id] else repr(document.id), ID_CHARS)


def under_its_id(document: Document, table: Table | None) -> str:
    """Below its id and metadata. A line that begins like this head is indented, so that no text passes for another."""
    metadata = "".join(f" | {key}: {value}" for key, value in _beside_text(document, table).items())
    lines = document.text.splitlines(keepends=True)
    content = "".join(f" {line}" if line.startswith("[") else line for line in lines)
    return f"[{shown_id(document)}{' '.join(metadata.splitlines())}]\n{content}"


def _beside_text(document: Document, table: Table | None) -> Mapping[str, Any]:
    """Its metadata, without the columns that its text says."""
    if table is None or table.text_column:
        return document.metadata
    said = {column.name for column in table.columns}
    return {key: value for key, value in document.metadata.items() if key not in said}
