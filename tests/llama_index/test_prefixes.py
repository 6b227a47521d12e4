from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.llama_index.prefixes import Prefixes

LETTERS = st.text("ab", max_size=9)


@given(st.sets(LETTERS.filter(bool)), LETTERS, st.integers(0, 9))
def test_all_that_stand_at_a_place_are_found_the_longest_first(texts, text, place):
    expected = sorted((each for each in texts if text.startswith(each, place)), key=len, reverse=True)
    assert list(Prefixes(texts, 1_000).at(text, place)) == expected


def test_what_is_looked_at_is_bounded():
    prefixes = Prefixes(["a" * 1_000 + "b", "aa"], most=20_000)
    found = [list(prefixes.at("a" * 10_000, place)) for place in range(9_000)]
    assert (found[0], found[-1]) == (["aa"], [])
    assert prefixes.looked_at <= 21_001
