"""`cite`: quotes that stand where the code says, in the host's own copy of the corpus."""

from __future__ import annotations

from collections.abc import Callable

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.host.answers import Emit, RefusedCallError
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.trace.citations import check_citation
from rlm_integrations.core.trace.events import Cited
from rlm_integrations.wire.calls import Cite

_QUOTE_CHARS = 20_000
_MAX_CITATIONS = 1_000
"""Citations are copies, kept until the run's result is dropped."""


class Citations:
    """The citations of one run, each once. `document` gives the host's copy by id."""

    def __init__(self, document: Callable[[str], Document | None], emit: Emit) -> None:
        self._document = document
        self._emit = emit
        self._places: set[tuple[str, int, int]] = set()

    async def add(self, call: Cite, step: StepRecord) -> None:
        """Record the citation. Raises RefusedCallError where it is too long, one too many, or does not stand there."""
        if len(call.text) > _QUOTE_CHARS:
            raise RefusedCallError(
                "value",
                f"the quote has {len(call.text):,} characters, at most {_QUOTE_CHARS:,} are taken; cite what matters",
            )
        place = call.document_id, call.start, call.end
        if len(self._places) >= _MAX_CITATIONS and place not in self._places:
            raise RefusedCallError("value", f"there are {_MAX_CITATIONS:,} citations; no more are taken in this run")
        citation = check_citation(self._document(call.document_id), call.start, call.end, call.text)
        if citation is None:
            raise RefusedCallError("value", "the quote does not stand there; copy it letter for letter from the text")
        if place not in self._places:
            self._places.add(place)
            await self._emit(Cited(step.iteration, citation))
