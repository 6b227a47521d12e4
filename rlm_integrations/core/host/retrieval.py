"""`retrieve`: documents that the user's retriever finds, beyond those that the run began with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from rlm_integrations.core.calls.foreign_code import contained
from rlm_integrations.core.calls.threads import RunThreads, off_loop
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.forms import document_of
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

_CHARS_OF_ONE = 50
"""To take a hit takes as long as to read so many characters."""


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
            found = await retrieve(retriever, call.query, self._threads, request)
            return await off_loop(_CHARS_OF_ONE * len(found), self._named, found)

        return await self._foreign.run("retrieve", {"query": call.query}, step, work, kept=request)

    @property
    def added(self) -> dict[str, Document]:
        """By id, what was found and is not in the corpus."""
        return self._ids.added

    def _named(self, found: Sequence[Document]) -> list[dict[str, Any]]:
        with self._lock:  # another search may be named in a thread at the same time
            return [self._ids.of(each).as_plain() for each in found]

    def document(self, document_id: str) -> Document | None:
        """The host's own copy of a document."""
        return self._ids.document(document_id)


async def retrieve(
    retriever: Retriever, query: str, threads: RunThreads | None, kept: Request | None = None
) -> Sequence[Document]:
    """The retriever's documents, or those that the journal has; with threads, by its sync method where it has one."""
    if kept is None:
        return await _found(retriever, query, threads)

    async def work() -> list[dict[str, Any]]:
        return to_kept(await _found(retriever, query, threads))

    return from_kept(await kept.value(work))


async def _found(retriever: Retriever, query: str, threads: RunThreads | None) -> Sequence[Document]:
    fetch_sync: Callable[[str], object] | None = getattr(retriever, "retrieve_sync", None)
    found: object
    if threads is not None and fetch_sync is not None:
        found = await threads.run(fetch_sync, query)
    else:
        found = await contained(retriever.retrieve(query))
    if not isinstance(found, (list, tuple)):
        raise InvalidArgumentError(f"context: the retriever returned {type(found).__name__}, not a list of Documents")
    hits = cast("Sequence[object]", found)
    return await off_loop(_CHARS_OF_ONE * len(hits), _documents, hits)


def _documents(found: Sequence[object]) -> list[Document]:
    """With metadata that can be written. Raises InvalidArgumentError."""
    return [document_of(each, number) for number, each in enumerate(found, 1)]
