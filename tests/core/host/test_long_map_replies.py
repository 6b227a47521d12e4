"""A reply to a pack that is longer than any model writes: no value is looked for in it, and it is kept."""

from __future__ import annotations

from .maps import Maps, entries, upper


async def test_the_items_of_a_reply_that_no_model_writes_are_asked_again_and_the_reply_is_kept() -> None:
    maps = Maps(lambda prompt: upper(prompt) + "\n" + "x" * (0 if "asked before" in prompt else 600_000))
    values, left = await maps.ask(["a", "b"])
    assert (values, left) == ({0: "A", 1: "B"}, {})
    assert len(entries(maps.prompts[1])) == 2
    assert "characters, and at most 600,000 are read (ask for less at once" in maps.prompts[1]
    assert [len(each.call.reply or "") > 600_000 for each in maps.ended] == [True, False]


async def test_a_lone_reply_that_is_too_long_for_a_value_says_how_long_it_may_be() -> None:
    maps = Maps(lambda prompt: "5" * 200_001)
    _, left = await maps.ask(["a"], {"type": "integer"}, kind="query")
    assert left[0].startswith("the reply has 200,001 characters, and at most 200,000 are read; say less")
