"""The core's only view of a retriever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rlm_integrations.core.corpus.document import Document


class Retriever(Protocol):
    """Fetches documents for a query.

    A retriever may also define `retrieve_sync(query)`: the sync path calls it in a thread of the run.
    """

    async def retrieve(self, query: str) -> Sequence[Document]: ...
