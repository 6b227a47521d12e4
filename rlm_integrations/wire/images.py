"""Pictures as the code in a REPL knows them: handles, which say what a picture is, and never hold it.

A handle is `{"id", "name", "mime_type", "bytes", "document_id"}`, all plain values. The host knows a picture by the
handle's id alone: whatever else code writes into one changes nothing. Standard library only.
"""

from __future__ import annotations

from typing import Any

MAX_IMAGES = 20
"""Of one sub-call."""

MAX_IMAGES_BYTES = 20_000_000
"""Of all pictures of one sub-call, and so of any picture."""

IMAGES = "images"
"""Where a document has its handles. One without pictures has no such key."""


def under_id(document: dict[str, Any], document_id: str) -> dict[str, Any]:
    """The document as one of another id."""
    if IMAGES not in document:
        return {**document, "id": document_id}
    handles = [{**handle, "document_id": document_id} for handle in document[IMAGES]]
    return {**document, "id": document_id, IMAGES: handles}
