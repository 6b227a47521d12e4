"""Laws of what a session keeps of its questions, and of the line in which they stand."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.session.in_order import Asking, InOrder
from rlm_integrations.core.session.transcript import Transcript

EXCHANGES = st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 30_000)), max_size=30)


@given(EXCHANGES)
def test_a_transcript_is_bounded_and_ends_with_what_was_said_last(lengths: list[tuple[int, int]]) -> None:
    transcript = Transcript()
    for number, (asked, answered) in enumerate(lengths):
        transcript.add(f"q{number} {'x' * asked}", f"a{number} {'y' * answered}")
    messages = transcript.messages()
    assert sum(len(message.content) for message in messages) <= 20_000
    assert [message.role for message in messages] == ["user", "assistant"] * (len(messages) // 2)
    numbers = [int(message.content.split()[0][1:]) for message in messages[::2]]
    assert all(later == number + 1 for number, later in pairwise(numbers))
    assert numbers[-1:] == [len(lengths) - 1][: len(lengths)]


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_turns_come_in_order_one_at_a_time_whoever_gives_up(gives_up: list[bool]) -> None:
    async def play() -> tuple[list[int], int]:
        line, had, at_once, most = InOrder(), list[int](), 0, 0
        askings = [Asking(line) for _ in gives_up]

        async def ask(number: int) -> None:
            nonlocal at_once, most
            async with askings[number].turn():
                at_once += 1
                most = max(most, at_once)
                await asyncio.sleep(0)
                had.append(number)
                at_once -= 1

        tasks = {n: asyncio.create_task(ask(n)) for n, gone in enumerate(gives_up) if not gone}
        for number, gone in enumerate(gives_up):
            if gone:
                askings[number].give_up()
                askings[number].give_up()
        await asyncio.gather(*tasks.values())
        return had, most

    had, most = asyncio.run(play())
    assert had == [n for n, gone in enumerate(gives_up) if not gone]
    assert most <= 1
