"""The one account of a run: each event is recorded, then told to the user, in the order in which they happen."""

from __future__ import annotations

import asyncio
import inspect
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from itertools import count

from rlm_integrations.core.calls.callers_thread import ask_caller
from rlm_integrations.core.calls.foreign_code import contained
from rlm_integrations.core.run.plan import OnEvent, RunPlan
from rlm_integrations.core.trace.ends_run import EndsRunError, boundary
from rlm_integrations.core.trace.events import (
    CheckEnded,
    CodeEnded,
    Event,
    FoldEnded,
    HostCallEnded,
    SubCallEnded,
    Warned,
)
from rlm_integrations.core.trace.recorder import Recorder
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.trace.watching import Watchers

_numbers = count(1)
LAST_WORDS_S = 0.5
"""Seconds that the user's async handler has for what it is told of a run that failed or was cancelled."""


class Account:
    """The events and the trace of one run, and its clock."""

    def __init__(self, question: str, plan: RunPlan, watchers: Watchers, *, sync: bool) -> None:
        self._began = time.monotonic()
        self._number = next(_numbers)
        self._recorder = Recorder(question, plan.limits, plan.attempt)
        self._watchers = watchers
        self._on_event = plan.on_event
        self._sync = sync
        self._closed = False
        self._warned: set[str] = set()

    @property
    def closed(self) -> bool:
        """Whether the last event has been recorded."""
        return self._closed

    @property
    def is_heard(self) -> bool:
        """Whether anybody but the trace is told of events."""
        return self._on_event is not None or bool(self._watchers.watches)

    @property
    def trace(self) -> RLMTrace:
        return self._recorder.trace

    def trace_of(self, node: tuple[int, ...]) -> RLMTrace:
        """The trace of one RLM of the run, as far as it has come."""
        return self._recorder.of(node)

    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._began

    def take_over(self, trace: RLMTrace) -> None:
        """Go on from that of a run that has ended, as far as it had come then."""
        self._recorder.take_over(trace)

    async def emit(self, event: Event, node: tuple[int, ...] = ()) -> None:
        """Record the event, as of now, and tell the user. Raises RunError where the user's handler raised.

        After the last event nothing is recorded any more, and of each kind of warning the first alone.
        """
        if self._closed:
            return
        if isinstance(event, Warned):
            told = event.message if event.kind == "replay_diverged" else event.kind
            if told in self._warned:
                return
            self._warned.add(told)
            with suppress(Warning):  # a filter that makes errors of warnings must not end a run that goes well
                warnings.warn(event.message, RuntimeWarning, stacklevel=2)
        event.happened(time.monotonic() - self._began, node, self._number)
        self._recorder.record(event)
        if self._watchers.watches:
            self._watchers.see(event)
        if self._on_event is not None:
            await _tell(self._on_event, event, sync=self._sync)

    async def end(self, last: Event) -> None:
        """Record what is still open as cut off, then the last event. Raises as `emit` does.

        The trace is complete when this begins to tell the user of it.
        """
        last.happened(self.seconds(), (), self._number)
        ends = [*self._recorder.cut_off(last.at), last]
        for event in ends:
            self._recorder.record(event)
        self._closed = True
        for event in ends:
            self._watchers.see(event)
        if self._on_event is not None:
            for event in ends:
                await _tell(self._on_event, event, sync=self._sync)

    async def end_badly(self, last: Event, cause: BaseException) -> None:
        """The same for a run that ends with `cause`. A handler that raises, or hangs, changes nothing of that."""
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await self.end(last)
        except Exception as error:
            cause.add_note(f"{error}")


async def _tell(on_event: OnEvent, event: Event, *, sync: bool) -> None:
    with boundary("on_event", known=(EndsRunError,)):
        await contained(tell(on_event, _as_told(event), sync=sync))


def _as_told(event: Event) -> Event:
    """The event with a record of its own: what a handler does to that is nothing to the run and its trace."""
    match event:
        case SubCallEnded(call=call) | HostCallEnded(call=call):
            return replace(event, call=call.model_copy())
        case FoldEnded(fold=fold):
            return replace(event, fold=fold.model_copy())
        case CodeEnded(execution=execution):
            return replace(event, execution=execution.model_copy())
        case CheckEnded(check=check):
            return replace(event, check=check.model_copy())
        case _:
            return event


async def tell(on_event: OnEvent, event: Event, *, sync: bool) -> None:
    """Tell a user's handler. In a sync run one that is not async is called in the thread that waits for the run."""
    elsewhere = sync and not inspect.iscoroutinefunction(on_event)
    told = await ask_caller(lambda: on_event(event), always=True) if elsewhere else on_event(event)
    if inspect.isawaitable(told):
        await told
