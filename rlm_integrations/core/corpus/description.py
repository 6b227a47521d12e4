"""What the root LM is told of `context` before its first reply: enough to need no turn for its shape."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence, Sized
from heapq import nsmallest
from itertools import islice, repeat
from typing import Any, cast
from weakref import WeakSet

from rlm_integrations.core.corpus.columns import columns_line
from rlm_integrations.core.corpus.corpus import Corpus, once_per_corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.stuffed_reprs import beginning_in_context
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.prompts.fences import fence_tag
from rlm_integrations.core.prompts.texts import fill, images_part, text
from rlm_integrations.core.wording import number, one_line, plural, shortened
from rlm_integrations.files.rows import Table
from rlm_integrations.wire.images import MAX_IMAGES

_LISTED_VALUES = 6
_LISTED_KEYS = 12
_MESSAGE_IDS = 6
_LISTED_IDS = 20
_LISTED_IDS_CHARS = 500
_METADATA_CHARS = 300
_ID_CHARS = 300
_KEY_CHARS = 60
_COUNTED_SUB_CALLS = 50
_BETWEEN_TEXTS = 2  # characters that `chunks` puts there
_VALUE_CHARS = 30
_LEAST_CHARS = len(" | : ")  # of a key and its value
_LONG = 10  # times the preview
_COUNTED_CHARS = 1 << 22  # at once, with the interpreter locked
_studied, _described = WeakSet[Corpus](), WeakSet[Corpus]()


def shown_whole(corpus: Corpus, limits: RLMLimits) -> bool:
    """Whether the root LM sees all of the corpus unasked, or there is none."""
    if corpus.retriever is not None:
        return False
    if corpus.kind == "none" or corpus.in_messages:
        return True
    room = limits.inline_chars
    if not room or max(corpus.chars, len(corpus.documents)) > room:
        return False
    return corpus.kind == "str" or fits_whole(corpus, room)


def fits_whole(corpus: Corpus, room: int) -> bool:
    """Whether the documents, each under its id, have at most so many characters. It looks no further than it must: an
    event loop waits.
    """
    for document in corpus.documents:
        if _LEAST_CHARS * len(document.metadata) > room or any(map(_is_long, document.metadata.values(), repeat(room))):
            return False
        room -= len(under_its_id(document, corpus.table))
        if room < 0:
            return False
    return True


def _is_long(value: object, chars: int) -> bool:
    """Whether its text surely has more characters; lines of it may be parted by two."""
    return isinstance(value, (str, list, dict)) and len(cast("Sized", value)) > 2 * chars


def whole_text(corpus: Corpus) -> str:
    """All of it, each document under its id."""
    if corpus.kind == "str":
        return corpus.text
    return "\n\n".join(under_its_id(document, corpus.table) for document in corpus.documents)


def shown_id(document: Document) -> str:
    """How the line above its text calls it."""
    return shortened(document.id if document.id.splitlines() == [document.id] else repr(document.id), _ID_CHARS)


def corpus_line(corpus: Corpus) -> str:
    """One line for traces and progress: "240 documents, 12,345 characters; skipped 3 binary"."""
    if corpus.kind == "none":
        return "no corpus"
    if corpus.kind == "str":
        return f"one str, {number(corpus.chars)} characters"
    skipped = corpus.files.all_skipped if corpus.files is not None else ""
    return (
        f"{plural(len(corpus.documents), 'document')}, {number(corpus.chars)} characters{'; ' * bool(skipped)}{skipped}"
    )


def describe(
    corpus: Corpus,
    limits: RLMLimits,
    fence_key: bytes,
    sub_call_chars: int | None = None,
    *,
    frame: bool = False,
    sees_images: bool | None = None,
) -> str:
    """The paragraph on `context` in the root LM's first message.

    Text of the corpus stands in fences that it cannot close. With `sub_call_chars`, what a sub-call takes, it says how
    many it takes to read all, and to join what they find. `frame`: the session has pandas. `sees_images`: whether the
    sub-LM takes pictures.
    """
    described = _describe(corpus, limits, fence_key, sub_call_chars, frame=frame)
    having = pictured(corpus)
    if not having:
        return described
    told = {
        "documents": f"{number(having)} of {plural(len(corpus.documents), 'document')}",
        "have": "has" if having == 1 else "have",
    }
    if sub_call_chars is None or sees_images is False:
        why = "there are no sub-calls" if sub_call_chars is None else "the sub-LM takes no pictures"
        return f"{described}\n{images_part('unseen', why=why, **told)}"
    return f"{described}\n{images_part('seen', most=MAX_IMAGES, **told)}"


def _describe(corpus: Corpus, limits: RLMLimits, fence_key: bytes, sub_call_chars: int | None, *, frame: bool) -> str:
    reading = "" if sub_call_chars is None else f"; {_sub_calls(corpus, sub_call_chars)} can read all of it"
    if corpus.kind == "none":
        return text("context_none")
    if corpus.in_messages:
        ids = ", ".join(repr(document.id) for document in corpus.documents[:_MESSAGE_IDS])
        more = ", ..." if len(corpus.documents) > _MESSAGE_IDS else ""
        return fill("context_messages", documents=plural(len(corpus.documents), "document"), ids=ids + more)
    if corpus.kind == "str":
        return _describe_str(corpus, limits, fence_key, reading)
    return _describe_documents(corpus, limits, fence_key, reading, frame=frame)


def study(corpus: Corpus) -> None:
    """Find out what `describe` and a run need of the corpus. Over a large one it takes a while. It is remembered."""
    if is_studied(corpus):
        return
    if corpus.kind == "str":
        _ = corpus.chars, _lines_of(corpus), beginning_in_context(corpus)
    elif corpus.kind == "documents":
        _ = corpus.by_id, corpus.chars, pictured(corpus)
        _metadata_of(corpus) if corpus.table is None else _columns_of(corpus)
        _spread_of(corpus)
    _studied.add(corpus)


def is_studied(corpus: Corpus) -> bool:
    """Whether what `study` finds out is known."""
    return corpus in _studied


def is_quick_to_describe(corpus: Corpus) -> bool:
    """Whether `describe` does no more than copy what is shown: of documents, once it has described them."""
    return corpus.kind != "documents" or corpus in _described


def _sub_calls(corpus: Corpus, sub_call_chars: int) -> str:
    needed = -(-corpus.chars // sub_call_chars)
    if needed <= _COUNTED_SUB_CALLS and corpus.kind != "str":  # of more, nobody asks how many exactly
        needed = packed_count((len(document.text) for document in corpus.documents), sub_call_chars)
    return f"about {plural(needed, 'sub-call')}{' and a join' if needed > 1 else ''}"


def packed_count(lengths: Iterable[int], size: int) -> int:
    """How many strings of at most `size` characters `chunks` makes of texts of these lengths, their heads aside."""
    count, used = 0, 0
    for length in lengths:
        if used and used + _BETWEEN_TEXTS + length > size:
            count, used = count + 1, 0
        full, rest = divmod(length, size)
        count += full
        used += rest + _BETWEEN_TEXTS * bool(used and rest)
    return count + bool(used)


def _describe_str(corpus: Corpus, limits: RLMLimits, fence_key: bytes, reading: str) -> str:
    content = corpus.text
    chars = number(len(content))
    if shown_whole(corpus, limits):
        return fill("context_str_whole", chars=chars, text=content, tag=fence_tag(fence_key, content))
    lines = plural(_lines_of(corpus), "line")
    shown = min(limits.preview_chars, len(content))
    if shown < 2:
        return fill("context_str_unseen", chars=chars, lines=lines, reading=reading)
    n_tail = -(-shown // 3)
    n_head = shown - n_tail
    head, tail = content[:n_head], content[-n_tail:]
    return fill(
        "context_str",
        reading=reading,
        chars=chars,
        lines=lines,
        n_head=number(n_head),
        head=head,
        n_tail=number(n_tail),
        tail=tail,
        tag=fence_tag(fence_key, head, tail),
    )


def _describe_documents(corpus: Corpus, limits: RLMLimits, fence_key: bytes, reading: str, *, frame: bool) -> str:
    documents = corpus.documents
    facts: dict[str, Any] = {
        "documents": f"a list of {plural(len(documents), 'document')}",
        "origin": text("origin_retriever") if corpus.retriever is not None else "",
        "chars": number(corpus.chars),
        "meta": _metadata_of(corpus) if corpus.table is None else _table(corpus, corpus.table, frame=frame),
    }
    if shown_whole(corpus, limits):
        facts["origin"] = ""
        whole = whole_text(corpus)
        return fill("context_docs_whole", whole=whole, tag=fence_tag(fence_key, whole), **facts)
    facts |= {"spread": _spread_of(corpus), "ids": _ids_of(corpus), "reading": reading}
    if not limits.preview_chars or not documents:
        return fill("context_docs_unseen", **facts)
    sample, metadata = documents[0], _metadata_of_first(corpus)
    _described.add(corpus)
    shown = _cut(sample.text, _preview(len(sample.text), limits))
    tag = fence_tag(fence_key, metadata, shown)
    return fill("context_docs", sample_id=_id(sample), sample_meta=metadata, sample=shown, tag=tag, **facts)


def _preview(chars: int, limits: RLMLimits) -> int:
    """How much of a text of so many characters is shown: the beginning of a long one tells little of it."""
    return limits.preview_chars // (2 if chars > _LONG * limits.preview_chars else 1)


def under_its_id(document: Document, table: Table | None) -> str:
    """Below its id and metadata. A line that begins like this head is indented, so that no text passes for another."""
    metadata = "".join(f" | {key}: {value}" for key, value in _beside_text(document, table).items())
    lines = document.text.splitlines(keepends=True)
    content = "".join(f" {line}" if line.startswith("[") else line for line in lines)
    return f"[{shown_id(document)}{' '.join(metadata.splitlines())}]\n{content}"


def _beside_text(document: Document, table: Table | None) -> Mapping[str, Any]:
    """Its metadata, without the columns that its text says."""
    if table is None or table.text_column:
        return document.metadata
    said = {column.name for column in table.columns}
    return {key: value for key, value in document.metadata.items() if key not in said}


def _table(corpus: Corpus, table: Table, *, frame: bool) -> str:
    """What the rows are, in place of a line on their metadata."""
    name = repr(one_line(table.text_column, _KEY_CHARS))
    return fill(
        "table",
        text_column=f', and `d["text"]` its column {name}' if table.text_column else "",
        frame=text("table_frame") if frame else "",
        columns=_columns_of(corpus),
    )


def _cut(content: str, chars: int) -> str:
    if len(content) <= chars:
        return content
    return f"{content[:chars]}\n[… cut here: {number(chars)} of {number(len(content))} characters shown]"


def pictured(corpus: Corpus) -> int:
    """How many documents have pictures."""
    return _pictured(corpus) if corpus.kind == "documents" else 0


@once_per_corpus
def _pictured(corpus: Corpus) -> int:
    return sum([bool(document.images) for document in corpus.documents])


@once_per_corpus
def _lines_of(corpus: Corpus) -> int:
    content = corpus.text
    pieces = range(0, len(content), _COUNTED_CHARS)
    return sum([content.count("\n", start, start + _COUNTED_CHARS) for start in pieces]) + 1


@once_per_corpus
def _metadata_of(corpus: Corpus) -> str:
    return metadata_line(corpus.documents)


@once_per_corpus
def _columns_of(corpus: Corpus) -> str:
    return "" if corpus.table is None else columns_line(corpus.table, corpus.documents)


@once_per_corpus
def _spread_of(corpus: Corpus) -> str:
    documents = corpus.documents
    if len(documents) < 2:
        return ""
    sizes = [len(document.text) for document in documents]
    return f" (each {number(min(sizes))} to {number(max(sizes))}, median {number(int(statistics.median(sizes)))})"


@once_per_corpus
def _metadata_of_first(corpus: Corpus) -> str:
    metadata = corpus.documents[0].metadata
    first = dict(islice(metadata.items(), _METADATA_CHARS))  # each is a character at least
    written = json.dumps(first, ensure_ascii=False, default=str)
    return f"metadata {shortened(written, _METADATA_CHARS)}\n" if metadata else ""


@once_per_corpus
def _ids_of(corpus: Corpus) -> str:
    documents = corpus.documents
    if not documents:
        return ""
    ids = [_id(document) for document in documents[:_LISTED_IDS]]
    if len(documents) > _LISTED_IDS or sum(map(len, ids)) > _LISTED_IDS_CHARS:
        ids = [*ids[:3], "…", *map(_id, documents[3:][-2:])]
    return f"Ids: {', '.join(ids)}. "


def _id(document: Document) -> str:
    return shortened(repr(document.id), _ID_CHARS)


def metadata_line(documents: Sequence[Document]) -> str:
    """Each key with its values where they are few, else their number and range.

    Values are told apart by repr, so that 2021 and '2021' are both seen; a key that some documents
    lack says in how many it stands.
    """
    keys = {key for document in documents for key in document.metadata}
    if not keys:
        return "No metadata."
    shown = "; ".join(_values(documents, key) for key in nsmallest(_LISTED_KEYS, keys))
    more = f"; and {len(keys) - _LISTED_KEYS} more keys" if len(keys) > _LISTED_KEYS else ""
    return f"Metadata: {shown}{more}."


def _values(documents: Sequence[Document], key: str) -> str:
    values = [document.metadata[key] for document in documents if key in document.metadata]
    by_repr = {repr(value): value for value in values}
    numeric = all(isinstance(value, (int, float)) for value in by_repr.values())

    def place(form: str) -> Any:
        return by_repr[form] if numeric else str(by_repr[form])

    name = one_line(key, _KEY_CHARS)
    lacking = "" if len(values) == len(documents) else f" in {plural(len(values), 'document')}"
    if len(by_repr) <= _LISTED_VALUES:
        return f"{name}{lacking} ({', '.join(one_line(form[:_VALUE_CHARS]) for form in sorted(by_repr, key=place))})"
    ends = min(by_repr, key=place), max(by_repr, key=place)  # to sort a million would hold the interpreter's lock
    first, last = (one_line(str(by_repr[form])[:_VALUE_CHARS]) for form in ends)
    return f"{name}{lacking} ({number(len(by_repr))} values, {first} to {last})"
