"""`retrieve`: documents that the user's retriever finds, beyond those that the run began with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from rlm_integrations.core.calls.foreign_code import contained
from rlm_integrations.core.calls.threads import RunThreads, in_thread
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.forms import document_of
from rlm_integrations.core.corpus.found_document import FoundDocument
from rlm_integrations.core.corpus.own_ids import OwnIds
from rlm_integrations.core.corpus.retriever import Retriever
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.host.answers import RefusedCallError
from rlm_integrations.core.host.foreign_calls import ForeignCalls
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.journal.documents import from_kept, to_kept
from rlm_integrations.wire.calls import Retrieve

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import CallJournal, Request


class Retrieval:
    """Asks the retriever of one node's corpus. Without threads, by its async method."""

    def __init__(self, corpus: Corpus, threads: RunThreads | None, foreign: ForeignCalls) -> None:
        self.corpus = corpus
        self._threads = threads
        self._foreign = foreign
        self._ids = OwnIds(corpus)
        self._lock = threading.Lock()

    async def fetch(self, call: Retrieve, step: StepRecord, kept: CallJournal | None = None) -> list[dict[str, Any]]:
        """All hits for the query, as the REPL takes them. Raises RefusedCallError."""
        retriever = self.corpus.retriever
        if retriever is None:
            raise RefusedCallError("value", "there is no retriever in this run")
        if not call.query.strip():
            raise RefusedCallError("type", "the query must be a non-empty str")

        request = None if kept is None else kept.request()

        async def work() -> list[dict[str, Any]]:
            found = await retrieve(retriever, call.query, self._threads, self._named, request)
            return await in_thread(lambda: [document.as_plain() for document in found])

        return await self._foreign.run("retrieve", {"query": call.query}, step, work, kept=request)

    @property
    def added(self) -> dict[str, FoundDocument]:
        """By id, what was found and is not in the corpus."""
        return self._ids.added

    def _named(self, found: Sequence[FoundDocument]) -> list[FoundDocument]:
        with self._lock:  # another search may be named in a thread at the same time
            return self._ids.each_once(found)

    def document(self, document_id: str) -> Document | None:
        """The host's own copy of a document."""
        return self._ids.document(document_id)


async def retrieve(
    retriever: Retriever,
    query: str,
    threads: RunThreads | None,
    name: Callable[[Sequence[FoundDocument]], list[FoundDocument]],
    kept: Request | None = None,
) -> list[FoundDocument]:
    """The retriever's documents, or those that the journal has, under the ids that `name` gives them.

    What takes a while over many is done in threads. With `threads`, the retriever is asked by its sync method where it
    has one. The journal keeps the ids too: when the run goes on, hits may come in another order.
    """

    async def find() -> list[FoundDocument]:
        brought = await _brought(retriever, query, threads)
        return await in_thread(lambda: name([_as_found(each, place) for place, each in enumerate(brought, 1)]))

    if kept is None:
        return await find()
    found: list[FoundDocument] | None = None

    async def work() -> list[str]:
        nonlocal found
        found = await find()
        return await in_thread(to_kept, found)

    value = await kept.value(work)
    return await in_thread(lambda: name(from_kept(value))) if found is None else found


def _as_found(brought: object, place: int) -> FoundDocument:
    """What a user's own retriever brings is made of nothing else. Raises InvalidArgumentError."""
    if isinstance(brought, FoundDocument):
        return brought
    document = document_of(brought, place)
    return FoundDocument(document.id, document.text, document.metadata, document.images, brought)


async def _brought(retriever: Retriever, query: str, threads: RunThreads | None) -> Sequence[object]:
    fetch_sync: Callable[[str], object] | None = getattr(retriever, "retrieve_sync", None)
    found: object
    if threads is not None and fetch_sync is not None:
        found = await threads.run(fetch_sync, query)
    else:
        found = await contained(retriever.retrieve(query))
    if isinstance(found, (str, bytes)) or not isinstance(found, Sequence):
        raise InvalidArgumentError(f"context: the retriever returned {type(found).__name__}, not a list of Documents")
    return cast("Sequence[object]", found)
