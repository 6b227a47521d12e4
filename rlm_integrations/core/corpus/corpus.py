"""The corpus of a run: what `context` is made from.

`Corpus.of` takes everything a user may pass as `context`. A corpus is prepared once for an engine and
shared by its runs; what a single call brings is joined in front of it.
"""

from __future__ import annotations

import functools
import inspect
import numbers
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, cast
from weakref import WeakKeyDictionary

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.retriever import Retriever
from rlm_integrations.core.corpus.text_files import read_path
from rlm_integrations.core.errors import InvalidArgumentError

T = TypeVar("T")
CorpusKind = Literal["none", "str", "documents"]

_FORMS = (
    "a str, a Path or several, a mapping of name to text, an iterable of str, dicts, documents or nodes, "
    "an object with `async retrieve(query)`, or None"
)
_TEXT_KEYS = ("text", "page_content", "content")
_NAME_CHARS = 1024


class Corpus:
    """An immutable corpus. A single text has kind "str" and is one document with the id "".

    `shared` is the part that was prepared once for many runs (the corpus itself, or the one that a call's
    own documents were joined to), and `brought` the documents in front of it. Both kinds keep texts as
    they came: CRLF, NUL and lone surrogates included.

    With a `retriever` the documents are only a sample: a run begins with those that it returns for the
    question, and the REPL can ask it for more.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        kind: CorpusKind = "documents",
        *,
        join_to: Corpus | None = None,
        retriever: Retriever | None = None,
    ) -> None:
        self.brought: tuple[Document, ...] = tuple(documents)
        self._base = join_to
        self.kind: CorpusKind = kind
        self.retriever: Retriever | None = retriever or (join_to.retriever if join_to else None)

    @property
    def shared(self) -> Corpus:
        return self if self._base is None else self._base

    @cached_property
    def documents(self) -> tuple[Document, ...]:
        """All documents in order, with unique ids."""
        if self._base is None:
            return self.brought
        return unique_ids([*self.brought, *self._base.as_documents()])

    @cached_property
    def by_id(self) -> dict[str, Document]:
        return {document.id: document for document in self.documents}

    @cached_property
    def chars(self) -> int:
        """Characters of text in all."""
        return sum(len(document.text) for document in self.documents)

    @property
    def text(self) -> str:
        """The one text of a corpus of kind "str"."""
        return self.documents[0].text

    def as_documents(self) -> tuple[Document, ...]:
        """The documents; a single text gets an id of its own, for standing beside others."""
        if self.kind == "str":
            return (Document("context", self.text),)
        return self.documents

    def preceded_by(self, documents: Sequence[Document]) -> Corpus:
        """This corpus with a call's own documents in front."""
        if not documents:
            return self
        if self.kind == "none":
            return Corpus(unique_ids(documents), retriever=self.retriever)
        if self._base is not None:  # joined to what is shared, not to what an earlier join made for one run
            return Corpus([*documents, *self.brought], join_to=self._base, retriever=self.retriever)
        return Corpus(documents, join_to=self)

    @classmethod
    def of(cls, context: object) -> Corpus:
        """Read what a user passed as `context`.

        Raises InvalidArgumentError for a wrong type, an empty corpus, a file that cannot be read, and a
        short str that names an existing file.
        """
        if isinstance(context, Corpus):
            return context
        if context is None:
            return cls((), "none")
        if isinstance(context, str):
            return cls((Document("", _checked_text(context)),), "str")
        if inspect.iscoroutinefunction(getattr(context, "retrieve", None)):
            return cls((), "none", retriever=cast(Retriever, context))
        documents = _read(context)
        if not documents:
            raise InvalidArgumentError("context: is empty; pass the documents, or None to ask without a corpus")
        return cls(unique_ids(documents))


def once_per_corpus(function: Callable[[Corpus], T]) -> Callable[[Corpus], T]:
    """Remember what the function says of a corpus for as long as the corpus lives: runs share it."""
    known: WeakKeyDictionary[Corpus, T] = WeakKeyDictionary()

    @functools.wraps(function)
    def remembered(corpus: Corpus) -> T:
        if corpus not in known:
            known[corpus] = function(corpus)
        return known[corpus]

    return remembered


def _read(context: object) -> list[Document]:
    """The documents of one document, a Path, a mapping of names, or an iterable of documents and Paths."""
    if isinstance(context, Path):
        return read_path(context)
    if (mapping := _mapping(context)) is not None:
        return [_named(str(name), text) for name, text in mapping.items()]
    if (alone := _known_document(context, "doc-1")) is not None:
        return [alone]
    if isinstance(context, (bytes, bytearray)) or not isinstance(context, Iterable):
        raise InvalidArgumentError(f"context: {type(context).__name__} is not a corpus; pass {_FORMS}")
    documents: list[Document] = []
    for number, item in enumerate(cast("Iterable[object]", context), 1):
        documents += read_path(item) if isinstance(item, Path) else [document_of(item, number)]
    return documents


def document_of(item: object, number: int) -> Document:
    """One document from a str, a dict, or a framework's document or node (known by its attributes).

    `number` is its place, from 1: it names the item in errors and in the id of a document without one.
    """
    default_id = f"doc-{number}"
    if isinstance(item, str):
        return Document(default_id, item)
    if (mapping := _mapping(item)) is not None:
        return _from_dict(mapping, number, default_id)
    if (document := _known_document(item, default_id)) is not None:
        return document
    raise InvalidArgumentError(
        f"context: item {number} is {type(item).__name__}, which is not a document; pass {_FORMS}"
    )


def _known_document(item: object, default_id: str) -> Document | None:
    """The document that an object of the core or of a framework is, if it is one."""
    if isinstance(item, Document):
        return item
    page_content = getattr(item, "page_content", None)  # a LangChain Document
    if isinstance(page_content, str):
        metadata = _visible(getattr(item, "metadata", None), ())
        return Document(_id(getattr(item, "id", None), default_id), page_content, metadata)
    node = getattr(item, "node", item)  # a LlamaIndex NodeWithScore carries its node
    get_content, node_id = getattr(node, "get_content", None), getattr(node, "node_id", None)
    if callable(get_content) and isinstance(node_id, str):
        hidden = getattr(node, "excluded_llm_metadata_keys", ())
        return Document(_id(node_id, default_id), str(get_content()), _visible(getattr(node, "metadata", None), hidden))
    return None


def _id(value: object, default_id: str) -> str:
    return default_id if value is None or value == "" else str(value)


def unique_ids(documents: Sequence[Document]) -> tuple[Document, ...]:
    """The documents, equal ids told apart: the second "a" becomes "a#2"."""
    taken = {document.id for document in documents}
    if len(taken) == len(documents):
        return tuple(documents)
    counts: dict[str, int] = {}
    unique: list[Document] = []
    for document in documents:
        name, count = document.id, counts.get(document.id, 0) + 1
        if count > 1:
            while (name := f"{document.id}#{count}") in taken:
                count += 1
            taken.add(name)
        counts[document.id] = count
        unique.append(document if name == document.id else Document(name, document.text, document.metadata))
    return tuple(unique)


def _checked_text(text: str) -> str:
    if not text:
        raise InvalidArgumentError("context: is an empty str; pass the text, or None to ask without a corpus")
    if len(text) < _NAME_CHARS and "\n" not in text and os.path.exists(text):
        raise InvalidArgumentError(
            f"context: the str {text!r} names an existing file or folder; pass Path({text!r}) to read it, "
            f"or [{text!r}] to take it as text"
        )
    return text


def _mapping(value: object) -> Mapping[Any, Any] | None:
    return cast("Mapping[Any, Any]", value) if isinstance(value, Mapping) else None


def _named(name: str, text: object) -> Document:
    if not isinstance(text, str):
        raise InvalidArgumentError(
            f"context: the value of {name!r} is {type(text).__name__}, not str; a mapping goes from name to text"
        )
    return Document(name, text)


def _from_dict(item: Mapping[Any, Any], number: int, default_id: str) -> Document:
    """A dict's document. Where it has no "metadata" of its own, its other keys are that."""
    text_key = next((key for key in _TEXT_KEYS if isinstance(item.get(key), str)), None)
    if text_key is None:
        raise InvalidArgumentError(
            f'context: item {number} is a dict without a str under "text"; its keys: {list(item)[:10]}'
        )
    metadata = _mapping(item.get("metadata"))
    if metadata is None:
        metadata = {key: value for key, value in item.items() if key not in ("id", text_key, "metadata")}
    return Document(_id(item.get("id"), default_id), item[text_key], _visible(metadata, ()))


def _visible(metadata: object, hidden: object) -> dict[str, Any]:
    """Metadata as plain JSON values, without the keys that are kept from the model."""
    kept_out = set(cast("Iterable[object]", hidden)) if isinstance(hidden, (list, tuple, set)) else set[object]()
    return {str(key): plain(value) for key, value in (_mapping(metadata) or {}).items() if key not in kept_out}


def plain(value: object) -> Any:
    """The value with everything that is not JSON as its str. Numbers of other libraries become Python's own."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # an enum's value, not its name
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if (mapping := _mapping(value)) is not None:
        return {str(key): plain(inner) for key, inner in mapping.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in cast("Iterable[object]", value)]
    return str(value)
