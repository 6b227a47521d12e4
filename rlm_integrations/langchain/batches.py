"""Batches of runs: few at once, and none that goes on when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ContextThreadPoolExecutor, get_config_list

from rlm_integrations.core.calls.end_together import end_together
from rlm_integrations.core.calls.foreign_code import carrying_interrupts, delivering_interrupts
from rlm_integrations.core.calls.sync_bridge import given_up_together, seen_through
from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.journal.samples import sample
from rlm_integrations.langchain.named_runs import samples

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")

BATCH_CONCURRENCY = 8
"""Runs that a batch has open at once where the config sets no `max_concurrency`: each has a process of its own."""
_GLANCE_S = 0.1
"""Seconds of one wait for runs: between two, Python handles signals."""
_LAST_S = 5.0
"""Seconds that the runs of a batch that was given up have to end, where a further signal wants out of the wait."""


class BoundedBatches(Runnable[InputT, OutputT]):
    """The batch methods of a runnable whose runs are large.

    Each has at most `max_concurrency` of the config open at once, or 8. Where a batch ends early (one run failed,
    its consumer stopped, a signal handler raised) the runs that are still open are ended, and what is raised has in
    `.results` what came of each input: its output, the exception that ended it, None where it had not begun.
    With a journal, equal inputs are samples of their own: the third of five stays the third when the batch is made
    again.
    """

    def batch(
        self,
        inputs: list[InputT],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[OutputT]:
        """Answer all, in threads.

        Args:
            inputs: What `invoke` takes, many times.
            config: One for all, or one for each. The first one's `max_concurrency` holds for the batch; 8 without.
            return_exceptions: Whether an input that failed has its exception in place of an output.
            **kwargs: Handed on to each `invoke`.

        Returns:
            The outputs, in the order of the inputs.
        """
        answers = dict(self.batch_as_completed(inputs, config, return_exceptions=return_exceptions, **kwargs))
        return [cast(OutputT, answers[place]) for place in range(len(inputs))]

    def batch_as_completed(
        self,
        inputs: Sequence[InputT],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Any]]:
        """As `batch`, but yields each output with the place of its input as soon as it is there."""

        def answer(place: int) -> tuple[int, Any]:
            with runs.one(), _kept(ended, place, as_output=return_exceptions), sample(numbers[place]):
                ended[place] = self.invoke(inputs[place], configs[place], **kwargs)
            return place, ended[place]

        runs = _Runs()
        ended: dict[int, Any] = {}
        configs = get_config_list(config, len(inputs))
        numbers = samples(inputs, configs, journal=self._has_journal())
        if len(inputs) == 1:
            yield answer(0)
        if len(inputs) <= 1:
            return
        with _handing_back(ended, len(inputs)), ContextThreadPoolExecutor(_at_once(configs)) as executor:
            open_runs: set[Future[tuple[int, Any]]] = set()
            try:
                with given_up_together(runs.given_up):
                    for place in range(len(inputs)):
                        open_runs.add(executor.submit(answer, place))
                while open_runs:
                    done, open_runs = wait(open_runs, _GLANCE_S, FIRST_COMPLETED)
                    while done:
                        yield done.pop().result()
            except BaseException as end:
                latest = seen_through(partial(runs.give_up, executor), end)
                if latest is end:
                    raise
                raise latest from end

    async def abatch(
        self,
        inputs: list[InputT],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[OutputT]:
        """As `batch`, on the caller's event loop."""
        completed = self.abatch_as_completed(inputs, config, return_exceptions=return_exceptions, **kwargs)
        answers = {place: answer async for place, answer in completed}
        return [cast(OutputT, answers[place]) for place in range(len(inputs))]

    async def abatch_as_completed(
        self,
        inputs: Sequence[InputT],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> AsyncIterator[tuple[int, Any]]:
        """As `batch_as_completed`, on the caller's event loop."""

        async def answer(place: int) -> tuple[int, Any]:
            async with slots:
                kept = _kept(ended, place, as_output=return_exceptions)
                with carrying_interrupts(), kept, sample(numbers[place]):
                    ended[place] = await self.ainvoke(inputs[place], configs[place], **kwargs)
                return place, ended[place]

        ended: dict[int, Any] = {}
        configs = get_config_list(config, len(inputs))
        number = partial(samples, inputs, configs, journal=self._has_journal())
        numbers = await in_thread(number) if self._has_journal() else number()
        slots = asyncio.Semaphore(_at_once(configs))
        runs = [asyncio.create_task(answer(place)) for place in range(len(inputs))]
        with _handing_back(ended, len(inputs)), delivering_interrupts():
            try:
                for run in asyncio.as_completed(runs):
                    yield await run
            finally:
                await end_together(runs)

    def _has_journal(self) -> bool:
        return cast(Any, self).journal is not None


class _Runs:
    """Those of a batch. None begins once they are given up, and those that have begun can be waited for.

    An executor does not wait for a thread amid whose start a signal handler raised.
    """

    def __init__(self) -> None:
        self.given_up = threading.Event()
        self._ended = threading.Condition()
        self._open = 0
        self._last_moment: float | None = None

    @contextmanager
    def one(self) -> Generator[None]:
        with self._ended:
            if self.given_up.is_set():
                raise CancelledError("the batch was given up")
            self._open += 1
        try:
            yield
        finally:
            with self._ended:
                self._open -= 1
                self._ended.notify_all()

    def give_up(self, executor: ContextThreadPoolExecutor) -> None:
        """Wait until they have ended; asked again, since a signal came meanwhile, no longer than `_LAST_S` in all."""
        self.given_up.set()
        executor.shutdown(wait=False, cancel_futures=True)
        last_moment, self._last_moment = self._last_moment, self._last_moment or time.monotonic() + _LAST_S
        with self._ended:
            left = None if last_moment is None else max(0.0, last_moment - time.monotonic())
            self._ended.wait_for(lambda: not self._open, left)


@contextmanager
def _kept(ended: dict[int, Any], place: int, *, as_output: bool) -> Generator[None]:
    """What ends the run at that place stands there, and is raised unless it is an Exception that is its output."""
    try:
        yield
    except BaseException as error:
        ended[place] = error
        if not (as_output and isinstance(error, Exception)):
            raise


@contextmanager
def _handing_back(ended: Mapping[int, Any], inputs: int) -> Generator[None]:
    """What ends the batch has what came of each input by then."""
    try:
        yield
    except GeneratorExit:  # the consumer has had enough
        raise
    except BaseException as end:
        vars(end)["results"] = [ended.get(place) for place in range(inputs)]
        raise


def _at_once(configs: Sequence[RunnableConfig]) -> int:
    return (configs[0].get("max_concurrency") if configs else None) or BATCH_CONCURRENCY
