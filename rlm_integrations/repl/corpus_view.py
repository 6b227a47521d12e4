"""The corpus as the functions of the REPL see it: documents by id, and what a `docs` argument picks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from rlm_integrations.repl.matches import Match, Passage

_TEXT_CHARS = 200  # a longer str is a text, whatever it looks like
_IDS_COMPARED = 5_000

DocumentDict = dict[str, Any]


class CorpusView:
    """Documents `{"id", "text", "metadata"}` in order; a single text is one with the id "".

    The index is built when it is first needed: reading every document of a corpus that many forked
    REPLs share would copy its pages for each of them.
    """

    def __init__(self, context: str | list[DocumentDict] | None, said_columns: Collection[str] = frozenset()) -> None:
        """`said_columns`: metadata that the text of a document says too, which a head above it does not repeat."""
        self._context = context
        self.said_columns = said_columns
        self._built: dict[str, DocumentDict] | None = None

    @property
    def _documents(self) -> dict[str, DocumentDict]:
        if self._built is None:
            if isinstance(self._context, str):
                self._built = {"": {"id": "", "text": self._context, "metadata": {}}}
            else:
                self._built = {document["id"]: document for document in self._context or ()}
        return self._built

    def add(self, documents: Iterable[DocumentDict]) -> list[DocumentDict]:
        """Append those with a new id to the corpus and to the list that `context` was; the held ones of all."""
        held: list[DocumentDict] = []
        for document in documents:
            known = self._documents.setdefault(document["id"], document)
            if known is document and isinstance(self._context, list):
                self._context.append(document)
            held.append(known)
        return held

    @property
    def one_text(self) -> str | None:
        """The corpus, where it is one text."""
        return self._context if isinstance(self._context, str) else None

    def document(self, doc_id: object) -> DocumentDict | None:
        """The document of that id, if there is one. A corpus that is one text has the id ""."""
        return self._documents.get(doc_id) if isinstance(doc_id, str) else None

    def passages(self) -> Iterator[Passage]:
        """All texts."""
        for document in list(self._documents.values()):
            yield _passage(document)

    def passage(self, doc_id: str) -> Passage:
        """The text of one document. A corpus that is one text has any id.

        Raises KeyError, naming ids that are close.
        """
        document = self._documents.get("" if isinstance(self._context, str) else doc_id)
        if document is None:
            raise KeyError(self._unknown(doc_id))
        return _passage(document)

    def pick(self, docs: Any) -> Iterable[Passage]:
        """The texts that a `docs` argument means, each once: None for all; an id, a document or a match, or several;
        a str that is no id is a text itself.

        Raises KeyError for what looks like an id and is none, TypeError for anything else.
        """
        if docs is None:
            return self.passages()
        if isinstance(docs, (str, dict, Match)):
            return [self._one(docs)]
        try:
            items = iter(docs)
        except TypeError:
            raise TypeError(
                f"docs: {type(docs).__name__} is not an id, a document, a match or a list of these"
            ) from None
        passages = map(self._one, items)
        return list({(passage.id, id(passage.text)): passage for passage in passages}.values())

    def _one(self, item: Any) -> Passage:
        if isinstance(item, Match):
            return item.passage
        if isinstance(item, dict):
            return _passage(item)  # pyright: ignore[reportUnknownArgumentType]
        if not isinstance(item, str):
            raise TypeError(f"docs: {type(item).__name__} is not an id, a document or a match")
        if item in self._documents:
            return self.passage(item)
        if self._is_text(item):
            return Passage("", item)
        raise KeyError(self._unknown(item))

    def _is_text(self, item: str) -> bool:
        if len(item) > _TEXT_CHARS or "\n" in item or not any(self._documents):
            return True
        return len(item.split()) > 1 and not self._close_ids(item)

    def _close_ids(self, doc_id: str) -> list[str]:
        ids = [known for known, _ in zip(self._documents, range(_IDS_COMPARED), strict=False)]
        by_folded = {known.casefold(): known for known in ids}
        if doc_id.casefold() in by_folded:
            return [by_folded[doc_id.casefold()]]
        return get_close_matches(doc_id, ids, n=3, cutoff=0.7)

    def _unknown(self, doc_id: str) -> str:
        if not any(self._documents):
            return f"no document has the id {doc_id!r}; `context` is one text, with the id ''"
        close = ", ".join(map(repr, self._close_ids(doc_id)))
        hint = f"close ones: {close}" if close else 'ids are d["id"] for d in context'
        return f"no document has the id {doc_id!r}; {hint}"


def _passage(document: DocumentDict) -> Passage:
    text = document.get("text")
    if not isinstance(text, str):
        raise TypeError(f'document {document.get("id")!r} has no str under "text", but {type(text).__name__}')
    metadata = document.get("metadata")
    return Passage(str(document.get("id", "")), text, metadata if isinstance(metadata, dict) else {})
