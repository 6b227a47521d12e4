"""Splits of LangChain documents, put together again by the `start_index` that splitters add.

`RecursiveCharacterTextSplitter(add_start_index=True)` says in the metadata where each split stood. Of splits without
it that overlap, the user is warned: what stands in an overlap is counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from langchain_core.documents import Document as LangChainDocument

from rlm_integrations.core.corpus.chunks import Chunk, Joined, join_chunks, shared_ends
from rlm_integrations.core.corpus.corpus import unique_ids
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.forms import document_of
from rlm_integrations.core.corpus.plain_values import is_alike
from rlm_integrations.langchain.caller_warning import warn_caller

START = "start_index"
SOURCE = "source"
_LEAST_WORDS = 12
"""Letters and digits. Fewer are no overlap of words."""


def join_splits(items: Sequence[object]) -> tuple[Sequence[Document], list[object]] | None:
    """The documents that the splits are of, each with its Joined, or with the item that it was made from.

    Splits of one source with the same metadata are put together by their positions; without a source, neighbours whose
    positions grow. Several documents may have one source: see `join_chunks`. Where it is unsure which splits are of the
    same one, the user is warned. A document stands where its first split stood, and a split that is given twice counts
    once. Ids are unique. None where no item is a split with its position.
    """
    starts = [_start(item) for item in items]
    made_up: list[str] = []
    if all(start is None for start in starts):
        return None
    found: list[tuple[int, Document, object]] = []
    unsure = 0
    for group in _groups(items, starts, made_up):
        if len(group) < 2:
            ((place, _),) = group
            found.append((place, document_of(items[place], place + 1, made_up), items[place]))
            continue
        places = {id(items[place]): place for place, _ in group}
        chunks = [chunk for _, chunk in group if chunk is not None]
        joined, is_unsure = join_chunks(str(chunks[0].metadata.get(SOURCE) or ""), chunks)
        unsure += len(group) * is_unsure
        for each in joined:
            found.append((min(places[id(span.item)] for span in each.spans), *_unjoined(each, places, made_up)))
    if unsure:
        warn_caller(
            f"context: {unsure:,} of {len(items):,} splits contradict others of the same source, and come in no order "
            "that says which are of one document: put together only where they overlap, so documents may stand in "
            f"parts; pass splits in the order in which they were made, or each document's with a {SOURCE!r} of its own"
        )
    found.sort(key=lambda each: each[0])
    return unique_ids([document for _, document, _ in found], made_up), [made_of for _, _, made_of in found]


def _groups(
    items: Sequence[object], starts: Sequence[int | None], made_up: list[str]
) -> Iterable[Sequence[tuple[int, Chunk[object] | None]]]:
    """What may be put together: splits with their places. An item that is none is a group of its own."""
    groups: dict[object, list[tuple[int, Chunk[object] | None]]] = {}
    nameless: tuple[str, int, int] = "", -1, 0
    seen: set[int] = set()
    for place, (item, start) in enumerate(zip(items, starts, strict=True)):
        if start is None:
            groups[place] = [(place, None)]
            continue
        if id(item) in seen:
            continue
        seen.add(id(item))
        document = document_of(item, place + 1, made_up)
        metadata = {key: value for key, value in document.metadata.items() if key != START}
        alike = repr(sorted(metadata.items()))
        key: object = alike
        if metadata.get(SOURCE) is None:
            goes_on = nameless[0] == alike and start > nameless[1]
            nameless = alike, start, nameless[2] + (not goes_on)
            key = alike, nameless[2]
        groups.setdefault(key, []).append((place, Chunk(item, document.id, document.text, start, metadata)))
    return groups.values()


def warn_of_overlaps(items: Sequence[object]) -> None:
    """Warn where neighbours that may be of one source overlap, and are not put together."""
    overlaps = [shared for before, after in pairwise(items) if (shared := _overlap(before, after))]
    if overlaps:
        warn_caller(
            f"context: {len(overlaps):,} of {len(items):,} documents begin with the end of the one before them, "
            f"{sum(overlaps):,} characters in all, so what is counted there counts twice; pass documents rather than "
            f"splits, or split with add_start_index=True and number no splits in their metadata, by which overlap is "
            "taken out"
        )


def _overlap(before: object, after: object) -> int:
    """Characters that two splits of one source have in common; 0 where they are none, as far as one can tell.

    Where nothing says that they are of one source, documents that are alike as a whole are no splits, and so are those
    that share a line of signs.
    """
    if not isinstance(before, LangChainDocument) or not isinstance(after, LangChainDocument):
        return 0
    source = before.metadata.get(SOURCE)
    if not is_alike(source, after.metadata.get(SOURCE)):
        return 0
    shared = shared_ends(before.page_content, after.page_content)
    if shared and source is not None and is_alike(before.metadata, after.metadata):
        return shared if _start(before) is None else 0  # two that begin at one place are of two documents
    words = sum(map(str.isalnum, after.page_content[:shared]))
    return shared if words >= _LEAST_WORDS and shared < min(len(before.page_content), len(after.page_content)) else 0


def _unjoined(joined: Joined[object], places: dict[int, int], made_up: list[str]) -> tuple[Document, object]:
    """One split alone is what it was."""
    items = [span.item for span in joined.spans]
    if len(items) > 1:
        images = dict.fromkeys(image for item in items for image in document_of(item, 1).images)
        return replace(joined.document, images=tuple(images)), joined
    return document_of(items[0], places[id(items[0])] + 1, made_up), items[0]


def _start(item: object) -> int | None:
    if not isinstance(item, LangChainDocument) or not item.page_content:
        return None
    start = item.metadata.get(START)
    return start if isinstance(start, int) and start >= 0 else None
