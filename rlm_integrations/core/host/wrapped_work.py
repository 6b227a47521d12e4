"""Work of a run within a function of the user's: `around_step`, `around_child`, `around_sub_call`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from rlm_integrations.core.calls.foreign_code import contained
from rlm_integrations.core.trace.ends_run import EndsRunError, boundary
from rlm_integrations.core.trace.run_errors import RunError

T = TypeVar("T")
_Execute = Callable[[], Awaitable[str]]

AroundStep = Callable[[int, str, _Execute], Awaitable[str]]
"""(iteration, code, execute) -> observation. Must await execute() once and return what it returned."""

AroundChild = Callable[[str, _Execute], Awaitable[str]]
"""(prompt, execute) -> answer of a child RLM. Must await execute() once and return what it returned."""

AroundSubCall = Callable[[str, _Execute], Awaitable[str]]
"""(prompt, execute) -> reply of a sub-LM that has tools. Must await execute() once and return what it returned."""


async def wrapped(
    argument: str,
    around: Callable[..., Awaitable[str]] | None,
    given: tuple[object, ...],
    work: Callable[[], Awaitable[T]],
    shown: Callable[[T], str],
) -> T:
    """What the work comes to, done where `around(*given, execute)` awaits execute(), which returns what `shown` says.

    What the work raises is raised as it is, whatever `around` makes of it. Raises RunError, which names the argument,
    where `around` itself raises, or does not await execute() exactly once.
    """
    if around is None:
        return await work()
    once = _Once(argument, work, shown)
    try:
        try:
            with boundary(argument):
                await contained(around(*given, once.execute))
        except EndsRunError:
            raise
        except Exception:
            if once.failure is None:
                raise
        return once.outcome()
    finally:
        once.failure = None  # its traceback holds this frame


class _Once(Generic[T]):
    def __init__(self, argument: str, work: Callable[[], Awaitable[T]], shown: Callable[[T], str]) -> None:
        self._argument, self._work, self._shown = argument, work, shown
        self._begun = False
        self._results: list[T] = []
        """What it came to, where it did."""
        self.failure: BaseException | None = None

    async def execute(self) -> str:
        if self._begun:
            raise RunError(f"{self._argument}: it awaited execute() twice; what it wraps is done once")
        self._begun = True
        try:
            self._results.append(await self._work())
        except BaseException as error:  # no fault of the function around it
            self.failure = error
            raise
        return self._shown(self._results[0])

    def outcome(self) -> T:
        if self.failure is not None:
            raise self.failure
        if not self._results:
            raise RunError(f"{self._argument}: returned without awaiting execute()")
        return self._results[0]
