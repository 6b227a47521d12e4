"""Which pictures code means by its handles: hostile input, which is looked up in the host's own copy of the corpus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rlm_integrations.core.corpus.corpus import Corpus, once_per_corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.part import origin_in
from rlm_integrations.core.host.answers import RefusedCallError
from rlm_integrations.core.image import Image
from rlm_integrations.core.trace.call_records import SentImage
from rlm_integrations.core.wording import number
from rlm_integrations.frozen import frozen
from rlm_integrations.wire.images import MAX_IMAGES, MAX_IMAGES_BYTES

_SHOWN_CHARS = 100


@frozen
class Picture:
    """A picture that goes with a sub-call, and what the trace says of it."""

    image: Image
    told: SentImage


class Pictures:
    """Those of one node's corpus, and of what was retrieved for it."""

    def __init__(
        self, corpus: Corpus, retrieved: Callable[[], Mapping[str, Document]], sees: bool | None = None
    ) -> None:
        """`sees`: whether the sub-LM sees pictures; None where that is not known."""
        self._corpus = corpus
        self._retrieved = retrieved
        self._sees = sees

    def named(self, named: Sequence[Sequence[str]]) -> tuple[Picture, ...]:
        """The pictures of these ids, each with that of a document which has it.

        Raises RefusedCallError where there is none, they are too many or too large, or the sub-LM sees none.
        """
        if not named:
            return ()
        if self._sees is False:
            raise RefusedCallError(
                "value", "the sub-LM of this run takes no pictures, only text; nothing was sent: ask without images"
            )
        if len(named) > MAX_IMAGES:
            raise RefusedCallError("value", f"{len(named)} pictures; a sub-call takes {MAX_IMAGES}; nothing was sent")
        found = tuple([self._one(image_id, document_id) for image_id, document_id in named])
        size = sum([len(picture.image.data) for picture in found])
        if size > MAX_IMAGES_BYTES:
            raise RefusedCallError(
                "value",
                f"the pictures have {number(size)} bytes; a sub-call takes {number(MAX_IMAGES_BYTES)} in all; nothing "
                "was sent: send fewer at once",
            )
        return found

    def _one(self, image_id: str, document_id: str) -> Picture:
        held = self._held(image_id)
        if not held:
            raise RefusedCallError(
                "value",
                f"there is no picture {image_id[:_SHOWN_CHARS]!r} in this corpus; nothing was sent: pass items of "
                'd["images"] as they are',
            )
        by_document = dict(held)
        document_id = document_id if document_id in by_document else held[0][0]
        image = by_document[document_id]
        origin = origin_in(self._corpus, document_id)
        told = SentImage(
            name=image.name,
            mime_type=image.mime_type,
            bytes=len(image.data),
            document_id=None if origin is None else origin.document_id,
        )
        return Picture(image, told)

    def _held(self, image_id: str) -> list[tuple[str, Image]]:
        """The documents that have it, by their ids."""
        added = [
            (document.id, image)
            for document in self._retrieved().values()
            for image in document.images
            if image.id == image_id
        ]
        return [*_by_id(self._corpus).get(image_id, ()), *added]


@once_per_corpus
def _by_id(corpus: Corpus) -> dict[str, list[tuple[str, Image]]]:
    """Of each picture the documents that have it."""
    found: dict[str, list[tuple[str, Image]]] = {}
    for document in corpus.documents:
        for image in document.images:
            found.setdefault(image.id, []).append((document.id, image))
    return found
