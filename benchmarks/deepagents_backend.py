"""What a step, a host call and an open take in a backend of Deep Agents: its local one, so without a network.

Run it as `python benchmarks/deepagents_backend.py`; it prints the least and the median of some tries, in milliseconds.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

from deepagents.backends import LocalShellBackend

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.deepagents import BackendSandbox
from rlm_integrations.wire.settings import ReplSettings

TRIES, CALLS = 15, 20
SETTINGS = ReplSettings(depth=1, sub_call_chars=10_000, max_output_chars=8_192, step_timeout_s=60.0, memory_mb=256)


async def times(work: Callable[[], Awaitable[Any]]) -> list[float]:
    """Milliseconds."""
    took: list[float] = []
    for _ in range(TRIES):
        began = time.perf_counter()
        await work()
        took.append(1e3 * (time.perf_counter() - began))
    return took


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sandbox = BackendSandbox(LocalShellBackend(folder), python=sys.executable, unconfined=True)
        corpus = Corpus.of("some text")
        began = time.perf_counter()
        repl = await sandbox.open(corpus, SETTINGS)
        print(f"first open {1e3 * (time.perf_counter() - began):.0f}")

        async def open_() -> None:
            await (await sandbox.open(corpus, SETTINGS)).close()

        def step(code: str) -> Callable[[], Awaitable[Any]]:
            return lambda: repl.step([code], lambda call: repl.reply(call.id, "yes"))

        plain = await times(step("1"))
        calls = await times(step(f"for _ in range({CALLS}): llm_query('hi')"))
        batch = await times(step(f"llm_query_batched(['hi'] * {CALLS})"))
        for name, took in {
            "next open and close": await times(open_),
            "step": plain,
            "host call": [each / CALLS for each in calls],
            f"step with {CALLS} calls at once": batch,
        }.items():
            print(f"{name}: least {min(took):.0f}, median {statistics.median(took):.0f}")
        await repl.close()


if __name__ == "__main__":
    asyncio.run(main())
