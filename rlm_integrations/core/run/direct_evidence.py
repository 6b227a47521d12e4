"""What proves a direct answer: quotes below it that stand in the corpus."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.description import shown_id
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.quotes import find_quote
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
    """The quotes of a reply that stand in the corpus. May take a while over long texts."""
    citations: dict[tuple[str, int, int], Citation] = {}
    by_name = {shown_id(document): document for document in corpus.documents}
    lines = read_direct(reply).evidence[:_MOST_QUOTES]
    unfound = 0
    for line in lines:
        place = next(_places(line, by_name, corpus.documents), None)
        if place is None:
            unfound += 1
            continue
        document, start, end = place
        citations[document.id, start, end] = Citation(
            cited_text=document.text[start:end], start_index=start, end_index=end, document_id=document.id
        )
    return Proven(tuple(citations.values()), unfound)


def _places(
    line: str, by_name: dict[str, Document], documents: Sequence[Document]
) -> Iterator[tuple[Document, int, int]]:
    """Where the words of a line of evidence stand: in the document that it names, or else in any."""
    named, words = _named(line, by_name)
    forms = [words] if named is not None or not line.startswith("[") else [line, line.partition("]")[2]]
    for document in ([named] if named is not None else []) + [each for each in documents if each is not named]:
        for form in forms:
            found = find_quote(form[:_QUOTE_CHARS], document.text)
            if found is not None:
                yield document, *found


def _named(line: str, by_name: dict[str, Document]) -> tuple[Document | None, str]:
    """The document that a line begins with, in brackets, and its words."""
    at = line.find("]") if line.startswith("[") else -1
    while at > 0:
        name = line[1:at].split(" | ")[0]  # with the metadata that stand beside it
        for candidate in (line[1:at], name):
            if candidate in by_name:
                return by_name[candidate], line[at + 1 :]
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
