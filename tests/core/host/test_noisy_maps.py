"""From a model that makes all kinds of mistakes, no value goes to another item."""

from __future__ import annotations

import asyncio
import json
import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .maps import Maps, entries


def truth(text: str) -> str:
    """What a right sub-LM says of an item."""
    return f"is {text}"


class Noisy:
    """A sub-LM that knows the answers, and makes of the form whatever the numbers say."""

    def __init__(self, chance: Random, share: float = 0.05) -> None:
        self.chance, self.share = chance, share

    def _falls(self, share: float | None = None) -> bool:
        return self.chance.random() < (self.share if share is None else share)

    def __call__(self, prompt: str) -> str:
        asked = [(mark, truth(text)) for mark, text in entries(prompt)]
        if not asked[0][0]:
            return self._around("off the list" if self._falls() else asked[0][1])
        said = [(mark, "off the list" if self._falls() else words) for mark, words in asked if not self._falls()]
        if self._falls():  # counts by itself
            said = [(f"{n}", words) for n, (_, words) in enumerate(said, 1)]
        elif self._falls():  # counts by itself, and copies the rest of the marks
            said = [(f"{n}-{mark[-4:]}", words) for n, (mark, words) in enumerate(said, 1)]
        if self._falls():  # speaks of an item twice
            said += [(said[0][0], "off the list")] if said else []
        if self._falls():
            self.chance.shuffle(said)
        if self._falls(0.2):
            return f"```json\n{json.dumps(dict(said), indent=1)}\n```"
        form = self.chance.choice(["[{}] {}", "- **[{}]**: {}", "{}: {}", "| [{}] | {} |"])
        return self._around("\n".join(form.format(mark, words) for mark, words in said))

    def _around(self, words: str) -> str:
        if self._falls(0.2):
            words = f"{words}\n\nLet me know if you need more on items 1-3!"
        if self._falls(0.2):
            words = f"Sure! Here is what I found:\n\n{words}" if "[" in words else words
        return words


@pytest.mark.parametrize("seed", range(3))
async def test_a_thousand_items_come_back_complete_and_right_from_a_noisy_model(seed: int) -> None:
    items = [f"item {n % 700}" for n in range(1_000)]
    maps = Maps(Noisy(Random(seed)), max_chars=20_000)
    values, left = await maps.ask(items, {"enum": [truth(f"item {n}") for n in range(700)]})
    assert left == {}
    assert values == {index: truth(item) for index, item in enumerate(items)}
    assert len(maps.prompts) < 100


texts = st.lists(
    st.sampled_from(["a", "b", "\n", "[1] x", "[2-", "3-abcd] y", "\u2028", "{", '"', "- 4: z", " "]), max_size=8
).map("".join)


@given(st.lists(texts, min_size=1, max_size=70), st.randoms(use_true_random=False), st.floats(0, 0.9), st.booleans())
@settings(max_examples=settings().max_examples * 3 // 2)
def test_no_value_goes_to_another_item_and_what_is_missing_is_said(
    items: list[str], chance: Random, share: float, choices: bool
) -> None:
    """Whatever the items hold, and whatever the model makes of the form."""
    items = [f"{item} #{n}" for n, item in enumerate(items)]

    def reply(prompt: str) -> str:
        """It looks up what each item is by its number, and replies with that, or amiss."""
        noisy = Noisy(chance, share)
        return re.sub(r"is [^\n]*(?:\n  [^\n]*)*? #(\d+)", r"is #\1", noisy(prompt).replace("\\n", "\n"))

    schema = {"enum": [f"is #{n}" for n in range(len(items))]} if choices else None
    maps = Maps(reply)
    values, left = asyncio.run(maps.ask(items, schema))
    assert sorted([*values, *left]) == list(range(len(items)))
    assert all(left.values())
    if choices:
        assert values == {index: f"is #{index}" for index in values}
