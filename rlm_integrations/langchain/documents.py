"""LangChain documents, loaders and retrievers as the context of a run, with the way back to the originals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from langchain_core.documents import Document as LangChainDocument
from langchain_core.runnables import Runnable

from rlm_integrations.core.corpus.chunks import Joined, Span, Spans
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.description import corpus_line
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.forms import document_of
from rlm_integrations.core.corpus.found_document import FoundDocument
from rlm_integrations.core.corpus.frames import is_table
from rlm_integrations.core.corpus.nearly_a_corpus import is_no_collection
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.frozen import frozen
from rlm_integrations.langchain.loaded import is_loader, is_vector_store
from rlm_integrations.langchain.retriever import LangChainRetriever, langchain_document
from rlm_integrations.langchain.sessions import Sessions
from rlm_integrations.langchain.splits import join_splits, warn_of_overlaps


@frozen
class PreparedContext:
    """A context, read once and shared by the runs over it."""

    corpus: Corpus
    items: tuple[object, ...] = field(repr=False)
    """What each document of the corpus was made from, in their order; of splits put together, their Joined."""
    retriever: Runnable[str, Any] | None = None
    sessions: Sessions = field(default_factory=Sessions, repr=False, compare=False)
    """Those of the runnables that have it as their own context."""

    def __post_init__(self) -> None:
        _ = self.corpus.chars  # which `describe` says: counted here, where no event loop waits
        if self.retriever is not None:
            _ = self.corpus.by_id  # what it finds is told apart from these

    def read(self) -> PreparedContext:
        return self

    async def aread(self) -> PreparedContext:
        return self

    def preceded_by(self, brought: PreparedContext) -> PreparedContext:
        """This context with a call's own in front of it.

        Raises InvalidArgumentError where both hold a retriever: which of them a run may ask is not ours to guess.
        """
        if brought.retriever is not None and self.retriever is not None:
            raise InvalidArgumentError(
                "context: the call brings a retriever and the constructor has one; pass one of them"
            )
        brought = brought.without(self)
        alone = self.corpus.kind == "none"
        corpus = brought.corpus if alone else self.corpus.preceded_by(brought.corpus.as_documents())
        return PreparedContext(corpus, (*brought.items, *self.items), brought.retriever or self.retriever)

    def without(self, known: PreparedContext) -> PreparedContext:
        """This context without documents that the other one has: by their ids, as `_each_once` knows them."""
        there = known.corpus.by_id
        kept = [
            (document, item)
            for document, item in zip(self.corpus.as_documents(), self.items, strict=True)
            if not (isinstance(item, LangChainDocument) and item.id and there.get(item.id) == document)
        ]
        if len(kept) == len(self.items):
            return self
        documents, items = zip(*kept, strict=True) if kept else ((), ())
        return PreparedContext(Corpus(documents), items, self.retriever)

    def is_like(self, other: PreparedContext) -> bool:
        """Whether the other was made of equal documents, and of the same retriever."""
        if self.retriever is not other.retriever:
            return False
        return self.corpus is other.corpus or self.corpus.documents == other.corpus.documents

    def for_a_session(self) -> PreparedContext:
        """The same, without the sessions: one of them that held all would keep itself until a garbage collection."""
        return replace(self, sessions=Sessions())

    def describe(self) -> str:
        """In one line, for tracers: "240 documents, 12,345 characters"."""
        if self.retriever is None:
            return corpus_line(self.corpus)
        name = self.retriever.get_name()
        return name if self.corpus.kind == "none" else f"{corpus_line(self.corpus)}, {name}"


class RunContext:
    """The context of one run, or of one session, with the way back from what was read to the user's own documents."""

    def __init__(self, prepared: PreparedContext) -> None:
        self._items = prepared.items
        self.corpus = prepared.corpus
        retriever = None if prepared.retriever is None else LangChainRetriever(prepared.retriever)
        if retriever is not None and prepared.corpus.kind == "none":
            self.corpus = Corpus((), "none", retriever=retriever)
        elif retriever is not None:
            self.corpus = Corpus((), join_to=prepared.corpus, retriever=retriever)

    def rests_on(self, result: RLMResult[Any]) -> list[LangChainDocument]:
        """The LangChain documents that the answer rests on, cited ones first; of splits, those that hold the places."""
        original = cache(self._way_back(result.evidence.retrieved))
        splits = {
            document.id: Spans(cast("Joined[LangChainDocument]", item).spans)
            for document, item in zip(self.corpus.documents, self._items, strict=True)
            if isinstance(item, Joined)
        }
        found: list[LangChainDocument] = []
        for citation in result.citations:
            if (spans := splits.get(citation.document_id)) is None:
                found += original(citation.document_id)
            else:
                start, end = citation.start_index, citation.end_index
                touching = spans.touching(start, end)
                found += _items([each for each in touching if each.start <= start and end <= each.end] or touching)
        for place in result.evidence.places:
            spans = splits.get(place.document_id)
            touched = None if spans is None else _items(spans.touching(place.start, place.end))
            found += original(place.document_id) if touched is None else touched
        touched_ids = {place.document_id for place in (*result.citations, *result.evidence.places)}
        for name in result.sources:
            if name not in splits:
                found += original(name)
            elif name not in touched_ids:  # a picture of it was seen, which all splits have
                found += _items(splits[name].touching(0, 1))
        return list({id(document): document for document in found}.values())

    def _way_back(self, retrieved: Mapping[str, FoundDocument]) -> Callable[[str], list[LangChainDocument]]:
        """From an id to the LangChain document that has it in the run; to none where it is a message of the question.

        A text that was no document becomes one.
        """
        made = dict(zip((document.id for document in self.corpus.documents), self._items, strict=True))

        def original(name: str) -> list[LangChainDocument]:
            if name in retrieved:
                return [langchain_document(retrieved[name])]
            if name not in made:
                return []
            item = made[name]
            return [item if isinstance(item, LangChainDocument) else _as_langchain(self.corpus.by_id[name])]

        return original


def prepare_context(context: object) -> PreparedContext:
    """Read what was passed as context: everything that `Corpus.of` takes, a loader, or a LangChain retriever.

    Raises InvalidArgumentError for anything else.
    """
    if isinstance(context, PreparedContext):
        return context
    if is_vector_store(context):
        raise InvalidArgumentError(
            "context: a vector store is not a corpus; pass vector_store.as_retriever(), or the documents"
        )
    if isinstance(context, Runnable):
        return PreparedContext(Corpus((), "none"), (), cast(Runnable[str, Any], context))
    if is_loader(context):
        context = context.lazy_load()
    if isinstance(context, LangChainDocument):
        context = [context]
    if (
        is_table(context)
        or isinstance(context, (str, bytes, bytearray, Path, Mapping, Corpus))
        or is_no_collection(context)
    ):
        corpus = Corpus.of(cast(object, context))
        return PreparedContext(corpus, (None,) * len(corpus.as_documents()))
    items = _each_once(cast(Iterable[object], context))
    if (joined := join_splits(items)) is not None:
        documents, made_of = joined
        warn_of_overlaps(made_of)
        return PreparedContext(Corpus(documents), tuple(made_of))
    warn_of_overlaps(items)
    corpus = Corpus.of(items)
    # A Path becomes any number of documents, so only items that stand for one document each are kept.
    paths = any(isinstance(item, Path) for item in items)
    return PreparedContext(corpus, (None,) * len(corpus.documents) if paths else items)


def prepare_brought(context: object) -> PreparedContext:
    """A call's own context.

    A search that found nothing is an empty list to the root LM, and no error; so is the empty str that a chain formats
    it to.
    """
    if (isinstance(context, (list, tuple)) and not context) or (isinstance(context, str) and not context.strip()):
        return PreparedContext(Corpus(()), ())
    return prepare_context(cast(object, context))


def _each_once(items: Iterable[object]) -> tuple[object, ...]:
    """Without documents that are given again, as two searches find them: they are known by their ids.

    Documents without ids stay, though they be alike: rows of a table may well be.
    """
    kept: list[object] = []
    firsts: dict[tuple[str, str], LangChainDocument] = {}
    known: set[object] = set()
    for place, item in enumerate(items, 1):
        if isinstance(item, LangChainDocument) and item.id:
            name = item.id, item.page_content
            first = firsts.get(name)
            if first is None:
                firsts[name] = item
            else:
                known.add((name, _beside_text(first, place)))
                if (own := (name, _beside_text(item, place))) in known:
                    continue
                known.add(own)
        kept.append(item)
    return tuple(kept)


def _beside_text(item: LangChainDocument, place: int) -> object:
    """What the corpus has of it besides its text. A repr, since not a number is like nothing, not even itself."""
    document = document_of(item, place)
    return repr(document.metadata), document.images


def _items(spans: Iterable[Span[LangChainDocument]]) -> list[LangChainDocument]:
    return [span.item for span in spans]


def _as_langchain(document: Document) -> LangChainDocument:
    return LangChainDocument(id=document.id, page_content=document.text, metadata=dict(document.metadata))
