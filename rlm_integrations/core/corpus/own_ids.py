"""Ids of what a retriever finds: each means one text, whatever the retriever brings under it later."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.found_document import FoundDocument
from rlm_integrations.core.image import Image


class OwnIds:
    """Tells apart what was found beside a corpus: a known id with another text gets an id of its own, as "a#2".

    The same text under the same id is one document, however often it is found. Of a run, its core alone names what
    was found; what a document was made of is asked of the document (`FoundDocument`), never of its id.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self.added: dict[str, FoundDocument] = {}
        """By id, what was found and is not in the corpus."""
        self._others: dict[tuple[str, str, tuple[Image, ...]], str] = {}
        """The ids of those that were found under one that was known."""
        self._counts: dict[str, int] = {}

    def document(self, document_id: str) -> Document | None:
        """What has that id in the corpus, or among what was found."""
        return self._corpus.by_id.get(document_id) or self.added.get(document_id)

    def each_once(self, found: Iterable[FoundDocument]) -> list[FoundDocument]:
        """The documents, each under the id that means it: one that several searches in one have found counts once."""
        once: dict[str, FoundDocument] = {}
        for each in found:
            document = self.of(each)
            once.setdefault(document.id, document)
        return list(once.values())

    def of(self, found: FoundDocument) -> FoundDocument:
        """The document, under the id that means it."""
        if self._is(found, found.id):
            return found
        key = found.id, found.text, found.images
        name = self._others.get(key)
        if name is None:
            name = self._others[key] = self._next_name(found)
        return replace(found, id=name)

    def _next_name(self, found: FoundDocument) -> str:
        count = self._counts.get(found.id, 1) + 1
        while not self._is(found, name := f"{found.id}#{count}"):
            count += 1
        self._counts[found.id] = count
        return name

    def _is(self, found: FoundDocument, name: str) -> bool:
        """Whether the name means what was found: from now on it does, where it meant nothing."""
        known = self._corpus.by_id.get(name)
        if known is None:
            named = found if name == found.id else replace(found, id=name)
            known = self.added.setdefault(name, named)  # in one step: threads may search at once
        return known.text == found.text and known.images == found.images
