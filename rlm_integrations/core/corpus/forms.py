"""The forms in which a user may pass a corpus, and the documents that they stand for."""

from __future__ import annotations

import numbers
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.text_files import read_path
from rlm_integrations.core.errors import InvalidArgumentError

_FORMS = (
    "a str, a Path or several, a mapping of name to text, an iterable of str, dicts, documents or nodes, "
    "an object with `async retrieve(query)`, or None"
)
_TEXT_KEYS = ("text", "page_content", "content")
_NAME_CHARS = 1024


def read_documents(context: object) -> list[Document]:
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


def checked_text(text: str) -> str:
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
