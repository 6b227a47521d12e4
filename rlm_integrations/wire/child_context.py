"""What a child RLM is given to read, as it is sent: references to documents of the corpus, and texts.

JSON, so that it travels as the one long text that it is. Standard library only.
"""

from __future__ import annotations

import builtins
import json
from dataclasses import dataclass
from typing import Any, cast

from rlm_integrations.wire.calls import LARGEST_COUNT, WrongCallError

globals()["__builtins__"] = vars(builtins).copy()  # before the classes: what dataclass writes for them looks here too

_encode, _decode = json.JSONEncoder(ensure_ascii=False).encode, json.JSONDecoder().decode


@dataclass(frozen=True, slots=True)
class Reference:
    """A document of the corpus, or what stands in it from `start` to `end`."""

    document_id: str
    start: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class OwnText:
    """A text that is not of the corpus."""

    text: str
    document_id: str = ""
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ChildContext:
    pieces: tuple[Reference | OwnText, ...]
    as_text: bool = False
    """Whether `context` is a str there: the one piece."""


def write_child_context(context: ChildContext) -> str:
    """Raises TypeError and ValueError for metadata that is no plain data."""
    pieces = [
        [piece.document_id, piece.start, piece.end]
        if isinstance(piece, Reference)
        else {"text": piece.text, "id": piece.document_id, "metadata": piece.metadata or {}}
        for piece in context.pieces
    ]
    return _encode({"pieces": pieces, "as_text": context.as_text})


def read_child_context(sent: str) -> ChildContext:
    """Raises WrongCallError: what was sent is hostile input."""
    try:
        fields: object = _decode(sent)
    except (ValueError, RecursionError):
        raise WrongCallError("rlm_query: its context is no JSON") from None
    sent_pieces, as_text = _fields(fields, "pieces", "as_text")
    if type(sent_pieces) is not list or type(as_text) is not bool:
        raise WrongCallError("rlm_query: its context is no list of pieces")
    read = [_piece(piece) for piece in cast("list[Any]", sent_pieces)]
    if as_text and len(read) != 1:
        raise WrongCallError("rlm_query: its context is not one text")
    return ChildContext(tuple(read), as_text)


def _piece(piece: object) -> Reference | OwnText:
    if isinstance(piece, list):
        place = cast("list[Any]", piece)
        if (
            len(place) == 3
            and type(place[0]) is str
            and _is_count(place[1])
            and (place[2] is None or _is_count(place[2]))
        ):
            return Reference(*place)
    elif isinstance(piece, dict):
        text, document_id, metadata = _fields(cast("object", piece), "text", "id", "metadata")
        if type(text) is str and type(document_id) is str and type(metadata) is dict:
            return OwnText(text, document_id, cast("dict[str, Any]", metadata))
    raise WrongCallError("rlm_query: a piece of its context is neither a reference nor a text")


def _fields(sent: object, *names: str) -> list[Any]:
    if type(sent) is not dict or cast("dict[str, Any]", sent).keys() != set(names):
        raise WrongCallError(f"rlm_query: its context has no fields {', '.join(names)}")
    return [cast("dict[str, Any]", sent)[name] for name in names]


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_COUNT
