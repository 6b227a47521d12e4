"""What code passes as `images` of a sub-call: handles, or what holds some. The pictures themselves are the host's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from rlm_integrations.repl.corpus_view import CorpusView
from rlm_integrations.repl.matches import Match
from rlm_integrations.wire.images import IMAGES, MAX_IMAGES

_SHOWN_CHARS = 100
_WANTED = 'pass pictures as they stand in d["images"] of a document d of context, or documents that have some'


def named_images(name: str, images: Any, corpus: CorpusView) -> list[list[str]]:
    """The pictures as the host is asked for them: the id of each, and of its document.

    Args:
        name: What errors call the argument.
        images: None, a handle, a document, its id, a match (its document), or a list of these.
        corpus: Knows the documents.

    Raises:
        TypeError: There is something else among them.
        ValueError: A document has no pictures, or they are more than a sub-call takes.
    """
    if images is None:
        return []
    alone = isinstance(images, (dict, str, Match)) or not isinstance(images, Iterable)
    items = [cast("object", images)] if alone else list(cast("Iterable[object]", images))
    named = [one for place, item in enumerate(items) for one in _named(f"{name} {place}", item, corpus)]
    if len(named) > MAX_IMAGES:
        raise ValueError(f"{name}: {len(named):,} pictures; a sub-call takes {MAX_IMAGES}; nothing was sent")
    return named


def _named(name: str, item: object, corpus: CorpusView) -> list[list[str]]:
    document = corpus.document(item.id if isinstance(item, Match) else item)
    if isinstance(item, dict):
        document = cast("dict[str, Any]", item)
        if "text" not in document:
            return [_handle(name, document)]
    if document is None:
        shown = f"{item[:_SHOWN_CHARS]!r}" if isinstance(item, str) else type(cast("object", item)).__name__
        raise TypeError(f"{name} is {shown}, which is no picture; {_WANTED}; nothing was sent")
    held = document.get(IMAGES)
    handles = cast("list[Any]", held) if isinstance(held, list) else []
    if not handles:
        raise ValueError(f"{name}: the document {document.get('id')!r} has no pictures; nothing was sent")
    return [_handle(name, each) for each in handles]


def _handle(name: str, handle: object) -> list[str]:
    given: dict[str, Any] = cast("dict[str, Any]", handle) if isinstance(handle, dict) else {}
    id_, document_id = given.get("id"), given.get("document_id", "")
    if not isinstance(id_, str) or not isinstance(document_id, str):
        raise TypeError(
            f"{name} is {type(cast('object', handle)).__name__}, which is no picture; {_WANTED}; nothing was sent"
        )
    return [str.__str__(id_), str.__str__(document_id)]
