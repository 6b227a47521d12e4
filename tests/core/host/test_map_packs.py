"""Items of a map are packed into few calls, in a prompt that says what to do."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from .maps import Maps, entries, upper


@given(st.lists(st.text("abc", min_size=1, max_size=120), min_size=1, max_size=150))
@settings(deadline=None)
def test_every_item_gets_its_reply_and_no_prompt_is_too_long(items: list[str]) -> None:
    maps = Maps(upper, max_chars=1_000)
    values, left = asyncio.run(maps.ask(items))
    assert values == {index: item.upper() for index, item in enumerate(items)}
    assert left == {}
    assert all(len(prompt) <= 1_000 for prompt in maps.prompts)
    assert all(len(entries(prompt)) <= 50 for prompt in maps.prompts)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=250))
@settings(deadline=None)
def test_items_are_in_as_few_calls_as_can_be_of_like_size(sizes: list[int]) -> None:
    maps = Maps(upper, max_chars=100_000)
    asyncio.run(maps.ask(["a" * size for size in sizes]))
    sent = [len(entries(prompt)) for prompt in maps.prompts]
    assert len(sent) == -(-len(sizes) // 50)  # all fit by their characters
    assert max(sent) - min(sent) <= len(sent)


async def test_the_prompt_says_what_to_do_and_equal_maps_have_equal_prompts() -> None:
    both = [Maps(upper), Maps(upper)]
    for maps in both:
        await maps.ask(["grass", "sky\nblue"], {"enum": ["green", "blue"]}, instruction="Name the colour.")
    first = both[0].prompts[0]
    (mark, _), (other, _) = entries(first)
    assert first == (
        "Name the colour.\n\nEach reply is one of these, and nothing more: green, blue.\n\nDo this for each of the 2 "
        f"items below. Each item begins with a mark of its own, such as `[{mark}]`. Reply with one line for each item, "
        f"its mark copied and the reply behind it, in the form `[{mark}] reply`, and nothing else. Leave none out.\n\n"
        f"[{mark}] grass\n[{other}] sky\n  blue"
    )
    assert both[0].prompts == both[1].prompts


async def test_a_lone_item_needs_no_mark() -> None:
    maps = Maps(lambda prompt: "**Yes.**")
    assert await maps.ask(["[1-aaaa] x"], {"type": "boolean"}, kind="filter", instruction="It is.") == ({0: True}, {})
    assert maps.prompts == [
        "Does this hold for the item, yes or no? It is.\n\nThe reply is yes or no.\n\n"
        "Do this for the item below. Reply with the reply alone.\n\n[1-aaaa] x"
    ]
