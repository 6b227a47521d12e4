"""The forms in which a user may pass a corpus, and the documents that they stand for."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from inspect import isroutine
from pathlib import Path
from typing import Any, cast

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.names import check_is_text
from rlm_integrations.core.corpus.text_files import PathReader
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.files.report import FilesReport

_FORMS = (
    "a str, a Path or several, a mapping of name to text, an iterable of str, dicts, documents or nodes, "
    "an object with `async retrieve(query)`, or None"
)
_TEXT_KEYS = ("text", "page_content", "content")
_NUMBER_BITS = 13_000  # Python writes integers of up to 4,300 digits
_DEEPEST = 100


def read_documents(context: object) -> tuple[list[Document], FilesReport | None]:
    """The documents of one document, a Path, a mapping of names, or an iterable of documents and Paths.

    Beside them what was read of files and skipped, None where there was no Path.
    """
    with PathReader() as files:
        documents = _documents([context] if isinstance(context, Path) else context, files)
    return documents, files.report if files.report.files or files.report.skipped else None


def _documents(context: object, files: PathReader) -> list[Document]:
    if (mapping := _mapping(context)) is not None:
        return [_named(str(name), text) for name, text in mapping.items()]
    if (alone := _known_document(context, "doc-1")) is not None:
        return [alone]
    if isinstance(context, (bytes, bytearray)) or not isinstance(context, Iterable):
        raise InvalidArgumentError(f"context: {type(context).__name__} is not a corpus; {_remedy(cast(Any, context))}")
    documents: list[Document] = []
    for number, item in enumerate(cast("Iterable[object]", context), 1):
        documents += files.read(item) if isinstance(item, Path) else [document_of(item, number)]
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
        f"context: item {number} is {type(item).__name__}, which is not a document; {_remedy(item)}"
    )


def _remedy(given: object) -> str:
    """What to pass in place of what is nearly a corpus, or a document of one."""
    if isinstance(given, (bytes, bytearray)):
        return "decode it: data.decode()"
    if isroutine(given):
        return "call the function, and pass what it returns"
    if isinstance(given, tuple) and any(_known_document(part, "") for part in cast("tuple[object, ...]", given)):
        return "of pairs of documents and scores pass the documents: [document for document, score in pairs]"
    if isinstance(given, list):
        return "pass one flat list of documents, not a list of lists"
    return f"pass {_FORMS}"


def _known_document(item: object, default_id: str) -> Document | None:
    """The document that an object of the core or of a framework is, if it is one."""
    if isinstance(item, Document):
        return item
    page_content = getattr(item, "page_content", None)  # a LangChain Document
    if isinstance(page_content, str):
        name = _id(getattr(item, "id", None), default_id)
        metadata = visible_metadata(getattr(item, "metadata", None), (), name)
        return Document(name, page_content, metadata)
    node = getattr(item, "node", item)  # a LlamaIndex NodeWithScore carries its node
    get_content, node_id = getattr(node, "get_content", None), getattr(node, "node_id", None)
    if callable(get_content) and isinstance(node_id, str):
        hidden = getattr(node, "excluded_llm_metadata_keys", ())
        name = _id(node_id, default_id)
        metadata = visible_metadata(getattr(node, "metadata", None), hidden, name)
        return Document(name, str(get_content()), metadata)
    return None


def _id(value: object, default_id: str) -> str:
    return default_id if value is None or value == "" else str(value)


def checked_text(text: str) -> str:
    if not text:
        raise InvalidArgumentError("context: is an empty str; pass the text, or None to ask without a corpus")
    check_is_text(text)
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
    name = _id(item.get("id"), default_id)
    return Document(name, item[text_key], visible_metadata(metadata, (), name))


def visible_metadata(metadata: object, hidden: object, document_id: str) -> dict[str, Any]:
    """Metadata as plain JSON values, without the keys that are kept from the model.

    Raises InvalidArgumentError, which names the document, for values that cannot be that.
    """
    kept_out = set(cast("Iterable[object]", hidden)) if isinstance(hidden, (list, tuple, set)) else set[object]()
    try:
        return {str(key): plain(value) for key, value in (_mapping(metadata) or {}).items() if key not in kept_out}
    except NotPlainError as error:
        raise InvalidArgumentError(
            f"context: the metadata of document {document_id!r:.200} holds {error}; pass plainer metadata"
        ) from None


class NotPlainError(ValueError):
    """A value that cannot be written as JSON. The message says what it is."""


def plain(value: object, _depth: int = 0) -> Any:
    """The value with everything that is not JSON as its str. Numbers of other libraries become Python's own.

    Raises NotPlainError for numbers too long to be written, and for what is nested too deeply to be read.
    """
    kind = type(value)
    if value is None or kind is str or kind is bool or kind is float:
        return value
    if isinstance(value, str):
        return str.__str__(value)  # an enum's value, not its name
    if isinstance(value, numbers.Integral):
        number = int(value)
        if number.bit_length() > _NUMBER_BITS:
            raise NotPlainError("an integer of more than 4,000 digits")
        return number
    if isinstance(value, numbers.Real):
        return float(value)
    if _depth > _DEEPEST:
        raise NotPlainError(f"values nested more than {_DEEPEST} deep")
    if (mapping := _mapping(value)) is not None:
        return {str(key): plain(inner, _depth + 1) for key, inner in mapping.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner, _depth + 1) for inner in cast("Iterable[object]", value)]
    return str(value)
