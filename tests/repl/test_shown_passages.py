"""A step shows a passage once, however many searches find it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_integrations.repl.corpus_view import CorpusView
from rlm_integrations.repl.search import Search
from rlm_integrations.repl.shown_passages import ShownPassages

SHOWN = "(shown above)"
LINES = [f"Line {n}: what was said of the kiln on day {n} of that long month." for n in range(40)]
LETTER = "\n".join(LINES)


@pytest.fixture
def letters(open_repl):
    return open_repl([{"id": "a", "text": LETTER, "metadata": {}}, {"id": "b", "text": LETTER, "metadata": {}}])


def test_what_a_search_showed_is_not_shown_by_the_next(letters):
    shown = letters.value("print(search('day 7 of', 'a', around=200))\nprint(search('(day 7) of', 'a', around=90))")
    first, second = shown.split("(1 match)\n")
    assert LINES[6] in first
    assert second == f"a@{LETTER.index('day 7 of')}: {SHOWN}\n(1 match)"


def test_of_a_passage_shown_in_part_the_rest_is_shown(letters):
    first, second = letters.value(
        "print(search('day 7 of', 'a', around=60))\nsearch('day 9 of', 'a', around=120)"
    ).split("(1 match)\n")
    assert first.splitlines()[1:] == [f"  {line}" for line in LINES[6:9]]
    place = f"a@{LETTER.index('day 9 of')}:"
    assert second.splitlines() == [place, f"  {SHOWN}", *(f"  {line}" for line in LINES[9:12]), "(1 match)"]


def test_the_same_text_in_another_document_is_shown(letters):
    shown = letters.value("print(search('day 7 of', 'a'))\nprint(search('day 7 of', 'b'))")
    assert shown.count(LINES[7]) == 2


def test_another_step_shows_it_again(letters):
    once = letters.value("search('day 7 of', 'a')")
    assert LINES[7] in once
    assert letters.value("search('day 7 of', 'a')") == once


def test_what_the_code_makes_of_a_printed_form_is_whole(letters):
    code = "hits = search('day 7 of', 'a')\nprint(hits)\ntext = str(hits)\nprint(text == repr(hits), f'{hits}|' + text)"
    shown = letters.value(code)
    assert shown.count(LINES[7]) == 3
    assert "True a@" in shown


def test_what_may_be_cut_from_the_output_does_not_count_as_shown(open_repl):
    repl = open_repl([{"id": "a", "text": LETTER, "metadata": {}}], max_output_chars=1_000)
    code = "print('x' * 590)\nprint(search('day 7 of'))\nprint('y' * 2_000)\nsearch('day 7 of')"
    outcome = repl.step(code)
    assert outcome.cut_chars > 0
    assert SHOWN not in outcome.output
    assert LINES[7] in outcome.output


@given(st.data())
@settings(max_examples=60)
def test_every_passage_that_matches_ask_for_stands_in_the_output(data):
    """By its lines: each that a search of the step would show alone is in what the step shows, once."""
    search = Search(CorpusView([{"id": "a", "text": LETTER, "metadata": {}}]), 6_000).search
    shown, output = ShownPassages(), ""
    for _ in range(data.draw(st.integers(1, 5))):
        pattern = f"day {data.draw(st.integers(0, 39))} of"
        matches = search(pattern, around=data.draw(st.sampled_from([0, 30, 70, 150, 400, 5_000])))
        alone = str(matches)
        output += shown.printed(matches, 100_000) + "\n"
        assert [line for line in alone.splitlines()[1:-1] if line.strip() not in output] == []
    assert [line for line in LINES if output.count(line) > 1] == []
