"""A part of a corpus: each piece is what stands at its place in the shared corpus, and at its origin in the run's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.part import CorpusPart, origin_in, piece_of

TEXTS = st.lists(st.text("abc", min_size=1, max_size=9), min_size=1, max_size=4)


@given(
    shared=TEXTS,
    brought=st.lists(st.text("xyz", min_size=1, max_size=9), max_size=2),
    cuts=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 4), st.none() | st.integers(0, 9)), min_size=1, max_size=4
    ),
    levels=st.integers(1, 3),
)
def test_pieces_of_pieces_are_where_they_say(shared, brought, cuts, levels):
    base = Corpus.of([Document(f"d{n}", text) for n, text in enumerate(shared)])
    whole = base.preceded_by([Document(f"b{n}", text) for n, text in enumerate(brought)])
    part = whole
    for _ in range(levels):
        chosen = [piece_of(part, number % len(part.documents), start, end) for number, start, end in cuts]
        part = CorpusPart(part, chosen, "documents")
    assert part.shared is base
    assert len({document.id for document in part.documents}) == len(part.documents)
    for piece, document in zip(part.pieces, part.documents, strict=True):
        assert piece.document is document
        origin = origin_in(part, document.id)
        assert origin is not None
        text = whole.by_id[origin.document_id].text
        assert not document.text or text[origin.start :].startswith(document.text)
        if piece.place is not None:
            place = piece.place
            assert base.as_documents()[place.number].text[place.start : place.end] == document.text
        else:
            assert document.text in "".join(brought)


def test_a_part_is_preceded_by_a_calls_own_documents_which_are_no_evidence():
    base = Corpus.of({"a": "the text"})
    part = CorpusPart(base, [piece_of(base, 0)], "documents").preceded_by([Document("message-1", "long")])
    assert [document.id for document in part.documents] == ["message-1", "a"]
    assert origin_in(part, "message-1") is None
    assert origin_in(part, "a") is not None
