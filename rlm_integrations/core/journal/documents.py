"""Documents that a retriever found, as the journal keeps them: with their pictures, which code has handles of."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.plain_values import plain
from rlm_integrations.core.image import Image


def to_kept(documents: Sequence[Document]) -> list[dict[str, Any]]:
    """JSON values."""
    return [
        {
            "id": each.id,
            "text": each.text,
            "metadata": plain(each.metadata),
            "images": [
                {"data": base64.b64encode(image.data).decode(), "mime_type": image.mime_type, "name": image.name}
                for image in each.images
            ],
        }
        for each in documents
    ]


def from_kept(values: Sequence[dict[str, Any]]) -> list[Document]:
    return [
        Document(
            value["id"],
            value["text"],
            value["metadata"],
            tuple(
                Image(base64.b64decode(image["data"]), image["mime_type"], image["name"]) for image in value["images"]
            ),
        )
        for value in values
    ]
