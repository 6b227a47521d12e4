"""A corpus on its way to a worker, in batches that it can take."""

from __future__ import annotations

import marshal
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.plain_values import NotPlainError, plain
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.wire.images import IMAGES

PIECE_CHARS = 8_000_000
"""How much text goes into one batch."""

_MARSHAL_VERSION = 2  # the guest's Python is a later one
_DOCUMENT_CHARS = 1_000  # what one without text counts
_DOCUMENT_BYTES, _VALUE_BYTES = 2_000, 200
_TOO_DEEP = "is nested too deeply; pass flatter metadata"

Piece = tuple[str | None, Any, str]


def batches(documents: Iterable[Document]) -> Iterator[bytes]:
    """Lists of (id, the rest, text), marshalled: a text keeps CRLF, NUL and lone surrogates.

    The later pieces of a long text have None for both. Raises InvalidArgumentError.
    """
    batch: list[Piece] = []
    room = PIECE_CHARS
    for document in documents:
        for piece in _pieces(document):
            size = len(piece[2]) + _DOCUMENT_CHARS
            room -= size
            if room < 0 and batch:
                yield marshal.dumps(batch, _MARSHAL_VERSION)
                batch, room = [], PIECE_CHARS - size
            batch.append(piece)
    yield marshal.dumps(batch, _MARSHAL_VERSION)


def _pieces(document: Document) -> Iterator[Piece]:
    try:
        metadata = plain(document.metadata)
    except (NotPlainError, RecursionError) as error:
        deep = isinstance(error, RecursionError) or "deep" in str(error)
        raise _unfit(document, _TOO_DEEP if deep else f"holds {error}") from None
    text = str.__str__(document.text)
    beside = {"metadata": metadata} | ({IMAGES: plain(document.handles)} if document.images else {})
    yield str.__str__(document.id), beside, text[:PIECE_CHARS]
    for begin in range(PIECE_CHARS, len(text), PIECE_CHARS):
        yield None, None, text[begin : begin + PIECE_CHARS]


def memory_needed(documents: Sequence[Document]) -> int:
    """Bytes that the documents take there, rather too many, and those of a batch on its way.

    Raises InvalidArgumentError.
    """
    texts = sum(map(_document_bytes, documents))
    return texts + min(texts, 3 * 4 * PIECE_CHARS)


def _document_bytes(document: Document) -> int:
    try:
        return sys.getsizeof(document.text) + _DOCUMENT_BYTES + _values(document.metadata)
    except RecursionError:
        raise _unfit(document, _TOO_DEEP) from None


def _values(value: Any) -> int:
    if isinstance(value, dict):
        return sum(_VALUE_BYTES + _values(key) + _values(inner) for key, inner in value.items())  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return sum(_VALUE_BYTES + _values(inner) for inner in value)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    return sys.getsizeof(value) if isinstance(value, str) else 0


def _unfit(document: Document, words: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"context: the metadata of document {document.id!r} {words}")
