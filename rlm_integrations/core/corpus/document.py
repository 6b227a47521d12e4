"""A document of the corpus, as the core and the REPL know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from rlm_integrations.core.image import Image
from rlm_integrations.wire.images import IMAGES


@dataclass(frozen=True, slots=True)
class Document:
    """A text with an id that is unique in its corpus, the metadata that the model may see, and its pictures."""

    id: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    images: tuple[Image, ...] = ()
    """Sub-LMs see them, where code asks for it. A document may have pictures and no text."""

    @property
    def handles(self) -> list[dict[str, Any]]:
        """What code has of its pictures: see `wire.images`."""
        return [
            {
                "id": image.id,
                "name": image.name,
                "mime_type": image.mime_type,
                "bytes": len(image.data),
                "document_id": self.id,
            }
            for image in self.images
        ]

    def as_plain(self) -> dict[str, Any]:
        """The document as code has it: a dict of plain values."""
        plain = {"id": self.id, "text": self.text, "metadata": dict(self.metadata)}
        return plain | {IMAGES: self.handles} if self.images else plain


_new = object.__new__
_set_id, _set_text, _set_metadata, _set_images = (vars(Document)[each.name].__set__ for each in fields(Document))


def document_with(id_: str, text: str, metadata: Mapping[str, Any], images: tuple[Image, ...]) -> Document:
    """What `Document(...)` makes, in a third of the time: a corpus may have a million."""
    document = _new(Document)
    _set_id(document, id_)
    _set_text(document, text)
    _set_metadata(document, metadata)
    _set_images(document, images)
    return document
