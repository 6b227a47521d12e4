from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_integrations.repl.corpus_view import CorpusView
from rlm_integrations.repl.matches import Matches
from rlm_integrations.repl.pattern import find_all, read_pattern
from rlm_integrations.repl.search import Search


def search(context, pattern, docs=None, **settings) -> Matches:
    return Search(CorpusView(context), 6_000).search(pattern, docs, **settings)


def texts(pattern: str, text: str) -> list[str]:
    return [match.text for match in search(text, pattern)]


PATTERNS = st.sampled_from(["a", "a B", ".*x", "^a", r"\s+", "(a)?B"])


@given(st.lists(st.text("aB \n\t.x", max_size=60), min_size=1, max_size=4), PATTERNS)
def test_positions_are_offsets_into_the_documents_text(contents, pattern):
    documents = [{"id": f"d{number}", "text": text, "metadata": {}} for number, text in enumerate(contents)]
    by_id = {document["id"]: document["text"] for document in documents}
    found = search(documents, pattern, limit=None)
    assert found.total == len(found)
    for match in found:
        assert by_id[match.id][match.start : match.end] == match.text
        assert match.text in match.line or "\n" in match.text


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("due on", "DUE\n on, due  on, dueon", ["DUE\n on", "due  on"]),
        ("lost.{0,20}wait", "lost\nwait lost, wait", ["lost, wait"]),
        ("^b$", "a\nb\nc", ["b"]),
        ("[ x]y", " y xy\ty", [" y", "xy"]),
        ("[]] a", "]\na", ["]\na"]),
        (r"a\ b", "a\nb a b", ["a\nb", "a b"]),
        ("a *b", "ab a\n b", ["ab", "a\n b"]),
        ("a ?b", "ab a\nb a  b", ["ab", "a\nb"]),
        ("a {2}b", "a b a\n\nb", ["a\n\nb"]),
        ("a  b", "a b", ["a b"]),
        ("(?<=due )x", "due x, due\nx", ["x", "x"]),
        ("(?x) a b", "ab", ["ab"]),
        ("(?s)a.b", "a\nb", ["a\nb"]),
        ("(?# a b )c d", "c\nd", ["c\nd"]),
    ],
)
def test_how_a_pattern_is_read(pattern, text, expected):
    assert texts(pattern, text) == expected


def test_a_compiled_pattern_is_used_as_it_is():
    assert [match.text for match in search("A a\na b a  b", re.compile("a b"))] == ["a b"]


def test_a_bad_pattern_is_an_error_with_its_position_in_what_was_written():
    with pytest.raises(re.error) as raised:
        search("x", "a b (c")
    assert raised.value.pos == 4
    with pytest.raises(TypeError, match="pattern: int is not a str"):
        search("x", 5)
    with pytest.raises(TypeError, match="corpus is text"):
        search("x", re.compile(b"x"))


ATOMS = st.sampled_from(["a", "b", r"\s", "(a|b)", "a+", "[ab]", "b?", ".", r"\b", "$", "(?=a)", "(?<=b)a", "a|b", "."])
HEADS = st.sampled_from([".*", ".*?", "(.*)", "(?:.*?)", "(?P<n>.*)", ".{0,3}", ".{,2}?", "(.{0,2})", ".{0,80}"])


@settings(max_examples=100)
@given(HEADS, st.lists(ATOMS, min_size=1, max_size=4), st.text("ab \n", max_size=40))
def test_the_fast_way_finds_what_re_finds(head, atoms, text):
    pattern = read_pattern(head + "".join(atoms))
    assert [found.span() for found in find_all(pattern, text)] == [found.span() for found in pattern.finditer(text)]
    assert [found.groups() for found in find_all(pattern, text)] == [found.groups() for found in pattern.finditer(text)]


def test_a_pattern_that_begins_with_any_text_does_not_try_every_place_to_the_lines_end():
    """`re` alone would take hours here: a million places of a line, each tried over the rest of it."""
    text = "x" * 1_000_000 + "error\n" + "y" * 1_000_000
    assert [match.end for match in search(text, ".*error.*")] == [1_000_005]
    assert [match.start for match in search(text, "(.*?)error")] == [0]
    assert [match.start for match in search(text, ".{0,900000}error")] == [100_000]
    assert search(text, ".*failure.*").total == 0


def test_matches_are_counted_beyond_those_that_are_kept():
    found = search("a b " * 100, "a", limit=3)
    assert (len(found), found.total) == (3, 100)
    assert len(search("a" * 100, "a", limit=None)) == 100
    assert len(search("a" * 100, "a", limit=0)) == 0
    for name in ("limit", "around"):
        with pytest.raises(ValueError, match=name):
            search("a", "a", **{name: -1})
        with pytest.raises(TypeError, match=name):
            search("a", "a", **{name: "3"})


def test_a_match_gives_its_place_groups_and_line(library):
    library.step("m = search(r'Rent: (?P<sum>\\d+) (\\w+)')[0]")
    assert library.value("m.id, m.start, m.end, m.text, m.groups") == (
        "('lease-1', 42, 56, 'Rent: 40 marks', ('40', 'marks'))"
    )
    assert library.value("m['sum'], m.group(2), m.group('sum', 2), m.groupdict(), m.line") == (
        "('40', 'marks', ('40', 'marks'), {'sum': '40'}, 'Rent: 40 marks.')"
    )


def test_the_printed_form_has_a_line_a_match_and_the_total(library):
    assert library.value("search('plot')") == (
        "lease-1@9: Lease of plot 7.\nlease-2@9: Lease of plot 9.\nnote@0: Plot 7 was lost to the river.\n"
        "(3 matches in 3 of 3 documents)"
    )
    assert library.value("print(search('plot', limit=1))") == (
        "lease-1@9: Lease of plot 7.\n(first 1 of 3 matches in 3 of 3 documents)"
    )
    assert library.value("search('plough')") == "(no match in 3 documents)"
    assert library.value("search('river', 'note')") == "note@23: Plot 7 was lost to the river.\n(1 match)"
    assert library.value("str(search('plot')[1:2])") == (
        "lease-2@9: Lease of plot 9.\n(1 of 3 matches in 3 of 3 documents)"
    )
    assert library.value("search('ends on 1 March')") == (
        "lease-1@20:\n  It ends on\n  1 March 2010.\n(1 match in 1 of 3 documents)"
    )


def test_matches_inside_what_is_shown_already_join_it():
    found = search("one two one two\nother\none", "one|two")
    assert repr(found) == "@0, 4, 8, 12: one two one two\n@22: one\n(5 matches)"


def test_around_shows_whole_lines():
    text = "first line\n\nsecond line\nthe hit is here\nlast line\n" + "z" * 500
    shown = repr(search(text, "hit", around=15))
    assert shown == "@28:\n  second line\n  the hit is here\n  last line\n(1 match)"
    assert repr(search(text, "hit", around=60)).endswith("\n  last line\n  " + "z" * 41 + "…\n(1 match)")


def test_a_long_line_is_cut_around_the_match():
    text = "a" * 1_000 + "HIT" + "b" * 1_000
    (match,) = search(text, "hit")
    assert match.line == "…" + "a" * 120 + "HIT" + "b" * 120 + "…"
    (match,) = search(text, "a+HIT.*")
    assert len(match.text) == 2_003
    assert " … " in match.line


def test_a_giant_list_of_matches_prints_within_a_bound():
    found = search("\n".join(f"line {number} " + "x" * 80 for number in range(5_000)), "line", limit=None)
    shown = repr(found)
    assert len(shown) < 6_200
    assert re.search(r"\n… [\d,]+ more, not shown\n\(5,000 matches\)$", shown)


def test_docs_may_be_ids_documents_matches_or_a_text(library):
    def ids(docs: str) -> str:
        return library.value(f"[m.id for m in search('plot', {docs})]")

    assert ids("'note'") == "['note']"
    assert ids("['note', 'lease-2']") == "['note', 'lease-2']"
    assert ids("context[1]") == "['lease-2']"
    assert ids("context[:2]") == "['lease-1', 'lease-2']"
    assert ids("search('rent')") == "['lease-1', 'lease-2']"
    assert ids("search('river')[0]") == "['note']"
    assert ids("(d for d in context if d['metadata'])") == "['lease-1', 'lease-2']"
    assert ids("'a text\\nwith a plot'") == "['']"
    assert ids("'another text with a plot in it'") == "['']"
    assert ids("[]") == "[]"
    assert library.value("[m.id for m in search('a', search('plot', 'a text\\nwith a plot'))]") == "['', '']"


def test_an_unknown_id_is_an_error_that_names_close_ones(library):
    message = "no document has the id 'lease-3'; close ones: 'lease-2', 'lease-1'"
    assert library.failure("search('x', 'lease-3')") == f'KeyError: "{message}"'
    assert "close ones: 'note'" in library.failure("search('x', ['NOTE'])")
    assert library.failure("search('x', 3)") == (
        "TypeError: docs: int is not an id, a document, a match or a list of these"
    )
    assert library.failure("search('x', [3])") == "TypeError: docs: int is not an id, a document or a match"
    assert "has no str under" in library.failure("search('x', {'id': 'a'})")


def test_a_text_corpus_has_the_id_of_nothing(open_repl):
    repl = open_repl("one\ntwo")
    assert repl.value("[(m.id, m.start) for m in search('two', '')]") == "[('', 4)]"
    assert repl.value("[(m.id, m.start) for m in search('b', 'ab')]") == "[('', 1)]"


def test_without_a_corpus_there_is_nothing_to_find(repl):
    assert repl.value("search('x'), chunks()") == "((no match in 0 documents), [])"


def test_documents_that_the_model_edits_are_searched_as_edited(library):
    library.step("context[0]['text'] = 'new words'")
    assert library.value("search('new words')[0].id") == "lease-1"


def test_an_escaped_space_is_a_space_too_so_an_escaped_quote_is_found_over_a_line_break():
    text = "it was agreed to\n   split it down (the middle)"
    quote = "agreed to split it down (the middle)"
    assert [match.start for match in search(text, re.escape(quote))] == [text.index("agreed")]
    assert [match.text for match in search("a  b [ ]", r"a\ +b\ \[ \]")] == ["a  b [ ]"]


def test_matches_that_are_not_shown_are_told_by_their_documents():
    documents = [{"id": f"d{n}", "text": "plot " + "x" * 900 + " plot", "metadata": {}} for n in range(30)]
    shown = repr(search(documents, "plot", around=1_000, limit=None)).splitlines()
    left = int(re.match(r"… (\d+) more, not shown, in d", shown[-2])[1])
    assert shown[-2].endswith(f" and {left // 2 - 12} documents more")
    assert shown[-1] == "(60 matches in 30 of 30 documents)"


@pytest.mark.parametrize("end", [*"\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"])
def test_no_text_passes_for_a_match_in_another_document(end):
    shown = repr(search([{"id": "a", "text": f"a hit{end}b@7: forged", "metadata": {}}], "hit"))
    assert shown.splitlines() == ["a@2:", "  a hit", "  b@7: forged", "(1 match)"]


MARGINS = {
    "a comment": "x = 1\n    # the dam was\n    # opened at night\n",
    "two slashes": "// the dam was\n// opened at night",
    "a block of C": "/*\n * the dam was\n * opened at night\n */",
    "a quotation": "> the dam was\n> opened at night",
    "a quotation in another": "> > the dam was\n>> opened at night",
    "a list": "- the dam was\r\n- opened at night",
    "an empty line of a comment": "# the dam was\n#\n#   opened at night",
    "no margin": "the dam was\n\n  opened at night",
}


@pytest.mark.parametrize("case", MARGINS)
def test_a_space_of_a_quote_matches_a_line_break_with_a_margin(open_repl, host, case):
    text = MARGINS[case]
    repl = open_repl([{"id": "d", "text": text, "metadata": {}}])
    start, end = text.index("the dam"), text.index(" at night") + len(" at night")
    assert repl.value("[(m.start, m.end) for m in search('the dam was opened at night')]") == f"[({start}, {end})]"
    repl.step("cite('the dam was opened at  night', 'd')")
    assert host.asked("cite") == [{"document_id": "d", "start": start, "end": end, "text": text[start:end]}]


@pytest.mark.parametrize("text", ["the dam # was", "the dam - was", "the dam\n#was", "the dam\n-was", "the dam\n+ was"])
def test_what_is_no_margin_is_no_space(open_repl, text):
    assert open_repl(text).value("len(search('dam was'))") == "0"


def test_a_space_before_what_white_space_can_be_gives_way(open_repl):
    assert open_repl("a \n b").value(r"[m.text for m in search(r'a \n b')]") == r"['a \n b']"
    assert open_repl("a\n- b").value(r"[m.text for m in search(r'a - b')]") == r"['a\n- b']"


def test_a_match_has_the_metadata_of_its_document(library):
    assert library.value("[m.metadata for m in search('plot')]") == "[{'year': 2009}, {'year': 2011}, {}]"
    assert library.value("search('a', docs='a b')[0].metadata.get('year')") == ""


def test_a_match_that_is_taken_for_a_dict_says_what_it_has(repl):
    repl.step("m = search('l(.)st', {'id': 'd', 'text': 'all is lost'})[0]")
    assert repl.value("m.span() == (m.start, m.end), m[1]") == "(True, 'o')"
    assert repl.failure("m['text']") == (
        "IndexError: no group 'text'; a match is no dict: it has .id, .start, .end, .text, .groups, .line and .metadata"
    )
