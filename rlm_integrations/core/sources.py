"""Which documents an answer rests on: cited ones first, then those sent to sub-calls, then those printed.

Where code sent the whole corpus to sub-calls, piece by piece, nearly all was read and little of it was used. So the
pieces whose replies the answer draws on come before the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rlm_integrations.core.corpus.corpus import Corpus, once_per_corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.trace.records import RLMTrace

_HEADED = re.compile(r"^\[document ([^\n]+?)(?: \| [^\n]*)?\]$", re.MULTILINE)
_MATCHED = re.compile(r"^(\S[^\n]*?)@\d+(?:, \d+)*:", re.MULTILINE)
_WORD_START = re.compile(r"(?<!\w)\w")
_KEY_CHARS = 24
_COMPARED_CHARS = 160
_WORD = re.compile(r"\w*\d\w*|\w{4,}")
"""What replies and answers are compared by: numbers, and words that are not short."""


def source_ids(trace: RLMTrace, corpus: Corpus, retrieved: Sequence[Document] = ()) -> tuple[str, ...]:
    """Ids in that order, each once."""
    own = 0 if corpus.shared is corpus else len(corpus.brought)
    indexed = (  # by place, not by id: in a join a shared document may have another id
        (index_of(corpus.shared), corpus.documents[own:]),
        (_TextIndex(corpus.brought[:own]), corpus.documents[:own]),
        (_TextIndex(retrieved), retrieved),
    )
    added = {document.id for document in retrieved}
    order: dict[str, None] = dict.fromkeys(citation.document_id for citation in trace.citations)
    for text in texts_read(trace):
        standing = (documents[place].id for index, documents in indexed for place in index.standing_in(text))
        for document_id in (*_named(text), *standing):
            if document_id in corpus.by_id or document_id in added:
                order.setdefault(document_id)
    return tuple(order)


def texts_read(trace: RLMTrace) -> list[str]:
    """What models read beyond the first message: the prompts of sub-calls, then what was printed.

    Prompts are in the order of how many words their reply shares with the answer, leaving out those of the question
    and those of half the replies ("nothing found"); equal ones as they were sent.
    """
    calls = [call for execution in trace.executions for call in execution.sub_calls]
    replies = [_words(call.reply or "") for call in calls]
    common = Counter(word for words in replies for word in words)
    own = _words(trace.answer) - _words(trace.question)
    telling = {word for word in own if common[word] == 1 or 2 * common[word] < len(calls)}
    order = sorted(range(len(calls)), key=lambda place: -len(replies[place] & telling))
    return [*(calls[place].prompt for place in order), *(execution.output for execution in trace.executions)]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _named(text: str) -> Iterator[str]:
    """Ids that stand where `chunks` and `search` write them."""
    for pattern in (_HEADED, _MATCHED):
        yield from (match[1] for match in pattern.finditer(text))


class _TextIndex:
    """Finds the places of documents whose beginning stands in a text, in time that grows with the text alone."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._by_key: dict[str, list[tuple[int, str]]] = {}
        for place, document in enumerate(documents):
            head = document.text[: _COMPARED_CHARS * 4]
            first = _WORD_START.search(head)
            beginning = head[first.start() :][:_COMPARED_CHARS].rstrip() if first else ""
            if len(beginning) >= _KEY_CHARS:
                self._by_key.setdefault(beginning[:_KEY_CHARS], []).append((place, beginning))

    def standing_in(self, text: str) -> Iterator[int]:
        if not self._by_key:
            return
        for word in _WORD_START.finditer(text):
            at = word.start()
            for place, beginning in self._by_key.get(text[at : at + _KEY_CHARS], ()):
                if text.startswith(beginning, at):
                    yield place


@once_per_corpus
def index_of(corpus: Corpus) -> _TextIndex:
    """It takes a while over many documents, and is remembered."""
    return _TextIndex(corpus.documents)
