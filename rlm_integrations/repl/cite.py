"""`cite`: finds where a quote stands, and has the host compare that slice with its own copy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from rlm_integrations.repl.corpus_view import CorpusView
from rlm_integrations.repl.host_calls import ask
from rlm_integrations.repl.host_port import HostPort
from rlm_integrations.repl.matches import Match, Passage
from rlm_integrations.repl.pattern import ANY_SPACE
from rlm_integrations.wire import calls

_QUOTATION_MARKS = "\"'`“”„‘’«»"
_compile, _escape = re.compile, re.escape


class Cite:
    """Holds what the function that the model calls needs."""

    def __init__(self, host: HostPort, corpus: CorpusView) -> None:
        self._host = host
        self._corpus = corpus

    def cite(self, quote: str, doc_id: Any = None) -> str:
        """Record evidence: a quote from the corpus, word for word; runs of white space may differ, and
        the margins of comments and lists at line breaks. Quotation marks around it need not stand in the corpus.

        `doc_id` is an id, a document or a match. Returns the quote as it stands there. Raises ValueError where it does
        not stand, KeyError for an unknown id.
        """
        if not isinstance(quote, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"quote: {type(quote).__name__} is not a str")
        if not quote.strip():
            raise ValueError("quote: is empty")
        wanted = None if doc_id is None else self._corpus.passage(_id_of(doc_id))
        found = _find(quote, self._corpus.passages() if wanted is None else [wanted])
        if found is None:
            raise ValueError(self._unfound(quote, wanted))
        passage, start, end = found
        cited = passage.text[start:end]
        ask(self._host, calls.Cite(passage.id, start, end, cited))
        return cited

    def _unfound(self, quote: str, wanted: Passage | None) -> str:
        shown = repr(quote if len(quote) <= 80 else f"{quote[:79]}…")
        if wanted is None:
            return f"quote {shown} does not stand in the corpus; copy it letter for letter from the text"
        elsewhere = _find(quote, self._corpus.passages())
        if elsewhere is not None:
            return f"quote {shown} does not stand in {wanted.id!r}; it stands in {elsewhere[0].id!r}"
        return f"quote {shown} does not stand in {wanted.id!r}, nor elsewhere; copy it letter for letter from the text"


def _id_of(doc: Any) -> str:
    if isinstance(doc, Match):
        return doc.id
    value: Any = doc.get("id") if isinstance(doc, dict) else doc  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    if not isinstance(value, str):
        raise TypeError(f"doc_id: {type(doc).__name__} is not an id, a document or a match")  # pyright: ignore[reportUnknownArgumentType]
    return value


def _find(quote: str, passages: Any) -> tuple[Passage, int, int] | None:
    """The first place of the quote; if there is none, of what stands in its quotation marks."""
    passages = list(passages)
    found = _find_words(quote, passages)
    inner = quote.strip().strip(_QUOTATION_MARKS)
    return _find_words(inner, passages) if found is None and inner.strip() and inner != quote.strip() else found


def _find_words(quote: str, passages: Iterable[Passage]) -> tuple[Passage, int, int] | None:
    """The first place of these words; within a document letter for letter before with other white space."""
    words = quote.split()
    exact = quote.strip()
    loose = None
    for passage in passages:
        start = passage.text.find(exact)
        if start >= 0:
            return passage, start, start + len(exact)
        if len(words) > 1:
            loose = loose or _compile(ANY_SPACE.join(map(_escape, words)))  # takes long for a long quote
            if (match := loose.search(passage.text)) is not None:
                return passage, match.start(), match.end()
    return None
