"""A LangChain retriever as the core's Retriever."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from langchain_core.documents import Document as LangChainDocument
from langchain_core.runnables import Runnable

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.forms import document_of
from rlm_integrations.core.corpus.own_ids import OwnIds
from rlm_integrations.core.errors import InvalidArgumentError


class LangChainRetriever:
    """A LangChain retriever as the core's. Its runs are children of the LangChain run that is going on.

    What it finds has an id that means nothing else, here nor in the corpus beside it, so that the core has it under
    the same one.
    """

    def __init__(self, retriever: Runnable[str, Any], beside: Corpus) -> None:
        self._retriever = retriever
        self._ids = OwnIds(beside)
        self.originals: dict[str, LangChainDocument] = {}

    async def retrieve(self, query: str) -> Sequence[Document]:
        return self._documents(await self._retriever.ainvoke(query))

    def retrieve_sync(self, query: str) -> Sequence[Document]:
        return self._documents(self._retriever.invoke(query))

    def _documents(self, found: object) -> list[Document]:
        if not isinstance(found, (list, tuple)):
            raise InvalidArgumentError(
                f"context: the retriever returned {type(found).__name__}, not a list of Documents"
            )
        documents: dict[str, Document] = {}
        for place, item in enumerate(cast(Sequence[object], found), 1):
            if not isinstance(item, LangChainDocument):
                raise InvalidArgumentError(
                    f"context: item {place} that the retriever returned is {type(item).__name__}, not a Document"
                )
            document = self._ids.of(replace(document_of(item, place), id=item.id or _content_id(item)))
            self.originals.setdefault(document.id, item)
            documents.setdefault(document.id, document)  # several searches in one find a document several times
        return list(documents.values())


def _content_id(document: LangChainDocument) -> str:
    """An id that the same document has each time it is found."""
    digest = hashlib.sha256(
        repr((document.page_content, sorted(document.metadata.items(), key=str))).encode("utf-8", "replace")
    )
    return f"doc-{digest.hexdigest()[:12]}"
