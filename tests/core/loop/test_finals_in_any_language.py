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


@pytest.mark.parametrize("name", ["größe", "número", "合计"])
def test_so_is_one_that_the_code_above_it_sets(name: str) -> None:
    reply = parse_reply(f"```repl\n{name} = len(context)\n```\nFINAL({name})", variables=("n",))
    assert reply.blocks == (f"{name} = len(context)", f"FINAL({name})")


def test_words_of_a_string_in_the_code_are_no_variable() -> None:
    reply = parse_reply("```repl\nprint('答案是42')  # 答案是42\n```\nFINAL(答案是42)", variables=("n",))
    assert (reply.final, reply.blocks) == ("答案是42", ("print('答案是42')  # 答案是42",))


@pytest.mark.parametrize("word", ["Therefore", "Hence", "So", "Thus", "Finally"])
@pytest.mark.parametrize(("call", "final"), [("FINAL(42)", "42"), ("FINAL('two words')", "two words")])
def test_a_word_before_it_does_not_make_code_of_it(word: str, call: str, final: str) -> None:
    reply = parse_reply(f"{word}, {call}", variables=("n",))
    assert (reply.final, reply.blocks) == (final, ())


@pytest.mark.parametrize("marks", ["“{}”", "„{}“", "«{}»", "「{}」", "『{}』"])
def test_the_quotes_of_a_language_are_no_part_of_the_answer(marks: str) -> None:
    assert parse_reply(f"FINAL({marks.format('two words')})").final == "two words"
