"""What an engine has to do: start one pool on a machine, and call its methods."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

SILENCE_S = 12.0
"""Seconds after which a machine is given up that does not answer what is answered at once."""

_LOOK_S = 3.0  # between two looks whether a machine that has long work to do is still there


class MachineLostError(Exception):
    """A pool has ended, or its machine, or it does not answer. The message says which, in words that follow "it"."""


@dataclass(frozen=True)
class Machine:
    """One that can have a pool."""

    id: str
    address: str
    """How people call it."""
    cores: float


class Pool(Protocol):
    """The caller's hold on a `NodePool`. Any thread may call."""

    def submit(self, method: str, *arguments: Any) -> Future[Any]:
        """Call a method, without waiting. Calls may overtake each other.

        The future has what the method returns or raises, or MachineLostError where the engine knows that it is gone.
        It may also never end.
        """
        ...

    def end(self) -> None:
        """End the pool and all its REPLs. Does not wait."""
        ...


class Engine(Protocol):
    """Starts pools. They end with the caller's process, however that ends."""

    @property
    def name(self) -> str:
        """What people call a collection of its machines: "Ray cluster"."""
        ...

    def machines(self) -> list[Machine]:
        """Those where a pool may be started, as far as the engine knows; blocks."""
        ...

    def start_pool(self, machine: Machine, modules: tuple[str, ...]) -> Pool:
        """Begin to start a `NodePool(modules)`; its first answer says whether that went well."""
        ...


async def answer(call: Future[Any], seconds: float = SILENCE_S) -> Any:
    """What a call comes to, or raises. Raises MachineLostError where that is nothing after so many seconds."""
    if not call.done():
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        def wake_from_thread(_: Future[Any]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(wake)

        call.add_done_callback(wake_from_thread)
        timer = loop.call_later(seconds, wake)
        try:
            await woken
        finally:
            timer.cancel()
    if not call.done():  # asked anew: it may have been this loop that did not turn
        raise MachineLostError(f"did not answer for {seconds:g} s")
    return call.result()


def wait_for(pool: Pool, call: Future[Any], seconds: float) -> Any:
    """The same of long work, in a thread: the machine is lost as soon as it gives no sign of life any more."""
    while seconds > 0:
        try:
            return call.result(min(_LOOK_S, seconds))
        except TimeoutError:
            if call.done():  # it is the call that raised it
                raise
        seconds -= _LOOK_S
        try:
            pool.submit("alive").result(SILENCE_S)
        except TimeoutError:
            raise MachineLostError(f"did not answer for {SILENCE_S:g} s") from None
    raise MachineLostError("was not ready in time")
