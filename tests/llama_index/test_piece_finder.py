from __future__ import annotations

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.llama_index.piece_finder import Piece, PieceFinder


def lines(start: int, end: int) -> str:
    return "".join(f"Entry {n} of the ledger is worth {n * n} pounds.\n" for n in range(start, end))


LEDGERS = [Document("a", lines(0, 500)), Document("b", lines(500, 1000))]


def test_a_slice_inside_a_prompt_is_found_about_where_it_was_cut():
    slice_ = LEDGERS[1].text[6_000:9_000]
    (piece,) = PieceFinder(LEDGERS).pieces_in(f"What is the sum?\n\n{slice_}")
    assert piece.document_id == "b"
    assert 6_000 <= piece.start < 6_500
    assert 8_500 < piece.end <= 9_000


def test_pieces_of_two_documents():
    text = LEDGERS[0].text[:2_000] + LEDGERS[1].text[:2_000]
    assert [piece.document_id for piece in PieceFinder(LEDGERS).pieces_in(text)] == ["a", "b"]


def test_pieces_far_apart_in_one_document_do_not_stand_for_what_is_between():
    text = LEDGERS[0].text[:1_000] + LEDGERS[0].text[-1_000:]
    pieces = PieceFinder(LEDGERS).pieces_in(text)
    assert len(pieces) > 1
    assert all(piece.end - piece.start < 100 for piece in pieces)


def test_what_is_not_of_the_corpus_or_stands_in_it_twice_is_no_piece():
    twins = [Document("x", "The same words in both of the documents, from first to last."), LEDGERS[0]]
    finder = PieceFinder([twins[0], Document("y", twins[0].text), twins[1]])
    assert finder.pieces_in("Nothing of this stands in any document of the corpus, at all.") == []
    assert finder.pieces_in(twins[0].text) == []
    assert finder.pieces_in("short") == []


def test_the_search_is_bounded():
    finder = PieceFinder([Document("big", lines(0, 200_000))])
    hits = [finder.pieces_in(LEDGERS[0].text) for _ in range(40)]
    assert hits[0] == [Piece("big", 0, len(LEDGERS[0].text))]
    assert hits[-1] == []
