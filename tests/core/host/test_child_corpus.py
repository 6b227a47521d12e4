"""What code asks a child to read is no more than its own corpus holds: slices are copies, and memory goes by size."""

from __future__ import annotations

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.host.answers import RefusedCallError
from rlm_integrations.core.host.child_corpus import child_corpus
from rlm_integrations.wire.child_context import ChildContext, OwnText, Reference, write_child_context

WHOLE = Corpus.of({"long": "x" * 1_000_000, "short": "the short one", "secret": "not for children"})
FAR = 1 << 53


def read(*pieces: Reference | OwnText, parent: Corpus = WHOLE) -> Corpus:
    return child_corpus(write_child_context(ChildContext(pieces)), parent, {"found": Document("found", "retrieved")})


@pytest.mark.parametrize("piece", [Reference("long"), Reference("long", 1), Reference("long", 0, FAR)])
def test_a_text_over_and_over_is_refused_before_it_is_copied(piece: Reference) -> None:
    with pytest.raises(RefusedCallError, match="pass each text once"):
        read(*[piece] * 10_000)


@pytest.mark.parametrize("document_id", ["secret", "found", "context", "", "../secret", "secret\n", "\ud800"])
@pytest.mark.parametrize("levels", [1, 2])
def test_a_part_of_a_part_holds_nothing_else(document_id: str, levels: int) -> None:
    part = WHOLE
    for _ in range(levels):
        part = read(Reference("short"), OwnText("mine", "own"), parent=part)
    with pytest.raises(RefusedCallError, match="there is no document"):
        child_corpus(write_child_context(ChildContext((Reference(document_id),))), part, {})


def test_positions_beyond_a_piece_reach_nothing_of_the_whole() -> None:
    part = read(Reference("short", 4, 9))
    for start, end in [(0, FAR), (5, FAR), (FAR, None), (FAR, 0), (3, 1)]:
        piece = Reference("short", start, end)
        text = read(piece, OwnText("x"), parent=part).documents[0].text
        assert text == "short"[start:end]
