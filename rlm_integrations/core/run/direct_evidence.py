"""What proves a direct answer: quotes below it that stand in the corpus."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.quotes import QuotedText
from rlm_integrations.core.corpus.whole import shown_id
from rlm_integrations.core.loop.direct_reply import read_direct
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.events import Cited, Event, Warned
from rlm_integrations.core.wording import plural

_MOST_QUOTES = 100
_QUOTE_CHARS = 20_000


class Proven(NamedTuple):
    """What a reply gave as evidence."""

    citations: tuple[Citation, ...]
    unfound: int = 0
    """Lines whose words do not stand in the corpus."""


def proven(reply: str, corpus: Corpus) -> Proven:
    """The quotes of a reply that stand in the corpus. May take a while over long texts, which are read once each."""
    names = _Names(corpus.documents)
    lines = [names.read(line) for line in read_direct(reply).evidence[:_MOST_QUOTES]]
    places: dict[int, tuple[Document, int, int]] = {}
    for named in {id(line.document): line.document for line in lines if line.document is not None}.values():
        _look(lines, places, named, is_named=True)
    for document in corpus.documents:
        if len(places) == len(lines):
            break
        _look(lines, places, document, is_named=False)
    citations: dict[tuple[str, int, int], Citation] = {}
    for _, (document, start, end) in sorted(places.items()):
        citations[document.id, start, end] = Citation(
            cited_text=document.text[start:end], start_index=start, end_index=end, document_id=document.id
        )
    return Proven(tuple(citations.values()), len(lines) - len(places))


class _Line(NamedTuple):
    """A line of evidence: the document that it names, if any, and what its words may be."""

    document: Document | None
    forms: tuple[str, ...]


def _look(
    lines: Sequence[_Line],
    places: dict[int, tuple[Document, int, int]],
    document: Document,
    *,
    is_named: bool,
) -> None:
    """Add where in the document those of the lines stand that have no place yet: of those that name it, or of the
    others."""
    text = QuotedText(document.text)
    for number, line in enumerate(lines):
        if number not in places and (line.document is document) == is_named:
            found = next((found for form in line.forms if (found := text.find(form)) is not None), None)
            if found is not None:
                places[number] = (document, *found)


class _Names:
    """The documents by what they are called above their texts."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._by_name = {shown_id(document): document for document in documents}
        self._longest = max(map(len, self._by_name), default=0)

    def read(self, line: str) -> _Line:
        """A line that may begin with the name of a document, in brackets."""
        document, words = self._named(line)
        forms = [words] if document is not None or not line.startswith("[") else [line, line.partition("]")[2]]
        return _Line(document, tuple(form[:_QUOTE_CHARS] for form in forms))

    def _named(self, line: str) -> tuple[Document | None, str]:
        at = line.find("]") if line.startswith("[") else -1
        bar = line.find(" | ", 0, self._longest + 4)  # metadata that stand beside a name begin there
        beside = self._by_name.get(line[1:bar]) if bar > 0 else None
        while at > 0 and (at <= self._longest + 1 or beside is not None):
            named = self._by_name.get(line[1:at]) if at <= self._longest + 1 else None
            named = named or (beside if at > bar else None)
            if named is not None:
                return named, line[at + 1 :]
            at = line.find("]", at + 1)
        return None, line


async def tell_of_evidence(
    evidence: Proven,
    iteration: int,
    cited: set[tuple[str, int, int]],
    emit: Callable[[Event], Awaitable[None]],
) -> None:
    """Tell of citations, each once in the run, and of what is none."""
    for citation in evidence.citations:
        place = citation.document_id, citation.start_index, citation.end_index
        if place not in cited:
            cited.add(place)
            await emit(Cited(iteration, citation))
    if evidence.unfound:
        lines = plural(evidence.unfound, "quote")
        await emit(Warned("unproven", f"{lines} of the direct answer do not stand in the corpus, and are no citations"))
