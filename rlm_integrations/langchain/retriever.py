"""A LangChain retriever as the core's Retriever."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from langchain_core.documents import Document as LangChainDocument
from langchain_core.runnables import Runnable

from rlm_integrations.core.calls.threads import off_loop
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.forms import document_of
from rlm_integrations.core.corpus.own_ids import OwnIds
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain.time_to_read import chars_to_read

_CHARS_OF_ONE = 500
"""To read a hit takes as long as to read so many characters, and as its text and its metadata take."""


class LangChainRetriever:
    """A LangChain retriever as the core's. Its runs are children of the LangChain run that is going on.

    What it finds has an id that means nothing else, here nor in the corpus beside it, so that the core has it under
    the same one.
    """

    def __init__(self, retriever: Runnable[str, Any], beside: Corpus) -> None:
        self._retriever = retriever
        self._ids = OwnIds(beside)
        self._lock = threading.Lock()
        self.originals: dict[str, LangChainDocument] = {}

    async def retrieve(self, query: str) -> Sequence[Document]:
        found = await self._retriever.ainvoke(query)
        return await off_loop(_chars(found), self._documents, found)

    def retrieve_sync(self, query: str) -> Sequence[Document]:
        return self._documents(self._retriever.invoke(query))

    def _documents(self, found: object) -> list[Document]:
        if not isinstance(found, (list, tuple)):
            raise InvalidArgumentError(
                f"context: the retriever returned {type(found).__name__}, not a list of Documents"
            )
        with self._lock:  # several searches may go on at once, and each names what it found by what was found before
            return self._named(cast(Sequence[object], found))

    def _named(self, found: Sequence[object]) -> list[Document]:
        documents: dict[str, Document] = {}
        for place, item in enumerate(found, 1):
            if not isinstance(item, LangChainDocument):
                raise InvalidArgumentError(
                    f"context: item {place} that the retriever returned is {type(item).__name__}, not a Document"
                )
            read = document_of(item, place)
            document = self._ids.of(read if item.id else replace(read, id=_content_id(read)))
            self.originals.setdefault(document.id, item)
            documents.setdefault(document.id, document)  # several searches in one find a document several times
        return list(documents.values())


def _chars(found: object) -> int:
    """It takes as long to read what was found as to read so many characters."""
    hits = cast("Sequence[object]", found) if isinstance(found, (list, tuple)) else ()
    return _CHARS_OF_ONE * len(hits) + chars_to_read(hits)


def _content_id(document: Document) -> str:
    """An id that the same document has each time it is found."""
    digest = hashlib.sha256(repr((document.text, sorted(document.metadata.items()))).encode("utf-8", "replace"))
    return f"doc-{digest.hexdigest()[:12]}"
