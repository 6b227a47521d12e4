"""A corpus cut into pieces: passages for a retriever, parts for a map. Pure, and linear."""

from __future__ import annotations

from collections.abc import Iterator

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.whole import under_its_id

PASSAGE_CHARS = 1_000


def passages(corpus: Corpus, size: int = PASSAGE_CHARS) -> list[Document]:
    """Its documents cut at line ends, or else at spaces, each piece under the id of its document."""
    return [
        Document(document.id, piece, document.metadata)
        for document in corpus.documents
        for piece in cut(document.text, size)
        if piece.strip()
    ]


def parts(corpus: Corpus, size: int) -> list[str]:
    """Texts of about `size` characters that hold all of it, each document, or piece of one, under its id."""
    packed: list[list[str]] = [[]]
    used = 0
    for passage in passages(corpus, size):
        told = passage.text if corpus.kind == "str" else under_its_id(passage, corpus.table)
        if used and used + len(told) > size:
            packed.append([])
            used = 0
        packed[-1].append(told)
        used += len(told) + 2
    return ["\n\n".join(each) for each in packed if each]


def cut(text: str, size: int) -> Iterator[str]:
    """Pieces of at most `size` characters that add up to the text."""
    start = 0
    while len(text) - start > size:
        end = (
            text.rfind("\n", start + size // 2, start + size) + 1
            or text.rfind(" ", start + size // 2, start + size) + 1
        )
        end = end or start + size
        yield text[start:end]
        start = end
    yield text[start:]
