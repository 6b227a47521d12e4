"""The corpus of a run: what `context` is made from.

`Corpus.of` takes everything a user may pass as `context`. A corpus is prepared once for an engine and
shared by its runs; what a single call brings is joined in front of it.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from rlm_integrations.core.document import Document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.retriever import Retriever

CorpusKind = Literal["none", "str", "documents"]

_FORMS = (
    "a str, a Path or several, a mapping of name to text, an iterable of str, dicts, documents or nodes, "
    "a retriever, or None"
)


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
        if isinstance(context, Path):
            return cls(_read_paths([context]))
        if inspect.iscoroutinefunction(getattr(context, "retrieve", None)):
            return cls((), "none", retriever=cast(Retriever, context))
        if (mapping := _mapping(context)) is not None:
            return cls(unique_ids([_named(str(name), text) for name, text in mapping.items()]))
        if isinstance(context, (bytes, bytearray)) or not isinstance(context, Iterable):
            raise InvalidArgumentError(f"context: {type(context).__name__} is not a corpus; pass {_FORMS}")
        items: list[object] = list(context)  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
        if not items:
            raise InvalidArgumentError("context: is empty; pass the documents, or None to ask without a corpus")
        if all(isinstance(item, Path) for item in items):
            return cls(_read_paths([item for item in items if isinstance(item, Path)]))
        return cls(unique_ids([document_of(item, number) for number, item in enumerate(items, 1)]))


def document_of(item: object, number: int) -> Document:
    """One document from a str, a dict, or a framework's document or node (known by its attributes).

    `number` is its place, from 1: it names the item in errors and in the id of a document without one.
    """
    default_id = f"doc-{number}"
    if isinstance(item, Document):
        return item
    if isinstance(item, str):
        return Document(default_id, item)
    if (mapping := _mapping(item)) is not None:
        return _from_dict(mapping, number, default_id)
    page_content = getattr(item, "page_content", None)  # a LangChain Document
    if isinstance(page_content, str):
        metadata = _visible(getattr(item, "metadata", None), ())
        return Document(str(getattr(item, "id", None) or default_id), page_content, metadata)
    node = getattr(item, "node", item)  # a LlamaIndex NodeWithScore carries its node
    get_content, node_id = getattr(node, "get_content", None), getattr(node, "node_id", None)
    if callable(get_content) and isinstance(node_id, str):
        hidden = getattr(node, "excluded_llm_metadata_keys", ())
        return Document(node_id or default_id, str(get_content()), _visible(getattr(node, "metadata", None), hidden))
    raise InvalidArgumentError(
        f"context: item {number} is {type(item).__name__}, which is not a document; pass {_FORMS}"
    )


def unique_ids(documents: Sequence[Document]) -> tuple[Document, ...]:
    """The documents, equal ids told apart: the second "a" becomes "a#2"."""
    taken = {document.id for document in documents}
    if len(taken) == len(documents):
        return tuple(documents)
    seen: set[str] = set()
    unique: list[Document] = []
    for document in documents:
        name, count = document.id, 1
        while name in seen or (count > 1 and name in taken):
            count += 1
            name = f"{document.id}#{count}"
        seen.add(name)
        unique.append(document if name == document.id else Document(name, document.text, document.metadata))
    return tuple(unique)


def _checked_text(text: str) -> str:
    if not text:
        raise InvalidArgumentError("context: is an empty str; pass the text, or None to ask without a corpus")
    if len(text) < 1024 and "\n" not in text and "\0" not in text:
        try:
            exists = os.path.exists(text)
        except (OSError, ValueError):
            exists = False
        if exists:
            raise InvalidArgumentError(
                f"context: the str {text!r} names an existing file; pass Path({text!r}) to read it"
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
    text = next((item[key] for key in ("text", "page_content", "content") if isinstance(item.get(key), str)), None)
    if text is None:
        raise InvalidArgumentError(
            f'context: item {number} is a dict without a str under "text"; its keys: {list(item)[:10]}'
        )
    metadata = _mapping(item.get("metadata"))
    if metadata is None:
        metadata = {key: value for key, value in item.items() if key != "id" and value is not text}
    return Document(str(item.get("id") or default_id), text, _visible(metadata, ()))


def _visible(metadata: object, hidden: object) -> dict[str, Any]:
    """Metadata as plain JSON values, without the keys that are kept from the model."""
    kept_out = set(cast("Iterable[object]", hidden)) if isinstance(hidden, (list, tuple, set)) else set[object]()
    return {str(key): plain(value) for key, value in (_mapping(metadata) or {}).items() if key not in kept_out}


def plain(value: object) -> Any:
    """The value with everything that is not JSON as its str."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if (mapping := _mapping(value)) is not None:
        return {str(key): plain(inner) for key, inner in mapping.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in cast("Iterable[object]", value)]
    return str(value)


def _read_paths(paths: Sequence[Path]) -> tuple[Document, ...]:
    """Each file a document, its id the path as given; a folder stands for the text files in it, at any depth."""
    documents: list[Document] = []
    for path in paths:
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file() and not _hidden(file.relative_to(path)))
            found = [(file.as_posix(), text) for file in files if (text := _text_of(file)) is not None]
            if not found:
                raise InvalidArgumentError(f"context: no text file in the folder {str(path)!r}")
            documents += [Document(name, text) for name, text in found]
        else:
            documents.append(_file_document(path))
    return unique_ids(documents)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def _file_document(path: Path) -> Document:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidArgumentError(f"context: cannot read {str(path)!r}: {error.strerror or error}") from error
    return Document(path.as_posix(), data.decode("utf-8", "surrogateescape"))


def _text_of(file: Path) -> str | None:
    """The text of a file in a folder, None for a binary one."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InvalidArgumentError(f"context: cannot read {str(file)!r}: {error.strerror or error}") from error
    if b"\0" in data[:8192]:
        return None
    return data.decode("utf-8", "surrogateescape")
