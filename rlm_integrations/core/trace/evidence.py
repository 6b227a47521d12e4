"""What an answer rests on: documents cited, and those whose own text was really sent to sub-calls or printed.

Where code sent the whole corpus to sub-calls, piece by piece, nearly all was read and little of it was used. So the
pieces whose replies the answer draws on come before the others.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

from rlm_integrations.core.corpus.corpus import Corpus, once_per_corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.found_document import FoundDocument
from rlm_integrations.core.trace.anchors import AnchorIndex
from rlm_integrations.core.trace.own_text import OwnTextFinder, Place
from rlm_integrations.core.trace.records import CodeExecution, RLMTrace, SubCall
from rlm_integrations.frozen import frozen

_WORD = re.compile(r"\w++")
_LONG_WORD = 4
_ANSWER_CHARS = 200_000
"""Of an answer, its words are compared with those of replies."""
_REPLY_CHARS = 2_000_000
"""Of all replies together, evenly."""
_QUICK_CHARS = 100_000
"""What is looked through in some 10 ms."""


@frozen
class Found:
    """`sources` are ids of documents, each once: cited ones, those in the order of `places`, those of seen pictures."""

    sources: tuple[str, ...]
    places: tuple[Place, ...]
    """What was sent and then what was printed, each place once; what the answer draws on first."""
    looked_at: int = 0
    """Characters: how much work it was, without what was remembered of the corpus."""


class Evidence:
    """What the answer of a run rests on. It is found when it is first asked for, once, by whatever thread asks.

    Until then it holds on to the run's corpus, then to what a retriever found; a copy and a pickle hold no documents.
    """

    def __init__(self, trace: RLMTrace, corpus: Corpus, retrieved: Sequence[Document] = ()) -> None:
        self._run: tuple[RLMTrace, Corpus, Sequence[Document]] | None = trace, corpus, retrieved
        self._found: Found | None = None
        self._retrieved: Mapping[str, FoundDocument] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, found: Found) -> Evidence:
        """Evidence that was found before."""
        evidence = cls.__new__(cls)
        evidence._run, evidence._found, evidence._lock = None, found, threading.Lock()
        evidence._retrieved = {}
        return evidence

    @property
    def sources(self) -> tuple[str, ...]:
        return self.find().sources

    @property
    def places(self) -> tuple[Place, ...]:
        return self.find().places

    @property
    def retrieved(self) -> Mapping[str, FoundDocument]:
        """What a retriever found that the answer could rest on, by the ids that it has in the run."""
        self.find()
        return self._retrieved

    def find(self) -> Found:
        if (found := self._found) is not None:
            return found
        with self._lock:
            if self._found is None:
                assert self._run is not None
                _, corpus, retrieved = self._run
                documents = chain(corpus.documents, retrieved)
                self._retrieved = {each.id: each for each in documents if isinstance(each, FoundDocument)}
                self._found, self._run = find_evidence(*self._run), None
            return self._found

    async def find_async(self) -> Found:
        """The same, in a thread where it may take more than some 10 ms."""
        return self.find() if self.quick else await asyncio.to_thread(self.find)

    @property
    def quick(self) -> bool:
        """Whether finding it takes at most some 10 ms."""
        if (run := self._run) is None:
            return True
        trace, corpus, retrieved = run
        read = len(trace.question) + len(trace.answer)
        for execution in _executions(trace):
            read += len(execution.output) + sum(len(call.prompt) for call in execution.sub_calls)
        return read + corpus.chars + sum(len(document.text) for document in retrieved) <= _QUICK_CHARS

    def __reduce__(self) -> tuple[object, ...]:
        return Evidence.of, (self.find(),)


def find_evidence(trace: RLMTrace, corpus: Corpus, retrieved: Sequence[Document] = ()) -> Found:
    """Find it, in time that grows with the texts read and the corpus; over the same corpus again with the texts alone.

    A stretch that several documents hold proves none of them, unless it stands below a line that names one; see
    `OwnTextFinder`. Beyond certain sizes some is missed, and nothing is ever named that was not read.
    """
    texts = dict.fromkeys(filter(None, texts_read(trace)))
    cited = (citation.document_id for citation in trace.citations)
    if not texts or not (corpus.documents or retrieved):
        return Found(tuple(dict.fromkeys(cited)), ())
    finder = OwnTextFinder(corpus, _index_of(corpus.shared).get(), retrieved, trace.question)
    places = dict.fromkeys(place for text in texts for place in finder.places_in(text))
    sources = dict.fromkeys([*cited, *(place.document_id for place in places), *_seen(trace)])
    return Found(tuple(sources), tuple(places), finder.looked_at)


def texts_read(trace: RLMTrace) -> list[str]:
    """What models read beyond the first message: the prompts of sub-calls, what child RLMs were shown whole, then what
    was printed.

    Prompts are in the order of how many words their reply shares with the answer, leaving out those of the question
    and those of half the replies ("nothing found"); equal ones as they were sent.
    """
    executions = _executions(trace)
    calls = [call for execution in executions for call in execution.sub_calls if _was_read(call)]
    reply_chars = _REPLY_CHARS // max(1, len(calls))
    replies = [_words((call.reply or "")[:reply_chars]) for call in calls]
    common = Counter(word for words in replies for word in words)
    own = _words(trace.answer[:_ANSWER_CHARS]) - _words(trace.question[:_ANSWER_CHARS])
    telling = {word for word in own if common[word] == 1 or 2 * common[word] < len(calls)}
    order = sorted(range(len(calls)), key=lambda place: -len(replies[place] & telling))
    shown = [
        message.content
        for child in trace.tree()
        if child.shown_whole and (child is not trace or trace.route == "direct") and _has_replied(child)
        for message in child.opening
        if message.role == "user"
    ]
    return [*(calls[place].prompt for place in order), *shown, *(execution.output for execution in executions)]


def _seen(trace: RLMTrace) -> list[str]:
    """Documents of which sub-LMs saw pictures, in the order in which they were sent."""
    calls = [
        call
        for execution in _executions(trace)
        for call in sorted(execution.sub_calls, key=lambda call: call.number)
        if _was_read(call)
    ]
    return [image.document_id for call in calls for image in call.images if image.document_id is not None]


def _was_read(call: SubCall) -> bool:
    """One that failed without a reply may have reached nobody, and the answer has nothing of it."""
    return call.error is None or call.reply is not None


def _has_replied(trace: RLMTrace) -> bool:
    return any(iteration.call.error is None for iteration in trace.iterations)


def _executions(trace: RLMTrace) -> list[CodeExecution]:
    """Of the run, and of its child RLMs."""
    return [execution for node in trace.tree() for execution in node.executions]


def _words(text: str) -> set[str]:
    """What replies and answers are compared by: numbers, and words that are not short."""
    words: set[str] = set(_WORD.findall(text.lower()))
    return {word for word in words if len(word) >= _LONG_WORD or any(char.isdecimal() for char in word)}


class _IndexOnce:
    """The anchors of a corpus, made when they are first asked for: it takes a while over a large one."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents
        self._lock = threading.Lock()
        self._index: AnchorIndex | None = None

    def get(self) -> AnchorIndex:
        with self._lock:
            if self._index is None:
                self._index = AnchorIndex(self._documents)
            return self._index


@once_per_corpus
def _index_of(corpus: Corpus) -> _IndexOnce:
    return _IndexOnce(corpus.documents)
