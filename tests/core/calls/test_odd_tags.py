"""Tokens of chat templates and of thinking that fewer servers leave in the text, and replies that show such tags."""

from __future__ import annotations

import pytest

from rlm_integrations.core.calls.thoughts import split_thoughts


@pytest.mark.parametrize(
    "token", ["<|return|>", "<|END_OF_TURN_TOKEN|>", "<eos>", "<|user|>", "<|observation|>", "<|eot|>", "<|role_end|>"]
)
def test_more_tokens_that_end_a_turn_go(token: str) -> None:
    assert split_thoughts(f"It is 42.{token}") == ("It is 42.", "")


@pytest.mark.parametrize(
    "text",
    [
        "<s>It is 42.</s>",
        "<|START_RESPONSE|>It is 42.<|END_RESPONSE|>",
        "It is <|begin_of_box|>42<|end_of_box|>.",
        "It is 42.<｜User｜>And then?",
    ],
)
def test_tokens_around_a_reply_go(text: str) -> None:
    assert split_thoughts(text) == ("It is 42.", "")


@pytest.mark.parametrize(
    "text",
    [
        "<|thinking_start|>hm<|thinking_end|>It is 42.",
        "<｜begin▁of▁thinking｜>hm<｜end▁of▁thinking｜>It is 42.",
        "<think>hm</think>It is <|begin_of_box|>42<|end_of_box|>.",
    ],
)
def test_thoughts_between_such_tokens_are_taken_out(text: str) -> None:
    assert split_thoughts(text) == ("It is 42.", "hm")


@pytest.mark.parametrize(
    "text",
    [
        "<s>100</s> 80 USD",
        "A user's turn begins with <｜User｜>, the model's with <｜Assistant｜>.",
        "The tokens are `<｜User｜>` and `<｜Assistant｜>`.",
        "| token | use |\n|---|---|\n|<｜User｜>| a turn |",
    ],
)
def test_an_answer_that_has_such_tokens_is_left_as_it_is(text: str) -> None:
    assert split_thoughts(text) == (text, "")


def test_a_fence_that_shows_thoughts_is_part_of_the_answer() -> None:
    shown = "It is marked so:\n```html\n<think>\nhm\n</think>\n```\nThat is all."
    assert split_thoughts(shown) == (shown, "")


@pytest.mark.parametrize("mark", ["repl", "python", ""])
def test_code_that_was_begun_amid_thoughts_hides_nothing_of_their_end(mark: str) -> None:
    said, thoughts = split_thoughts(f"I guess.\n```{mark}\n# <think>\nFINAL('7')\n</think>\n42")
    assert said == "42"
    assert "FINAL" in thoughts
