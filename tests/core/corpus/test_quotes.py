from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.corpus.quotes import QuotedText

LETTER = "Dear Ada,\n\n  the bridge\tis closed.\nYours, “Bo”"


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("the bridge\tis closed.", "the bridge\tis closed."),
        ("Ada, the bridge is  closed.", "Ada,\n\n  the bridge\tis closed."),
        ('"the bridge is closed."', "the bridge\tis closed."),
        ("“Bo”", "“Bo”"),
        ("ours", "ours"),
        ("bridge is open", None),
        ("", None),
        ("“”", None),
    ],
)
def test_where_a_quote_stands(quote: str, found: str | None) -> None:
    place = QuotedText(LETTER).find(quote)
    assert (None if place is None else LETTER[place[0] : place[1]]) == found


words = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=12)


@given(words, st.data())
def test_white_space_never_hides_a_quote(text: list[str], data: st.DataObject) -> None:
    spaces = st.sampled_from([" ", "\n", "\t \n", "  "])
    spaced = "".join(word + data.draw(spaces) for word in text)
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    quote = " ".join(text[start:end])
    place = QuotedText(spaced).find(quote)
    assert place is not None
    assert spaced[place[0] : place[1]].split() == quote.split()
