"""What is unresolved is kept until it is settled."""

from __future__ import annotations

from rlm_integrations.wire.calls import MapLeft
from rlm_integrations.wire.typed_maps import MapItem, write_items

from .maps import Maps


async def test_what_is_unresolved_is_kept_until_it_is_settled() -> None:
    maps = Maps(lambda prompt: "7" if "seven" in prompt else "no idea")
    await maps.ask(["a", "b"], {"type": "integer"}, instruction="Count\nthem.")
    (open_,) = maps.open.unresolved()
    assert (open_.function, open_.instruction, open_.of, open_.new) == ("llm_map", "Count them.", 2, True)
    assert [name for name, _ in open_.left] == ["0", "1"]
    maps.open.begin_step()
    assert [each.new for each in maps.open.unresolved()] == [False]

    found = await maps.ask([MapItem(1, "seven", "why not")], {"type": "integer"}, map_id=maps.last_id)
    assert found == ({1: 7}, {})
    assert [each.left for each in maps.open.unresolved()] == [
        (("0", "the reply 'no idea' does not fit: it is no JSON"),)
    ]

    await maps.maps.set_left(MapLeft(maps.last_id, write_items([MapItem(1, why="checked", label="(0, 2)")])))
    assert [each.left for each in maps.open.unresolved()] == [(("(0, 2)", "checked"),)]
    await maps.maps.set_left(MapLeft(maps.last_id, write_items([])))
    assert maps.open.unresolved() == ()


async def test_all_maps_can_be_dropped_at_once_and_maps_of_before_are_no_matter() -> None:
    maps = Maps(lambda prompt: "no idea")
    for _ in range(2):
        await maps.ask(["a"], {"type": "integer"})
    assert len(maps.open.unresolved()) == 2
    await maps.maps.set_left(MapLeft(0, write_items([])))
    assert maps.open.unresolved() == ()
    await maps.maps.set_left(MapLeft(1 << 40, write_items([MapItem(0, why="of another question")])))
    await maps.ask(["a"], {"type": "integer"}, map_id=1 << 40)
    assert maps.open.unresolved() == ()


async def test_a_step_that_is_over_sends_nothing_more() -> None:
    def reply(prompt: str) -> str:
        maps.budget.release(maps.step.end())
        return "no idea"

    maps = Maps(reply, max_concurrency=1)
    values, left = await maps.ask([f"i{n}" for n in range(200)], {"type": "integer"})
    assert values == {}
    assert "the step of this call is over" in left[199]
    assert len(maps.prompts) == 1
    assert maps.budget.sub_calls_left == 999
