"""What is found out of a corpus once, and remembered: runs share it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from heapq import nsmallest
from itertools import islice
from weakref import WeakSet

from rlm_integrations.core.corpus.columns import columns_line, shown_value
from rlm_integrations.core.corpus.corpus import Corpus, once_per_corpus
from rlm_integrations.core.corpus.distinct import distinct
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.stuffed_reprs import beginning_in_context
from rlm_integrations.core.wording import number, one_line, plural, shortened

KEY_CHARS = 60
ID_CHARS = 300
_LISTED_VALUES = 6
_LISTED_KEYS = 12
_LISTED_IDS = 20
_LISTED_IDS_CHARS = 500
_METADATA_CHARS = 300
_COUNTED_CHARS = 1 << 22  # at once, with the interpreter locked
_studied = WeakSet[Corpus]()


def study(corpus: Corpus) -> None:
    """Find out what `describe` and a run need of the corpus. Over a large one it takes a while. It is remembered."""
    if is_studied(corpus):
        return
    if corpus.kind == "str":
        _ = corpus.chars, lines_of(corpus), beginning_in_context(corpus)
    elif corpus.kind == "documents":
        _ = corpus.by_id, corpus.chars, pictured(corpus)
        metadata_of(corpus) if corpus.table is None else columns_of(corpus)
        spread_of(corpus)
    _studied.add(corpus)


def is_studied(corpus: Corpus) -> bool:
    """Whether what `study` finds out is known."""
    return corpus in _studied


def pictured(corpus: Corpus) -> int:
    """How many documents have pictures."""
    return _pictured(corpus) if corpus.kind == "documents" else 0


@once_per_corpus
def _pictured(corpus: Corpus) -> int:
    return sum([bool(document.images) for document in corpus.documents])


@once_per_corpus
def lines_of(corpus: Corpus) -> int:
    """How many lines a text has."""
    content = corpus.text
    pieces = range(0, len(content), _COUNTED_CHARS)
    breaks = sum([content.count("\n", start, start + _COUNTED_CHARS) for start in pieces])
    return breaks if content.endswith("\n") else breaks + 1


@once_per_corpus
def metadata_of(corpus: Corpus) -> str:
    """The metadata of all documents, in a line."""
    return metadata_line(corpus.documents)


@once_per_corpus
def columns_of(corpus: Corpus) -> str:
    """The columns of a table, in words; "" where it is none."""
    return "" if corpus.table is None else columns_line(corpus.table, corpus.documents)


@once_per_corpus
def spread_of(corpus: Corpus) -> str:
    """How long the documents are, in brackets; "" of a single one."""
    documents = corpus.documents
    if len(documents) < 2:
        return ""
    sizes = [len(document.text) for document in documents]
    return f" (each {number(min(sizes))} to {number(max(sizes))}, median {number(int(statistics.median(sizes)))})"


@once_per_corpus
def first_metadata_of(corpus: Corpus) -> str:
    """The metadata of the first document, in a line of its own; "" where it has none."""
    metadata = corpus.documents[0].metadata
    first = dict(islice(metadata.items(), _METADATA_CHARS))  # each is a character at least
    written = json.dumps(first, ensure_ascii=False, default=str)
    return f"metadata {shortened(written, _METADATA_CHARS)}\n" if metadata else ""


@once_per_corpus
def ids_of(corpus: Corpus) -> str:
    """The ids of the documents, the first and the last where they are many."""
    documents = corpus.documents
    if not documents:
        return ""
    ids = [quoted_id(document) for document in documents[:_LISTED_IDS]]
    if len(documents) > _LISTED_IDS or sum(map(len, ids)) > _LISTED_IDS_CHARS:
        ids = [*ids[:3], "…", *map(quoted_id, documents[3:][-2:])]
    return f"Ids: {', '.join(ids)}. "


def quoted_id(document: Document) -> str:
    """As code would write it, cut where it is long."""
    return shortened(repr(document.id), ID_CHARS)


def metadata_line(documents: Sequence[Document]) -> str:
    """Each key with its values where they are few, else their number and range.

    Values are shown by repr, so that code compares what there is; a key that some documents lack says in how many it
    stands.
    """
    keys = {key for document in documents for key in document.metadata}
    if not keys:
        return "No metadata."
    shown = "; ".join(_values(documents, key) for key in nsmallest(_LISTED_KEYS, keys))
    more = f"; and {len(keys) - _LISTED_KEYS} more keys" if len(keys) > _LISTED_KEYS else ""
    return f"Metadata: {shown}{more}."


def _values(documents: Sequence[Document], key: str) -> str:
    values = [document.metadata[key] for document in documents if key in document.metadata]
    found = distinct(values)
    place = None if all(isinstance(value, (int, float)) for value in found) else str
    name = one_line(key, KEY_CHARS)
    lacking = "" if len(values) == len(documents) else f" in {plural(len(values), 'document')}"
    if len(found) <= _LISTED_VALUES:
        return f"{name}{lacking} ({', '.join(map(shown_value, sorted(found, key=place)))})"
    ends = min(found, key=place), max(found, key=place)  # to sort a million would hold the interpreter's lock
    first, last = map(shown_value, ends)
    return f"{name}{lacking} ({number(len(found))} values, {first} to {last})"
