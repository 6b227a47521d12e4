"""`cite`: quotes that stand where the code says, in the host's own copy of the corpus."""

from __future__ import annotations

from collections.abc import Callable

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.part import Origin
from rlm_integrations.core.host.answers import Emit, RefusedCallError
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.trace.citations import Citation, check_citation
from rlm_integrations.core.trace.events import Cited
from rlm_integrations.wire.calls import Cite

_QUOTE_CHARS = 20_000
_MAX_CITATIONS = 1_000
"""Citations are copies, kept until the run's result is dropped."""


class Citations:
    """The citations of one node, each once in the run. `document` gives the host's copy by id."""

    def __init__(
        self,
        document: Callable[[str], Document | None],
        emit: Emit,
        places: set[tuple[str, int, int]],
        origin: Callable[[str], Origin | None],
    ) -> None:
        """`places` is what the run has cited; `origin` says where a document of the node stands in the run's corpus."""
        self._document = document
        self._emit = emit
        self._places = places
        self._origin = origin

    async def add(self, call: Cite, step: StepRecord) -> None:
        """Record the citation. Raises RefusedCallError where it is too long, one too many, or does not stand there."""
        if len(call.text) > _QUOTE_CHARS:
            raise RefusedCallError(
                "value",
                f"the quote has {len(call.text):,} characters, at most {_QUOTE_CHARS:,} are taken; cite what matters",
            )
        citation = check_citation(self._document(call.document_id), call.start, call.end, call.text)
        if citation is None:
            raise RefusedCallError("value", "the quote does not stand there; copy it letter for letter from the text")
        origin = self._origin(call.document_id)
        if origin is None:  # of a text that code made for a child: nothing that the run could name
            return
        if origin.start or origin.document_id != citation.document_id:
            citation = _moved(citation, origin)
        place = citation.document_id, citation.start_index, citation.end_index
        if place in self._places:
            return
        if len(self._places) >= _MAX_CITATIONS:
            raise RefusedCallError("value", f"there are {_MAX_CITATIONS:,} citations; no more are taken in this run")
        self._places.add(place)
        await self._emit(Cited(step.iteration, citation))


def _moved(citation: Citation, origin: Origin) -> Citation:
    return Citation(
        cited_text=citation.cited_text,
        start_index=origin.start + citation.start_index,
        end_index=origin.start + citation.end_index,
        document_id=origin.document_id,
    )
