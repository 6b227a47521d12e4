"""What failed is asked again: rounds, failures and budgets."""

from __future__ import annotations

import pytest

from rlm_integrations.core.calls.budget import BudgetError
from rlm_integrations.core.host.answers import RefusedCallError
from rlm_integrations.testing.scripted_model import Reply

from .maps import Maps, entries, upper


async def test_only_what_failed_is_asked_again_in_smaller_packs() -> None:
    def reply(prompt: str) -> str:
        asked = entries(prompt)
        if not asked[0][0]:
            return asked[0][1].upper()
        return "\n".join(f"[{mark}] {text.upper()}" for n, (mark, text) in enumerate(asked) if n % 3)

    maps = Maps(reply)
    values, left = await maps.ask([f"i{n}" for n in range(100)])
    assert values == {n: f"I{n}" for n in range(100)}
    assert left == {}
    assert [len(entries(prompt)) for prompt in maps.prompts] == [50, 50, 12, 12, 10, 4, 4, 4, 1, 1, 1, 1, 1, 1]
    assert {event.call.batch for event in maps.ended} == {1, 2, 3, 4}


async def test_a_model_that_copies_no_marks_is_asked_one_by_one() -> None:
    """After a few showed that it helps."""
    maps = Maps(lambda prompt: upper(prompt) if not entries(prompt)[0][0] else "I cannot do that.")
    values, left = await maps.ask([f"i{n}" for n in range(20)])
    assert values == {n: f"I{n}" for n in range(20)}
    assert left == {}
    assert [len(entries(prompt)) for prompt in maps.prompts] == [20, *[1] * 20]


async def test_what_nothing_helps_is_not_asked_for_ever() -> None:
    maps = Maps(lambda prompt: "no idea")
    values, left = await maps.ask([f"i{n}" for n in range(200)], {"type": "integer"})
    assert values == {}
    assert len(left) == 200
    assert len(maps.prompts) == 4 + 5


async def test_items_of_a_failed_call_are_asked_again_and_the_others_kept() -> None:
    failed: list[str] = []

    def reply(prompt: str) -> Reply:
        if "i99" in prompt and not failed:
            failed.append(prompt)
            raise ConnectionError("gone")
        return upper(prompt)

    maps = Maps(reply)
    values, left = await maps.ask([f"i{n}" for n in range(100)])
    assert len(values) == 100
    assert left == {}
    assert [len(entries(prompt)) for prompt in maps.prompts] == [50, 50, 13, 13, 13, 11]


async def test_where_all_calls_fail_each_item_says_why() -> None:
    def reply(prompt: str) -> str:
        raise ConnectionError("gone")

    maps = Maps(reply)
    assert await maps.ask(["a", "b"]) == ({}, dict.fromkeys((0, 1), "ConnectionError: gone"))


async def test_a_budget_without_room_is_refused_before_anything_is_sent() -> None:
    maps = Maps(upper, max_sub_calls=3)
    with pytest.raises(BudgetError, match="4 sub-calls asked for, 3 left; nothing was sent"):
        await maps.ask([f"i{n}" for n in range(200)])
    with pytest.raises(BudgetError, match="200 sub-calls asked for, 3 left; nothing was sent"):
        await maps.ask(["x"] * 10_000)
    assert maps.prompts == []


async def test_a_budget_that_ends_between_rounds_loses_nothing_and_does_not_end_the_run() -> None:
    maps = Maps(lambda prompt: f"[{entries(prompt)[0][0]}] first", max_sub_calls=1)
    values, left = await maps.ask(["a", "b"])
    assert values == {0: "first"}
    assert left == {1: "no reply for this item; 1 sub-call to ask again, 0 left"}
    assert maps.budget.limit_met() is None


async def test_a_limit_amid_a_map_keeps_what_was_paid_for() -> None:
    maps = Maps(upper, max_total_tokens=1_000, max_concurrency=1)
    values, left = await maps.ask([f"item {n}" for n in range(200)])
    assert len(values) in (50, 100, 150)
    assert sorted([*values, *left]) == list(range(200))
    assert "the run has reached the limit of 1,000 tokens" in left[199]
    assert maps.budget.sub_calls_left == 1_000 - len(maps.prompts)


async def test_an_item_that_is_too_long_is_named() -> None:
    maps = Maps(upper)
    with pytest.raises(
        RefusedCallError, match=r"item 1 has 9,900 characters; 7,\d\d\d fit beside the instruction; noth"
    ):
        await maps.ask(["a", "x" * 9_900])
    assert maps.prompts == []


async def test_a_query_with_a_schema_is_asked_three_times_at_most() -> None:
    replies = iter(["no idea", "Well:\n```json\n{'year': 1999}\n```", "none"])
    maps = Maps(lambda prompt: next(replies))
    assert await maps.ask(["When?\n\nText."], {"type": "object", "required": ["year"]}, kind="query") == (
        {0: {"year": 1999}},
        {},
    )
    assert maps.prompts == [
        "When?\n\nText.\n\nThe reply is one JSON value that fits this schema, on one line: "
        '{"type": "object", "required": ["year"]}.',
        f"{maps.prompts[0]}\n\nWhat you replied before was not taken: the reply 'no idea' does not fit: it is no JSON",
    ]
    hopeless = Maps(lambda prompt: "no idea")
    assert (await hopeless.ask(["When?"], {"type": "integer"}, kind="query"))[0] == {}
    assert len(hopeless.prompts) == 3
