"""Turns of child RLMs: none is ever held twice, lost, or held by one that waits for its children."""

from __future__ import annotations

import asyncio
import random

import pytest

from rlm_integrations.core.run.turns import Turn, Turns


async def _pause(chance: random.Random) -> None:
    for _ in range(chance.randrange(6)):
        await asyncio.sleep(0)


class _Tree:
    """Nodes whose code asks for children from several threads, and which may be left behind. Counts who works."""

    def __init__(self, seed: int, most: int) -> None:
        self.chance, self.turns, self.most = random.Random(seed), Turns(most), most
        self.working = 0

    async def node(self, turn: Turn, depth: int) -> None:
        await turn.begin()
        try:
            for _ in range(self.chance.randrange(1, 3)):
                await turn.begin()
                await self._step(turn, depth)
        finally:
            turn.end()

    async def _step(self, turn: Turn, depth: int) -> None:
        if depth == 3:
            self.working += 1
            assert self.working <= self.most
            try:
                await _pause(self.chance)
            finally:
                self.working -= 1
            return
        children = [asyncio.create_task(self._child(turn, depth)) for _ in range(self.chance.randrange(4))]
        late = self.chance.random() < 0.3
        try:
            await (_pause(self.chance) if late else asyncio.gather(*children))
        finally:  # the step is out of time, or ended with those above it
            for child in children:
                child.cancel()
            await asyncio.gather(*children, return_exceptions=True)

    async def _child(self, turn: Turn, depth: int) -> None:
        await _pause(self.chance)
        async with turn.lent():
            await self.node(turn.of_child(), depth + 1)


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_any_tree_comes_to_its_end_and_gives_all_turns_back(most: int) -> None:
    for seed in range(100):
        tree = _Tree(seed, most)
        async with asyncio.timeout(20):
            await tree.node(Turn(tree.turns, 0), 0)
        for _ in range(most):
            assert tree.turns.ask(1).done(), f"a turn was lost (seed {seed})"
        assert not tree.turns.ask(1).done()


async def test_a_node_whose_threads_ask_in_turn_never_has_two() -> None:
    """The second child is asked for while the node waits for its turn after the first."""
    turns = Turns(1)
    node, other = Turn(turns, 1), Turn(turns, 1)
    first_may_end = asyncio.Event()

    async def child(may_end: asyncio.Event | None = None) -> None:
        async with node.lent():
            turn = node.of_child()
            await turn.begin()
            if may_end is not None:
                await may_end.wait()
            turn.end()

    await node.begin()
    first = asyncio.create_task(child(first_may_end))
    await asyncio.sleep(0)
    other_begins = asyncio.create_task(other.begin())
    await asyncio.sleep(0)
    first_may_end.set()
    await other_begins
    second = asyncio.create_task(child())
    await asyncio.sleep(0)
    other.end()
    await asyncio.wait_for(asyncio.gather(first, second), 20)
    node.end()
    await asyncio.wait_for(other.begin(), 20)
