"""A LangChain retriever as the core's Retriever."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, cast

from langchain_core.documents import Document as LangChainDocument
from langchain_core.runnables import Runnable

from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.forms import document_of
from rlm_integrations.core.corpus.found_document import FoundDocument
from rlm_integrations.core.errors import InvalidArgumentError


class LangChainRetriever:
    """A LangChain retriever as the core's. Its runs are children of the LangChain run that is going on.

    It remembers nothing: what it finds knows the Document that it was made of.
    """

    def __init__(self, retriever: Runnable[str, Any]) -> None:
        self._retriever = retriever

    async def retrieve(self, query: str) -> list[FoundDocument]:
        return await in_thread(_documents, await self._retriever.ainvoke(query))

    def retrieve_sync(self, query: str) -> list[FoundDocument]:
        return _documents(self._retriever.invoke(query))


def langchain_document(found: FoundDocument) -> LangChainDocument:
    """The Document that the retriever returned; out of a journal, one made anew, its metadata as JSON has them."""
    if found.item is not None:
        return found.item
    name = json.loads(found.recorded()).get("id", found.id)
    return LangChainDocument(id=name, page_content=found.text, metadata=dict(found.metadata))


def _documents(found: object) -> list[FoundDocument]:
    if not isinstance(found, (list, tuple)):
        raise InvalidArgumentError(f"context: the retriever returned {type(found).__name__}, not a list of Documents")
    return [_document(item, place) for place, item in enumerate(cast("Sequence[object]", found), 1)]


def _document(item: object, place: int) -> FoundDocument:
    if not isinstance(item, LangChainDocument):
        raise InvalidArgumentError(
            f"context: item {place} that the retriever returned is {type(item).__name__}, not a Document"
        )
    read = document_of(item, place)
    return FoundDocument(item.id or _content_id(read), read.text, read.metadata, read.images, item, _record)


def _record(item: LangChainDocument) -> dict[str, Any]:
    return {"id": item.id}


def _content_id(document: Document) -> str:
    """An id that the same document has each time it is found."""
    digest = hashlib.sha256(repr((document.text, sorted(document.metadata.items()))).encode("utf-8", "replace"))
    return f"doc-{digest.hexdigest()[:12]}"
