"""A long message whose last piece is short costs the host as much as one that comes at once, and is charged so."""

from __future__ import annotations

import asyncio

from rlm_integrations.sandboxes.channel.frames import MAX_VALUES, encode
from rlm_integrations.wire.calls import HostCall
from rlm_integrations.wire.steps import ReplLost

TIMES = 1_000


async def test_the_step_pays_for_what_a_short_read_completes(open_repl):
    asked = asyncio.Event()

    def never(call: HostCall) -> None:
        asked.set()

    live = await open_repl(answer=never, step_timeout_s=0.2)
    frame = encode({"t": "output", "text": "", "values": [[]] * (MAX_VALUES // 2 - 10)})
    step = asyncio.create_task(live.run("llm_query('never answered')"))
    await asked.wait()
    for _ in range(TIMES):  # as code can send it that waits until the first piece is read
        live.repl._read(frame[:-10])
        live.repl._read(frame[-10:])
    async with asyncio.timeout(20):
        end = await step
    assert "it used 0.2 s of CPU time" in (end.reason if isinstance(end, ReplLost) else end.error.message)
