"""A corpus in which there is nothing to read."""

from __future__ import annotations

from rlm_integrations.core.corpus.corpus import Corpus

_MOST_BLANK = 1_000_000
"""Characters that are looked at, on the event loop: most texts end it with their first."""


def empty_corpus_warning(corpus: Corpus) -> str | None:
    """What is to be said where the context holds no text and no picture, and nothing could bring any; else None."""
    if corpus.kind == "none" or corpus.chars > _MOST_BLANK or corpus.retriever is not None:
        return None
    if any(document.text and not document.text.isspace() for document in corpus.documents):
        return None
    if any(document.images for document in corpus.documents):
        return None
    return (
        "context: it holds no text, as where a search has found nothing, so the answer rests on the question alone; "
        "pass the documents, or check what was to bring them"
    )
