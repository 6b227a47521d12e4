"""What the root LM is told of `context` before its first reply: enough to need no turn for its shape."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakSet

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.facts import (
    KEY_CHARS,
    columns_of,
    first_metadata_of,
    ids_of,
    lines_of,
    metadata_of,
    pictured,
    quoted_id,
    spread_of,
)
from rlm_integrations.core.corpus.whole import shown_whole, whole_text
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.prompts.fences import fence_tag
from rlm_integrations.core.prompts.texts import fill, images_part, text
from rlm_integrations.core.wording import number, one_line, plural
from rlm_integrations.files.rows import Table
from rlm_integrations.wire.images import MAX_IMAGES

_MESSAGE_IDS = 6
_COUNTED_SUB_CALLS = 50
_BETWEEN_TEXTS = 2  # characters that `chunks` puts there
_LONG = 10  # times the preview
_described = WeakSet[Corpus]()


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
    reading = (
        ""
        if sub_call_chars is None or not corpus.chars
        else f"; {_sub_calls(corpus, sub_call_chars)} can read all of it"
    )
    if corpus.kind == "none":
        return text("context_none")
    if corpus.in_messages:
        ids = ", ".join(repr(document.id) for document in corpus.documents[:_MESSAGE_IDS])
        more = ", ..." if len(corpus.documents) > _MESSAGE_IDS else ""
        return fill("context_messages", documents=plural(len(corpus.documents), "document"), ids=ids + more)
    if corpus.kind == "str":
        return _describe_str(corpus, limits, fence_key, reading)
    return _describe_documents(corpus, limits, fence_key, reading, frame=frame)


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
    lines = plural(lines_of(corpus), "line")
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
        "meta": metadata_of(corpus) if corpus.table is None else _table(corpus, corpus.table, frame=frame),
    }
    if shown_whole(corpus, limits):
        facts["origin"] = ""
        whole = whole_text(corpus)
        return fill("context_docs_whole", whole=whole, tag=fence_tag(fence_key, whole), **facts)
    facts |= {"spread": spread_of(corpus), "ids": ids_of(corpus), "reading": reading}
    if not limits.preview_chars or not documents:
        return fill("context_docs_unseen", **facts)
    sample, metadata = documents[0], first_metadata_of(corpus)
    _described.add(corpus)
    shown = _cut(sample.text, _preview(len(sample.text), limits))
    tag = fence_tag(fence_key, metadata, shown)
    return fill("context_docs", sample_id=quoted_id(sample), sample_meta=metadata, sample=shown, tag=tag, **facts)


def _preview(chars: int, limits: RLMLimits) -> int:
    """How much of a text of so many characters is shown: the beginning of a long one tells little of it."""
    return limits.preview_chars // (2 if chars > _LONG * limits.preview_chars else 1)


def _table(corpus: Corpus, table: Table, *, frame: bool) -> str:
    """What the rows are, in place of a line on their metadata."""
    name = repr(one_line(table.text_column, KEY_CHARS))
    return fill(
        "table",
        text_column=f', and `d["text"]` its column {name}' if table.text_column else "",
        frame=text("table_frame") if frame else "",
        columns=columns_of(corpus),
    )


def _cut(content: str, chars: int) -> str:
    if len(content) <= chars:
        return content
    return f"{content[:chars]}\n[… cut here: {number(chars)} of {number(len(content))} characters shown]"
