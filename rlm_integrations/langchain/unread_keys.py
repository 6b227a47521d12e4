"""Inputs whose corpus stands under a name that is not read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain.caller_warning import warn_caller
from rlm_integrations.langchain.loaded import is_loader, is_vector_store

_READ = {"question", "input", "query", "chat_history", "history", "messages", "context"}
_CORPUS_NAMES = {
    "chunks", "contexts", "corpus", "doc", "docs", "document", "documents", "files", "knowledge", "passages",
    "retriever", "retrieved_documents", "source_documents", "sources", "splits", "text", "texts",
}  # fmt: skip


def check_keys(value: object, *, has_corpus: bool) -> None:
    """Say what a run does not read of its input, where that brings no context. `has_corpus`: the runnable has one.

    Raises InvalidArgumentError where that is a corpus, by its name or its kind, and the run has none; where it has one,
    it is warned of. Of the state of an agent, which may hold anything, documents are warned of where there is no
    corpus, and so is each other key of another dict.
    """
    if not isinstance(value, Mapping):
        return
    given = cast("Mapping[object, Any]", value)
    if given.get("context") is not None:
        return
    unread = {str(key): held for key, held in given.items() if str(key) not in _READ and held is not None}
    corpora = [key for key, held in unread.items() if is_corpus(held)]
    if "messages" in given:
        if corpora and not has_corpus:
            warn_caller(f"input: {corpora[0]!r} is not read, and there is no corpus; pass the documents as 'context'")
        return
    named = [key for key in unread if key.lower() in _CORPUS_NAMES or key in corpora]
    if named and has_corpus:
        warn_caller(
            f"input: {named[0]!r} is not read, and the run goes over the runnable's own context alone; pass it as "
            "'context' to have it read before that, or leave it out"
        )
    elif named:
        raise InvalidArgumentError(
            f"input: {named[0]!r} is not read, and there is no corpus; pass it as 'context': "
            '{"question": ..., "context": ...}, or give the runnable its context'
        )
    elif unread and not has_corpus:
        warn_caller(
            f"input: {', '.join(map(repr, list(unread)[:5]))} not read, and there is no corpus; what is to be read "
            "goes under 'context', and a prompt before the runnable takes other keys"
        )


def is_corpus(value: object) -> bool:
    """Whether it can hardly be anything else."""
    if isinstance(value, (list, tuple)):
        return any(isinstance(item, Document) for item in cast("list[object]", value)[:10])
    return isinstance(value, (Document, BaseRetriever, Path)) or is_loader(value) or is_vector_store(value)
