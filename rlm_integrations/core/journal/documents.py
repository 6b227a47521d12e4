"""Documents that a retriever found, as the journal keeps them: with their pictures, which code has handles of, and what
it takes to make anew what the user's framework brought them as.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from rlm_integrations.core.corpus.found_document import FoundDocument
from rlm_integrations.core.image import Image

_AT_ONCE = 200
"""Documents that are written, packed and read at once: of more, all threads would wait for one call in C, and for the
garbage collector to look at what it left.
"""
_MOST_BYTES = 1 << 30
"""Of what is packed: somebody else may have made the file."""


def to_kept(documents: Sequence[FoundDocument]) -> list[str]:
    """Texts, of some documents each."""
    pieces = (documents[start : start + _AT_ONCE] for start in range(0, len(documents), _AT_ONCE))
    return [_packed([*map(_row, piece)]) for piece in pieces]


def from_kept(values: Sequence[Any]) -> list[FoundDocument]:
    """The documents, without their items."""
    return [*map(_document, kept_rows(values))]


def kept_rows(values: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """One for each document. Older files have them as they are, unpacked."""
    for value in values:
        if isinstance(value, str):
            yield from json.loads(zlib.decompressobj().decompress(base64.b64decode(value), _MOST_BYTES))
        else:
            yield value


def _packed(rows: list[dict[str, Any]]) -> str:
    text = json.dumps(rows, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 1)).decode()


def _row(document: FoundDocument) -> dict[str, Any]:
    return {
        "id": document.id,
        "text": document.text,
        "metadata": document.metadata,
        "images": [
            {"data": base64.b64encode(image.data).decode(), "mime_type": image.mime_type, "name": image.name}
            for image in document.images
        ],
        "item": document.recorded(),
    }


def _document(row: dict[str, Any]) -> FoundDocument:
    images = tuple(
        [Image(base64.b64decode(image["data"]), image["mime_type"], image["name"]) for image in row["images"]]
    )
    return FoundDocument(row["id"], row["text"], row["metadata"], images, None, row.get("item", "{}"))
