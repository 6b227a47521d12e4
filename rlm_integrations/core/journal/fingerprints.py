"""Hashes of what makes calls equal: 16 bytes as hex, the same in every process and version of Python."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from operator import methodcaller
from typing import Any

from rlm_integrations.core.corpus.corpus import Corpus, once_per_corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.plain_values import plain
from rlm_integrations.core.corpus.question import Question
from rlm_integrations.core.language_model import Message
from rlm_integrations.wire.calls import Call, LlmQuery

_BYTES = 16
_COUNT = re.compile(r" and [0-9][0-9,]*+ sub-calls?+|[0-9][0-9,.]*+(?>(?: ([a-z-]++))?)")
"""A number, with what there are so many of; of sub-calls, the root LM is told where there are few."""
_encode = methodcaller("encode", "utf-8", "surrogatepass")
_PLACE = ("batch", "index")
"""Fields of a call that say where in a batch it stands."""


def text_hash(*texts: str) -> str:
    """Of texts in their order. No two lists of texts have one hash."""
    encoded = [*map(_encode, texts)]
    lengths = ",".join(map(str, map(len, encoded))).encode()
    return blake2b(b"".join((lengths, b";", *encoded)), digest_size=_BYTES).hexdigest()


def value_hash(value: Any) -> str:
    """Of a JSON value, whatever the order of its keys."""
    return text_hash(json.dumps(value, sort_keys=True))


@once_per_corpus
def corpus_hash(corpus: Corpus) -> str:
    """Of all texts, ids and metadata, in their order. What a retriever will find is not known: its kind counts."""
    digest = blake2b(digest_size=_BYTES)
    retriever = corpus.retriever
    _add(digest, (corpus.kind, "" if retriever is None else type(retriever).__qualname__))
    for document in corpus.documents:
        _add(digest, document_texts(document))
    return digest.hexdigest()


def document_texts(document: Document) -> tuple[str, ...]:
    """All that it says and shows."""
    metadata = json.dumps(plain(document.metadata), sort_keys=True) if document.metadata else ""
    return document.id, document.text, metadata, *[image.id for image in document.images]


def message_texts(message: Message) -> tuple[str, ...]:
    return message.role, message.content, *[image.id for image in message.images]


def question_hash(question: Question) -> str:
    said = [text for each in (*question.before, *question.after) for text in message_texts(each)]
    brought = [text for each in question.documents for text in document_texts(each)]
    return text_hash(question.text, *said, *brought)


def text_chars(call: Call) -> int:
    """How long the texts of the call are."""
    if type(call) is LlmQuery:  # as most of them are
        return len(call.prompt)
    values = (getattr(call, name) for name in call.__match_args__)
    return sum(len(value) for value in values if isinstance(value, str))


def call_hash(call: Call) -> str:
    """Of the fields that say something, but for its place in a batch."""
    if type(call) is LlmQuery and call.prompt and not call.images:
        return text_hash("prompt", call.prompt)
    given = {name: getattr(call, name) for name in call.__match_args__ if name not in _PLACE}
    said = {name: value for name, value in given.items() if value}
    texts = [value if isinstance(value, str) else json.dumps(value, sort_keys=True) for value in said.values()]
    return text_hash(*said, *texts)


def opening_hash(messages: Sequence[Message]) -> str:
    """Numbers aside: limits, which the root LM is told, may be others when a run goes on."""
    return text_hash(*[_COUNT.sub(_uncounted, message.content) for message in messages])


def _add(digest: blake2b, texts: Iterable[str]) -> None:
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)


def _uncounted(count: re.Match[str]) -> str:
    return "" if count[0].startswith(" and ") else f"0 {(count[1] or '').removesuffix('s')}"
