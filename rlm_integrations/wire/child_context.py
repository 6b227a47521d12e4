"""What a child RLM is given to read, as it is sent: references to documents of the corpus, and texts.

One long text: whether `context` is a str there or documents, a line of JSON for each piece, an empty line, and the
texts that are not of the corpus, one behind the other. So nobody reads much at once, which would hold up all threads of
the host. Standard library only.
"""

from __future__ import annotations

import builtins
import json
from typing import Any, cast

from rlm_integrations.frozen import frozen
from rlm_integrations.wire.calls import LARGEST_COUNT, LlmQuery, WrongCallError

globals()["__builtins__"] = vars(builtins).copy()  # before the classes: what dataclass writes for them looks here too

MAX_PIECES = 200_000
MAX_LINE_CHARS = 100_000
"""Of one piece: its id and its metadata."""
MAX_LINES_CHARS = 8_000_000
"""Of all pieces together, besides their texts."""
_AS_TEXT, _AS_DOCUMENTS = "str", "documents"

_encode, _decode = json.JSONEncoder(ensure_ascii=False).encode, json.JSONDecoder().decode


@frozen
class Reference:
    """A document of the corpus, or what stands in it from `start` to `end`."""

    document_id: str
    start: int = 0
    end: int | None = None


@frozen
class OwnText:
    """A text that is not of the corpus."""

    text: str
    document_id: str = ""
    metadata: dict[str, Any] | None = None
    images: tuple[tuple[str, str], ...] = ()
    """Pictures of the corpus that go with it, as `wire.calls.LlmQuery` names them."""


@frozen
class ChildContext:
    pieces: tuple[Reference | OwnText, ...]
    as_text: bool = False
    """Whether `context` is a str there: the one piece."""


def write_child_context(context: ChildContext) -> str:
    """Raises TypeError and ValueError for metadata that is no plain data, WrongCallError where there is too much."""
    if len(context.pieces) > MAX_PIECES:
        raise WrongCallError(f"its context has {len(context.pieces):,} pieces, at most {MAX_PIECES:,} are taken")
    lines = [_AS_TEXT if context.as_text else _AS_DOCUMENTS, *map(_line, context.pieces), "", ""]
    if max(map(len, lines)) > MAX_LINE_CHARS or sum(map(len, lines)) + len(lines) > MAX_LINES_CHARS:
        raise WrongCallError(
            f"ids and metadata of its context are too long: at most {MAX_LINE_CHARS:,} characters for each piece and "
            f"{MAX_LINES_CHARS:,} in all are taken"
        )
    return "\n".join(lines) + "".join([piece.text for piece in context.pieces if isinstance(piece, OwnText)])


def _line(piece: Reference | OwnText) -> str:
    if isinstance(piece, Reference):
        return _encode([piece.document_id, piece.start, piece.end])
    images = [list(one) for one in piece.images]
    return _encode(
        {"chars": len(piece.text), "id": piece.document_id, "metadata": piece.metadata or {}, "images": images}
    )


def read_child_context(sent: str) -> ChildContext:
    """Raises WrongCallError: what was sent is hostile input."""
    kind, at = _next_line(sent, 0)
    if kind not in (_AS_TEXT, _AS_DOCUMENTS):
        raise WrongCallError("rlm_query: its context is neither a str nor documents")
    begun: list[Reference | _Unread] = []
    while True:
        line, at = _next_line(sent, at)
        if not line:
            break
        begun.append(_piece(line))
        if len(begun) > MAX_PIECES or at > MAX_LINES_CHARS:
            raise WrongCallError("rlm_query: its context has too many pieces")
    pieces: list[Reference | OwnText] = []
    for piece in begun:
        if isinstance(piece, Reference):
            pieces.append(piece)
        else:
            pieces.append(OwnText(sent[at : at + piece.chars], piece.document_id, piece.metadata, piece.images))
            at += piece.chars
    if at != len(sent):
        raise WrongCallError("rlm_query: the texts of its context are not as long as it says")
    if kind == _AS_TEXT and len(pieces) != 1:
        raise WrongCallError("rlm_query: its context is not one text")
    return ChildContext(tuple(pieces), kind == _AS_TEXT)


@frozen
class _Unread:
    """A text that comes below."""

    chars: int
    document_id: str
    metadata: dict[str, Any]
    images: tuple[tuple[str, str], ...]


def _next_line(sent: str, start: int) -> tuple[str, int]:
    """The line that begins there, and where the next one does."""
    end = sent.find("\n", start, start + MAX_LINE_CHARS + 1)
    if end < 0:
        raise WrongCallError("rlm_query: a line of its context has no end, or is too long")
    return sent[start:end], end + 1


def _piece(line: str) -> Reference | _Unread:
    try:
        piece: object = _decode(line)
    except (ValueError, RecursionError):
        raise WrongCallError("rlm_query: a piece of its context is no JSON") from None
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
        fields = cast("dict[str, Any]", piece)
        if fields.keys() == {"chars", "id", "metadata", "images"} and _is_count(fields["chars"]):
            chars, document_id, metadata = fields["chars"], fields["id"], fields["metadata"]
            images = LlmQuery("", images=fields["images"]).images  # the form is the same
            if type(document_id) is str and type(metadata) is dict:
                named = tuple((image_id, of) for image_id, of in images)
                return _Unread(chars, document_id, cast("dict[str, Any]", metadata), named)
    raise WrongCallError("rlm_query: a piece of its context is neither a reference nor a text")


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_COUNT
