"""The forms in which a user may pass a corpus, and the documents that they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

from rlm_integrations.core.corpus.document import Document, document_with
from rlm_integrations.core.corpus.frames import Rows, is_table, read_rows, rows_of_dicts
from rlm_integrations.core.corpus.image_blocks import images_in, images_of, images_of_node, named
from rlm_integrations.core.corpus.names import check_are_texts, check_is_text
from rlm_integrations.core.corpus.nearly_a_corpus import (
    PAIRS,
    is_no_collection,
    named_kind,
    remedy_for,
    remedy_for_value,
)
from rlm_integrations.core.corpus.plain_values import (
    NotPlainError,
    checked_name,
    is_alike,
    is_plain_metadata,
    plain_metadata,
    shown_name,
)
from rlm_integrations.core.corpus.text_files import PathReader
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.image import Image
from rlm_integrations.files.report import FilesReport
from rlm_integrations.files.rows import TEXT_COLUMNS, Table
from rlm_integrations.frozen import frozen
from rlm_integrations.wire.images import IMAGES

_NOTHING = frozenset[object]()
_TEXT_AND_METADATA = 2
"""Keys of a dict that has nothing else but an id."""
_SHOWN_KEYS = 10
_OF_LANGCHAIN = {"type": "Document"}
"""What a LangChain document that was written down has besides."""
_OF_LLAMA_INDEX = frozenset({"class_name", "excluded_llm_metadata_keys"})
"""Some of what a LlamaIndex node that was written down has besides."""
_FORMS = (
    "a str, a Path or several, a mapping of name to text, an iterable of str, dicts, documents or nodes, a table, "
    "an object with `async retrieve(query)`, or None"
)


@frozen
class ReadContext:
    """The documents of a context, and what they came from."""

    documents: list[Document]
    files: FilesReport | None
    """None where there was no Path."""
    table: Table | None
    """That they are the rows of, where they are."""
    made_up: Sequence[str]
    """The ids, as objects, of documents that were given none: see `unique_ids`."""


def read_documents(context: object) -> ReadContext:
    """The documents of one document, a Path, a mapping of names, a table, or an iterable of documents and Paths.

    Dicts none of which has a text are the rows of a table.
    """
    if (rows := read_rows(context)) is not None:
        return ReadContext(rows.documents, None, rows.table, rows.made_up)
    made_up: list[str] = []
    with PathReader() as files:
        read = _documents([context] if isinstance(context, Path) else context, files, made_up)
    report = files.report if files.report.files or files.report.skipped else None
    if isinstance(read, Rows):
        return ReadContext(read.documents, None, read.table, read.made_up)
    return ReadContext(read, report, None if report is None else report.table_of(len(read)), made_up)


def _documents(context: object, files: PathReader, made_up: list[str]) -> list[Document] | Rows:
    if (mapping := _mapping(context)) is not None:
        return _texts_by_name(mapping)
    if (alone := _known_document(context, 1, made_up)) is not None:
        return [alone]
    given = cast(Any, context)  # its type is known in part where it is an Iterable
    if isinstance(context, (bytes, bytearray)) or is_no_collection(given):
        raise InvalidArgumentError(f"context: {named_kind(given)} is not a corpus; {_remedy(given)}")
    documents: list[Document] = []
    rows: list[Mapping[Any, Any]] = []
    texts: list[str] = []
    for number, item in enumerate(cast("Iterable[object]", context), 1):
        if len(rows) == number - 1 and (row := _mapping(item)) is not None and _text_key(row) is None:
            rows.append(row)
            continue
        for row in rows:  # they are no table, so the first of them is no document
            document_of(row, 1, made_up)
        if isinstance(item, Path):
            documents += files.read(item)
        else:
            documents.append(document_of(item, number, made_up))
            if isinstance(item, str):
                texts.append(item)
    if len(texts) == len(documents):
        check_are_texts(texts)
    return rows_of_dicts(rows) if any(rows) else documents


def document_of(item: object, number: int, made_up: list[str] | None = None) -> Document:
    """One document from a str, a dict, or a framework's document or node (known by its attributes).

    `number` is its place, from 1: it names the item in errors and in the id of a document without one, which is added
    to those that are `made_up`, as the object that it is.
    """
    if type(item) is dict:
        return _from_dict(cast("dict[Any, Any]", item), number, made_up)
    if isinstance(item, str):
        return document_with(_id(None, number, made_up), item, {}, ())
    if (mapping := _mapping(item)) is not None:
        return _from_dict(mapping, number, made_up)
    if (document := _known_document(item, number, made_up)) is not None:
        return document
    raise InvalidArgumentError(
        f"context: item {number} is {named_kind(item)}, which is not a document; {_remedy(item)}"
    )


def _remedy(given: object) -> str:
    """What to pass in place of what is nearly a corpus, or a document of one."""
    if isinstance(given, tuple) and any(_known_document(part, 1, None) for part in cast("tuple[object, ...]", given)):
        return PAIRS
    if is_table(cast("object", given)):
        return "pass the table alone, or of several one: pandas.concat(tables)"
    return remedy_for(cast(Any, given)) or f"pass {_FORMS}"


def _known_document(item: object, number: int, made_up: list[str] | None) -> Document | None:
    """The document that an object of the core or of a framework is, if it is one."""
    if isinstance(item, Document):
        return _of_core(item, number)
    if isinstance(item, Image):
        return Document(_id(item.name, number, made_up), "", {}, named([item]))
    page_content = getattr(item, "page_content", None)  # a LangChain Document
    if isinstance(page_content, str):
        name = _id(getattr(item, "id", None), number, made_up)
        return document_with(name, page_content, *read_metadata(_metadata(item), (), name))
    node = getattr(item, "node", item)  # a LlamaIndex NodeWithScore carries its node
    get_content, node_id = getattr(node, "get_content", None), getattr(node, "node_id", None)
    if callable(get_content) and isinstance(node_id, str):
        hidden = getattr(node, "excluded_llm_metadata_keys", ())
        name = _id(node_id, number, made_up)
        metadata, images = read_metadata(_metadata(node), hidden, name)
        own, refused = images_of_node(node)
        if refused:
            raise InvalidArgumentError(f"context: node {name!r:.200}: {refused}")
        return Document(name, str(get_content()), metadata, named([*own, *images]))
    return None


def _of_core(document: Document, number: int) -> Document:
    """As it is, but for metadata that are not plain."""
    given: Any = document
    if not (isinstance(given.id, str) and isinstance(given.text, str) and isinstance(given.metadata, (dict, Mapping))):
        raise InvalidArgumentError(
            f"context: item {number} is a Document of {named_kind(given.id)}, {named_kind(given.text)} and "
            f"{named_kind(given.metadata)}; pass Document(id: str, text: str, metadata: dict)"
        )
    metadata: object = document.metadata
    if type(metadata) is dict and is_plain_metadata(document.metadata):
        return document
    try:
        return replace(document, metadata=plain_metadata(document.metadata))
    except NotPlainError as error:
        raise _unwritable(document.id, error) from error.__cause__


def _id(value: object, number: int, made_up: list[str] | None) -> str:
    if type(value) is str and value:
        return value
    if value is not None and value != "":
        return checked_name(value, f"the id of item {number}")
    name = f"doc-{number}"
    if made_up is not None:
        made_up.append(name)
    return name


def checked_text(text: str) -> str:
    if not text:
        raise InvalidArgumentError("context: is an empty str; pass the text, or None to ask without a corpus")
    check_is_text(text)
    return text


def _metadata(item: object) -> Mapping[Any, Any]:
    return _mapping(getattr(item, "metadata", None)) or {}


def _mapping(value: object) -> Mapping[Any, Any] | None:
    # None and dict first: to ask an abstract class takes several times as long, and there may be a million documents
    known = value is not None and isinstance(value, (dict, Mapping))
    return cast("Mapping[Any, Any]", value) if known else None


def _texts_by_name(mapping: Mapping[Any, Any]) -> list[Document]:
    if len(mapping) > 1 and (key := _text_key(mapping)) is not None:
        raise InvalidArgumentError(
            f"context: a dict with {key!r} and other keys is one document in a list of them, and names of texts where "
            "it stands alone; pass [document], or for names and texts [{'id': name, 'text': text}, ...]"
        )
    return [_named(checked_name(name, "the name of a text"), text, mapping) for name, text in mapping.items()]


def _named(name: str, text: object, mapping: Mapping[Any, Any]) -> Document:
    if isinstance(text, Image):
        return Document(name, "", {}, named([text]))
    if isinstance(text, str):
        return Document(name, text)
    remedy = remedy_for_value(text, mapping)
    if isinstance(text, Path) or is_table(text) or _known_document(text, 1, None):
        remedy = "pass the values alone: [*mapping.values()]"
    raise InvalidArgumentError(
        f"context: the value of {name!r:.200} is {named_kind(text)}, not str; a mapping goes from name to text, or to "
        f"an Image{f': {remedy}' if remedy else ''}"
    )


def _from_dict(item: Mapping[Any, Any], number: int, made_up: list[str] | None) -> Document:
    """A dict's document. What is neither its id, its text nor its pictures is metadata, beside that in "metadata"."""
    text_key = _text_key(item)
    if text_key is None:
        raise InvalidArgumentError(
            f'context: item {number} is a dict without a str under "text"; its keys: [{_keys_shown(item)}]. Only a '
            "list of nothing but such dicts is read as the rows of a table: give each a text, or none"
        )
    name = _id(item.get("id"), number, made_up)
    given: Any = item.get("metadata")
    own: Mapping[Any, Any] | None = given if given is None or given.__class__ is dict else _mapping(given)
    pictures: tuple[Image, ...] = ()
    if own is not None and len(item) - ("id" in item) == _TEXT_AND_METADATA:
        metadata = own
    else:
        others = dict(item)
        del others[text_key]
        others.pop("id", None)
        if text_key != TEXT_COLUMNS[0]:
            _drop_blank(others)
        if own is not None and (shown := others.pop(IMAGES, None)):
            pictures = images_of(shown, name)
        if own is not None or given is None:
            others.pop("metadata", None)
        metadata = others if own is None else _together(own, others, number)
    if not metadata:
        return document_with(name, item[text_key], {}, named(pictures))
    visible, images = read_metadata(metadata, (), name)
    return document_with(name, item[text_key], visible, named([*pictures, *images]) if pictures else images)


def _keys_shown(item: Mapping[Any, Any]) -> str:
    return ", ".join(shown_name(key) for key in islice(item, _SHOWN_KEYS))


def _text_key(item: Mapping[Any, Any]) -> str | None:
    """The first that holds words, or else the first that holds a str."""
    blank = None
    for key in TEXT_COLUMNS:
        if isinstance(value := item.get(key), str):
            if value and not value.isspace():
                return key
            blank = blank or key
    return blank


def _drop_blank(others: dict[Any, Any]) -> None:
    """Without what might have been the text, and is empty."""
    for key in TEXT_COLUMNS:
        if isinstance(others.get(key), str) and not others[key]:
            del others[key]


def _together(own: Mapping[Any, Any], others: dict[Any, Any], number: int) -> Mapping[Any, Any]:
    """What a dict has under "metadata", and its other keys. Of a framework's object that was written down, the rest is
    how the framework handles it.

    Raises InvalidArgumentError for a key that is in both, with another value.
    """
    if others == _OF_LANGCHAIN or others.keys() >= _OF_LLAMA_INDEX:
        return own
    for key in others.keys() & own.keys():
        if not is_alike(own[key], others[key]):
            raise InvalidArgumentError(
                f'context: item {number} has {shown_name(key)} twice, beside its "metadata" and in it, with different '
                "values; rename or leave out one of them"
            )
    return {**own, **others}


def read_metadata(
    metadata: Mapping[Any, Any], hidden: object, document_id: str
) -> tuple[dict[str, Any], tuple[Image, ...]]:
    """Metadata as plain JSON values, without the keys that are kept from the model; and the pictures that stood in it.

    Raises InvalidArgumentError, which names the document and the key, for values that cannot be that.
    """
    if not metadata:
        return {}, ()
    try:
        left, images = images_in(metadata, document_id)
        return plain_metadata(left, _kept_out(hidden)), images
    except NotPlainError as error:
        raise _unwritable(document_id, error) from error.__cause__


def _kept_out(hidden: object) -> frozenset[object]:
    return frozenset(cast("Iterable[object]", hidden)) if isinstance(hidden, (list, tuple, set)) else _NOTHING


def _unwritable(document_id: str, error: NotPlainError) -> InvalidArgumentError:
    return InvalidArgumentError(f"context: the metadata of document {document_id!r:.200} holds {error}; {error.remedy}")
