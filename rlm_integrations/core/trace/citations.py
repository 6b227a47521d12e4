"""Citations: quotes that the host compared with its own copy of the corpus."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate, takewhile
from typing import Any

from pydantic import BaseModel, ConfigDict

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.surrogates import Text


class Citation(BaseModel):
    """A quote and where it stands: `document.text[start_index:end_index] == cited_text`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cited_text: Text
    start_index: int
    end_index: int
    document_id: Text
    iteration: int | None = None
    """The iteration whose code cited it."""
    child: str | None = None
    """Of which child RLM that was, where it was one: "2.1" is the first sub-call of the root's second."""


def check_citation(document: Document | None, start: int, end: int, text: str) -> Citation | None:
    """The citation, or None where the document does not hold that text at that place."""
    if document is None or not 0 <= start < end <= len(document.text) or document.text[start:end] != text:
        return None
    return Citation(cited_text=text, start_index=start, end_index=end, document_id=document.id)


def that_fit(citations: Sequence[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    """Citations as JSON, in their order, up to the first that would take them over `size` characters in all."""
    sizes = accumulate(len(json.dumps(citation)) for citation in citations)
    return [citation for citation, _ in zip(citations, takewhile(lambda so_far: so_far <= size, sizes), strict=False)]
