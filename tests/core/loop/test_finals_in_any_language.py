"""FINAL(...) of words that look like a name, or behind a word: models write so in languages without spaces."""

from __future__ import annotations

import pytest

from rlm_integrations.core.loop.reply_parser import parse_reply


@pytest.mark.parametrize("text", ["答案是42", "井在5号地", "東京", "لندن", "Köln"])
def test_words_that_no_variable_is_named_by_are_the_answer(text: str) -> None:
    reply = parse_reply(f"FINAL({text})", variables=("n", "total"))
    assert (reply.final, reply.blocks) == (text, ())


def test_a_variable_is_looked_up_whatever_letters_its_name_has() -> None:
    assert parse_reply("FINAL(größe)", variables=("größe",)).blocks == ("FINAL(größe)",)
    assert parse_reply("FINAL(total)", variables=("größe",)).blocks == ("FINAL(total)",)


@pytest.mark.parametrize("word", ["Therefore", "Hence", "So", "Thus", "Finally"])
@pytest.mark.parametrize(("call", "final"), [("FINAL(42)", "42"), ("FINAL('two words')", "two words")])
def test_a_word_before_it_does_not_make_code_of_it(word: str, call: str, final: str) -> None:
    reply = parse_reply(f"{word}, {call}", variables=("n",))
    assert (reply.final, reply.blocks) == (final, ())
