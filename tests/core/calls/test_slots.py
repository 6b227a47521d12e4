"""Places for calls: never more than there are, in the order in which they were asked for, and none gets lost."""

from __future__ import annotations

import asyncio
import random

import pytest

from rlm_integrations.core.calls.slots import Slots


async def test_whoever_waits_longest_is_next_and_nobody_comes_between() -> None:
    slots, order = Slots(1), list[int]()

    async def wait(number: int) -> None:
        await slots.wait()
        order.append(number)

    assert slots.take_free()
    waiting = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    slots.give_back()
    assert not slots.take_free(), "it is the first one's, though that does not run yet"
    for task in waiting:
        await task
        slots.give_back()
    assert order == [0, 1, 2]
    assert slots.take_free()


async def test_one_that_is_given_up_as_its_place_comes_hands_it_on() -> None:
    slots = Slots(1)
    assert slots.take_free()
    given_up, next_one = asyncio.create_task(slots.wait()), asyncio.create_task(slots.wait())
    await asyncio.sleep(0)
    slots.give_back()
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    await next_one


@pytest.mark.parametrize("seed", range(20))
async def test_under_any_cancellations_never_more_than_there_are_and_all_come_back(seed: int) -> None:
    chance, slots, held, most = random.Random(seed), Slots(3), 0, 0

    async def hold() -> None:
        nonlocal held, most
        if not slots.take_free():
            await slots.wait()
        held += 1
        most = max(most, held)
        try:
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        finally:
            held -= 1
            slots.give_back()

    tasks = [asyncio.create_task(hold()) for _ in range(60)]
    while not all(task.done() for task in tasks):
        if chance.random() < 0.5:
            chance.choice(tasks).cancel()
        await asyncio.sleep(0)
    assert most == 3
    assert [slots.take_free() for _ in range(4)] == [True, True, True, False]
