"""Pictures as frameworks write them down, in blocks of messages, in metadata and in nodes. Nothing is ever fetched.

Known are OpenAI's `image_url` and `input_image`, Anthropic's `image` with a `source`, LangChain's standard `image`
blocks of both versions, Google's `media`, and LlamaIndex' nodes and resources. A picture that is named by a path or a
URL is refused: whoever wrote the document would have this machine read it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from rlm_integrations.core.corpus.plain_values import plain_key
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.image import Image, begins_as_image

_BLOCKS = frozenset({"image", "image_url", "input_image", "media"})
_REMEDY = "it is not fetched: read it yourself, and pass its bytes in base64"
_NOT_FETCHED = (
    "context: the metadata {key!r} says where a picture is; it is not fetched, and stays metadata: to have sub-LMs see "
    "it, read it yourself and pass its bytes"
)
"""Without the document: so Python says it once for a corpus."""
_SHOWN_CHARS = 100
_PLAIN = frozenset({int, float, bool, type(None)})
"""Types of most values of metadata, in which no picture stands."""


def is_image_block(value: object) -> bool:
    """Whether it is a block that holds a picture, or says where one is."""
    if not isinstance(value, Mapping):
        return False
    block = cast("Mapping[object, object]", value)
    kind = block.get("type")
    if kind == "media":
        return str(block.get("mime_type")).startswith("image/")
    return isinstance(kind, str) and kind in _BLOCKS


def image_of_block(block: Mapping[str, Any]) -> Image:
    """The picture in a block. Raises InvalidArgumentError where it cannot be taken, and says why."""
    data = _data_in(block)
    if data:
        source = _mapping(block.get("source"))
        return Image.from_base64(data, _text(block.get("mime_type") or source.get("media_type")), _name(block))
    where = _place_in(block)
    if where:
        raise InvalidArgumentError(f"image: it is at {where[:_SHOWN_CHARS]!r}, and {_REMEDY}")
    raise InvalidArgumentError(f"image: a block of type {block.get('type')!r} holds no data; pass it in base64")


def _data_in(block: Mapping[str, Any]) -> str | bytes:
    """In base64, or a `data:` URL; empty where there is none."""
    for data in (block.get("base64"), block.get("data"), _mapping(block.get("source")).get("data")):
        if isinstance(data, (str, bytes)) and data:
            return data
    return next((url for url in _urls_in(block) if url[:5].lower() == "data:"), "")


def _place_in(block: Mapping[str, Any]) -> str:
    """Where it says that a picture is: a URL, or the id of a provider's file; "" where it does not."""
    file_id = block.get("file_id") or _mapping(block.get("source")).get("file_id")
    return next(iter(_urls_in(block)), "") or _text(file_id)


def _urls_in(block: Mapping[str, Any]) -> list[str]:
    nested = _mapping(block.get("image_url")).get("url") or block.get("image_url")
    urls = (nested, block.get("url"), _mapping(block.get("source")).get("url"))
    return [url for url in urls if isinstance(url, str) and url]


def images_in(metadata: Mapping[str, Any], document_id: str) -> tuple[Mapping[str, Any], tuple[Image, ...]]:
    """Metadata without the pictures that stand in it, and these: Images, blocks, bytes and `data:` URLs of some.

    They may be values, or items of lists. A block that says where a picture is stays, with a warning. Raises
    InvalidArgumentError, which names document and key, for one whose data is no picture, and NotPlainError for a key
    that cannot be written.
    """
    found: dict[str, list[Image]] = {}
    kept: dict[str, Any] = {}
    for key, value in metadata.items():
        if type(value) in _PLAIN:
            continue
        if isinstance(value, str):
            images, rest = _parted([value], document_id, plain_key(key)) if _is_data_url(value) else ([], [])
        elif isinstance(value, (Image, Mapping, bytes)):
            images, rest = _parted([cast("object", value)], document_id, plain_key(key))
        elif isinstance(value, (list, tuple)):
            images, rest = _parted(cast("Sequence[object]", value), document_id, plain_key(key))
        else:
            continue
        if images:
            found[key] = images
            kept |= {key: rest} if rest else {}
    if not found:
        return metadata, ()
    left = {key: kept.get(key, value) for key, value in metadata.items() if key not in found or key in kept}
    return left, named(image for images in found.values() for image in images)


def images_of(value: object, document_id: str) -> tuple[Image, ...]:
    """The pictures of what a user gave as those of a document: Images, bytes, blocks, `data:` URLs, or one of these.

    Raises InvalidArgumentError.
    """
    alone = isinstance(value, (str, bytes, Mapping, Image)) or not isinstance(value, Sequence)
    items: Sequence[Any] = [value] if alone else cast("Sequence[Any]", value)
    return named([_given(item, document_id, place) for place, item in enumerate(items, 1)])


def images_of_node(node: object) -> tuple[tuple[Image, ...], str]:
    """The picture of a LlamaIndex node, known by its attributes; or, where it has one that is not taken, why not."""
    resource = getattr(node, "image_resource", None)
    held = (
        getattr(resource, "data", None) or getattr(node, "image", None),
        getattr(resource, "mimetype", None) or getattr(node, "image_mimetype", None),
        getattr(resource, "url", None) or getattr(node, "image_url", None),
        getattr(resource, "path", None) or getattr(node, "image_path", None),
    )
    return image_or_why(*held)


def image_or_why(data: object, mime_type: object, url: object, path: object) -> tuple[tuple[Image, ...], str]:
    """A picture of LlamaIndex by its fields; or why it is not taken; or neither where there is none."""
    where = str(url or path or "")
    try:
        if isinstance(data, (str, bytes)) and data:
            return named([Image.from_base64(data, _text(mime_type))]), ""
        if where[:5].lower() == "data:":
            return named([Image.from_base64(where, _text(mime_type))]), ""
    except InvalidArgumentError as error:
        return (), str(error)
    return (), f"image: it is at {where[:_SHOWN_CHARS]!r}, and {_REMEDY}" if where else ""


def named(images: Iterable[Image]) -> tuple[Image, ...]:
    """The pictures, each with a name: "picture-2.png" is the second of its document."""
    if not images:
        return ()
    return tuple(
        image if image.name else replace(image, name=f"picture-{place}.{image.mime_type.partition('/')[2]}")
        for place, image in enumerate(images, 1)
    )


def _parted(values: Sequence[object], document_id: str, key: str) -> tuple[list[Image], list[object]]:
    images: list[Image] = []
    rest: list[object] = []
    for value in values:
        if isinstance(value, Image):
            images.append(value)
        elif isinstance(value, bytes) and begins_as_image(value):
            images.append(_in_bytes(value, document_id, key))
        elif is_image_block(value) and _data_in(block := cast("Mapping[str, Any]", value)):
            images.append(_in_metadata(block, document_id, key))
        elif isinstance(value, str) and _is_data_url(value):
            try:
                images.append(Image.from_base64(value))
            except InvalidArgumentError:  # the code can read it as the text that it is
                rest.append(value)
        else:
            if is_image_block(value) and _place_in(cast("Mapping[str, Any]", value)):
                warnings.warn(_NOT_FETCHED.format(key=key[:_SHOWN_CHARS]), stacklevel=2)
            rest.append(value)
    return images, rest


def _in_bytes(data: bytes, document_id: str, key: str) -> Image:
    try:
        return Image(data)
    except InvalidArgumentError as error:
        raise _in_document(error, document_id, key) from None


def _in_metadata(block: Mapping[str, Any], document_id: str, key: str) -> Image:
    try:
        return image_of_block(block)
    except InvalidArgumentError as error:
        raise _in_document(error, document_id, key) from None


def _in_document(error: InvalidArgumentError, document_id: str, key: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"context: the metadata {key[:_SHOWN_CHARS]!r} of document {document_id[:_SHOWN_CHARS]!r} holds an {error}"
    )


def _given(item: object, document_id: str, place: int) -> Image:
    try:
        if isinstance(item, Image):
            return item
        if isinstance(item, bytes):
            return Image(item)
        if isinstance(item, str) and item[:5].lower() == "data:":
            return Image.from_base64(item)
        if is_image_block(item):
            return image_of_block(cast("Mapping[str, Any]", item))
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"context: picture {place} of document {document_id[:_SHOWN_CHARS]!r}: {error}"
        ) from None
    raise InvalidArgumentError(
        f"context: picture {place} of document {document_id[:_SHOWN_CHARS]!r} is {type(item).__name__}; pass an Image, "
        "its bytes, a data: URL or a content block (a path or a URL is not read)"
    )


def _is_data_url(text: str) -> bool:
    return text[:11].lower() == "data:image/"


def _name(block: Mapping[str, Any]) -> str:
    holders = (block, _mapping(block.get("extras")), _mapping(block.get("metadata")))
    names = (holder.get(key) for holder in holders for key in ("filename", "name", "title"))
    return next((name for name in names if isinstance(name, str) and name), "")


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
