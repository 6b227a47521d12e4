"""One async client for each event loop, closed with its loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable

from openai import AsyncOpenAI

from rlm_integrations.frozen import frozen


@frozen
class _Open:
    client: AsyncOpenAI
    closer: AsyncGenerator[None, None]
    """A generator begun on the client's loop that closes the client at its end. A loop ends the generators
    that were begun on it when it shuts down, and when they are garbage-collected."""


class LoopClients:
    """An async client's connections belong to the loop that opened them: used from another, calls get lost."""

    def __init__(self, make: Callable[[], AsyncOpenAI]) -> None:
        self._make = make
        self._open: dict[asyncio.AbstractEventLoop, _Open] = {}
        self._lock = threading.Lock()

    async def of_this_loop(self) -> AsyncOpenAI:
        loop = asyncio.get_running_loop()
        with self._lock:
            held = self._open.get(loop)
            if held is not None:
                return held.client
            # Other loops' entries would keep those loops alive after their end.
            self._open = {other: kept for other, kept in self._open.items() if not other.is_closed()}
            client = self._make()
            held = self._open[loop] = _Open(client, _closing(client))
        await anext(held.closer)
        return client


async def _closing(client: AsyncOpenAI) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await client.close()
