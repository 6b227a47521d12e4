"""The forms in which a user may pass a corpus, and the documents that they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from rlm_integrations.core.corpus.document import Document, document_with
from rlm_integrations.core.corpus.frames import Rows, read_rows, rows_of_dicts
from rlm_integrations.core.corpus.image_blocks import images_in, images_of, images_of_node, named
from rlm_integrations.core.corpus.names import check_is_text
from rlm_integrations.core.corpus.nearly_a_corpus import is_no_collection, named_kind, remedy_for
from rlm_integrations.core.corpus.plain_values import PLAIN_TYPES, NotPlainError, plain
from rlm_integrations.core.corpus.text_files import PathReader
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.image import Image
from rlm_integrations.files.report import FilesReport
from rlm_integrations.files.rows import TEXT_COLUMNS, Table
from rlm_integrations.frozen import frozen
from rlm_integrations.wire.images import IMAGES

_NOTHING = frozenset[object]()
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


def read_documents(context: object) -> ReadContext:
    """The documents of one document, a Path, a mapping of names, a table, or an iterable of documents and Paths.

    Dicts none of which has a text are the rows of a table.
    """
    if (rows := read_rows(context)) is not None:
        return ReadContext(rows.documents, None, rows.table)
    with PathReader() as files:
        read = _documents([context] if isinstance(context, Path) else context, files)
    report = files.report if files.report.files or files.report.skipped else None
    if isinstance(read, Rows):
        return ReadContext(read.documents, None, read.table)
    return ReadContext(read, report, None if report is None else report.table_of(len(read)))


def _documents(context: object, files: PathReader) -> list[Document] | Rows:
    if (mapping := _mapping(context)) is not None:
        return [_named(str(name), text) for name, text in mapping.items()]
    if (alone := _known_document(context, 1)) is not None:
        return [alone]
    given = cast(Any, context)  # its type is known in part where it is an Iterable
    if isinstance(context, (bytes, bytearray)) or is_no_collection(given):
        raise InvalidArgumentError(f"context: {named_kind(given)} is not a corpus; {_remedy(given)}")
    documents: list[Document] = []
    rows: list[Mapping[Any, Any]] = []
    for number, item in enumerate(cast("Iterable[object]", context), 1):
        if len(rows) == number - 1 and (row := _mapping(item)) is not None and _text_key(row) is None:
            rows.append(row)
            continue
        for row in rows:  # they are no table, so the first of them is no document
            document_of(row, 1)
        if isinstance(item, Path):
            documents += files.read(item)
        else:
            documents.append(document_of(item, number))
    return rows_of_dicts(rows) if any(rows) else documents


def document_of(item: object, number: int) -> Document:
    """One document from a str, a dict, or a framework's document or node (known by its attributes).

    `number` is its place, from 1: it names the item in errors and in the id of a document without one.
    """
    if type(item) is dict:
        return _from_dict(cast("dict[Any, Any]", item), number)
    if isinstance(item, str):
        return Document(_id(None, number), item)
    if (mapping := _mapping(item)) is not None:
        return _from_dict(mapping, number)
    if (document := _known_document(item, number)) is not None:
        return document
    raise InvalidArgumentError(
        f"context: item {number} is {named_kind(item)}, which is not a document; {_remedy(item)}"
    )


def _remedy(given: object) -> str:
    """What to pass in place of what is nearly a corpus, or a document of one."""
    if isinstance(given, tuple) and any(_known_document(part, 1) for part in cast("tuple[object, ...]", given)):
        return "of pairs of documents and scores pass the documents: [document for document, score in pairs]"
    return remedy_for(cast(Any, given)) or f"pass {_FORMS}"


def _known_document(item: object, number: int) -> Document | None:
    """The document that an object of the core or of a framework is, if it is one."""
    if isinstance(item, Document):
        return item
    if isinstance(item, Image):
        return Document(_id(item.name, number), "", {}, named([item]))
    page_content = getattr(item, "page_content", None)  # a LangChain Document
    if isinstance(page_content, str):
        name = _id(getattr(item, "id", None), number)
        left, images = images_in(_mapping(getattr(item, "metadata", None)) or {}, name)
        return document_with(name, page_content, visible_metadata(left, (), name), images)
    node = getattr(item, "node", item)  # a LlamaIndex NodeWithScore carries its node
    get_content, node_id = getattr(node, "get_content", None), getattr(node, "node_id", None)
    if callable(get_content) and isinstance(node_id, str):
        hidden = getattr(node, "excluded_llm_metadata_keys", ())
        name = _id(node_id, number)
        left, images = images_in(_mapping(getattr(node, "metadata", None)) or {}, name)
        own, refused = images_of_node(node)
        if refused:
            raise InvalidArgumentError(f"context: node {name!r:.200}: {refused}")
        return Document(name, str(get_content()), visible_metadata(left, hidden, name), named([*own, *images]))
    return None


def _id(value: object, number: int) -> str:
    return f"doc-{number}" if value is None or value == "" else str(value)


def checked_text(text: str) -> str:
    if not text:
        raise InvalidArgumentError("context: is an empty str; pass the text, or None to ask without a corpus")
    check_is_text(text)
    return text


def _mapping(value: object) -> Mapping[Any, Any] | None:
    # None and dict first: to ask an abstract class takes several times as long, and there may be a million documents
    known = value is not None and isinstance(value, (dict, Mapping))
    return cast("Mapping[Any, Any]", value) if known else None


def _named(name: str, text: object) -> Document:
    if isinstance(text, Image):
        return Document(name, "", {}, named([text]))
    if not isinstance(text, str):
        raise InvalidArgumentError(
            f"context: the value of {name!r} is {type(text).__name__}, not str; a mapping goes from name to text, or "
            "to an Image"
        )
    return Document(name, text)


def _from_dict(item: Mapping[Any, Any], number: int) -> Document:
    """A dict's document. Where it has no "metadata" of its own, its other keys are that."""
    text_key = _text_key(item)
    if text_key is None:
        raise InvalidArgumentError(
            f'context: item {number} is a dict without a str under "text"; its keys: {list(item)[:10]}. Only a list of '
            "nothing but such dicts is read as the rows of a table: give each a text, or none"
        )
    name = _id(item.get("id"), number)
    metadata = _mapping(item.get("metadata"))
    given: tuple[Image, ...] = ()
    if metadata is None:
        metadata = dict(item)
        metadata.pop(text_key, None)
        metadata.pop("id", None)
        metadata.pop("metadata", None)
    elif item.get(IMAGES):
        given = images_of(item[IMAGES], name)
    left, images = images_in(metadata, name)
    all_images = named([*given, *images]) if given else images
    return document_with(name, item[text_key], visible_metadata(left, (), name), all_images)


def _text_key(item: Mapping[Any, Any]) -> str | None:
    for key in TEXT_COLUMNS:
        if isinstance(item.get(key), str):
            return key
    return None


def visible_metadata(metadata: Mapping[Any, Any], hidden: object, document_id: str) -> dict[str, Any]:
    """Metadata as plain JSON values, without the keys that are kept from the model.

    Raises InvalidArgumentError, which names the document, for values that cannot be that.
    """
    kept_out = _NOTHING
    if hidden and isinstance(hidden, (list, tuple, set)):
        kept_out = frozenset(cast("Iterable[object]", hidden))
    try:
        return {
            str(key): value if type(value) in PLAIN_TYPES else plain(value)
            for key, value in metadata.items()
            if key not in kept_out
        }
    except NotPlainError as error:
        raise InvalidArgumentError(
            f"context: the metadata of document {document_id!r:.200} holds {error}; pass plainer metadata"
        ) from None
