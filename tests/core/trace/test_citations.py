from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.trace.citations import Citation, check_citation, that_fit

TEXT = "The kiln was lit\r\non Monday."
DOCUMENT = Document("diary", TEXT)


def test_a_quote_that_stands_there_becomes_a_citation() -> None:
    assert check_citation(DOCUMENT, 4, 18, "kiln was lit\r\n") == Citation(
        cited_text="kiln was lit\r\n", start_index=4, end_index=18, document_id="diary"
    )
    assert check_citation(DOCUMENT, 0, len(TEXT), TEXT) is not None


@pytest.mark.parametrize(
    ("start", "end", "quote"),
    [
        (4, 18, "kiln was lit\n\n"),
        (5, 19, "kiln was lit\r\n"),
        (-7, -1, "Monday"),  # Python's own slices would find it
        (4, 4, ""),
        (18, 4, ""),
        (0, len(TEXT) + 5, TEXT),
        (len(TEXT), len(TEXT) + 1, ""),
    ],
)
def test_a_quote_that_does_not_stand_there_is_none(start: int, end: int, quote: str) -> None:
    assert check_citation(DOCUMENT, start, end, quote) is None


def test_a_document_that_is_not_in_the_corpus_holds_no_quote() -> None:
    assert check_citation(None, 0, 3, "The") is None


@given(st.text(max_size=30), st.integers(-5, 35), st.integers(-5, 35), st.text(max_size=5))
def test_whatever_is_cited_stands_in_the_document(text: str, start: int, end: int, other: str) -> None:
    for quote in (text[start:end], other):
        citation = check_citation(Document("d", text), start, end, quote)
        if citation is not None:
            assert 0 <= citation.start_index < citation.end_index <= len(text)
            assert text[citation.start_index : citation.end_index] == citation.cited_text == quote


def test_a_citation_is_a_value() -> None:
    citation = Citation(cited_text="a", start_index=0, end_index=1, document_id="d")
    assert hash(citation) == hash(citation.model_copy())
    with pytest.raises(ValidationError, match="frozen"):
        citation.cited_text = "b"  # type: ignore[misc]


def test_of_many_citations_the_first_that_fit_are_kept() -> None:
    citations = [{"cited_text": "x" * 80, "n": n} for n in range(10)]
    each = len(json.dumps(citations[0]))
    assert that_fit(citations, 10 * each) == citations
    assert that_fit(citations, 3 * each + 1) == citations[:3]
    assert that_fit(citations, each - 1) == that_fit([], 100) == []
