"""FINAL(...) of a str as Python writes it: read as what it says, and parsed as nothing but strs."""

from __future__ import annotations

import ast

import pytest

from rlm_integrations.core.loop.final_argument import final_for


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ('"Paris"', "Paris"),
        ("'a' 'b'", "ab"),
        ('("one, "\n "two")', "one, two"),
        ('r"a\\n"', "a\\n"),
        ('u"a"  # so it is', "a"),
        ('"""two\nlines"""', "two\nlines"),
        ("b'x'", "b'x'"),
        ("[1, 2]", "[1, 2]"),
        ("1_000", "1_000"),
    ],
)
def test_a_str_is_what_it_says_and_all_else_is_as_it_stands(argument: str, text: str) -> None:
    final = final_for(argument, ())
    assert final is not None
    assert final.text == text


@pytest.mark.parametrize("argument", ["[" + "1," * 50_000 + "]", 'f"' + "{a}" * 50_000 + '"', 'f"{a}" ' * 50_000])
def test_nothing_else_is_parsed_to_find_that_out(argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object, **__: object) -> None:
        raise AssertionError("it was parsed")

    monkeypatch.setattr(ast, "literal_eval", parse)
    assert final_for(argument, ()) is not None
