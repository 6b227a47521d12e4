"""Collects the traces of runs where their results do not come through: below a parser, within a tool, in a batch."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from rlm_integrations.core.trace.records import RLMTrace


@dataclass(slots=True)
class _Collector:
    traces: list[RLMTrace] = field(default_factory=list[RLMTrace])
    open: bool = True


_collectors: ContextVar[tuple[_Collector, ...]] = ContextVar("rlm_trace_collectors", default=())


@contextmanager
def collect_rlm_traces() -> Generator[list[RLMTrace]]:
    """The full traces of all runs that end within the block, in the order in which they end.

        with collect_rlm_traces() as traces:
            (rlm | StrOutputParser()).invoke("Which contracts end in 2027?")
        traces[0].iterations

    Failed and cancelled runs have one too (`.error` says why), and so has a run within a tool of another;
    blocks may be nested. It reaches wherever context variables do: tasks, `asyncio.to_thread`, batches of
    LangChain and LlamaIndex. A bare `Thread` or `loop.run_in_executor` starts without them: give it
    `contextvars.copy_context().run`.
    """
    collector = _Collector()
    _collectors.set((*_collectors.get(), collector))
    try:
        yield collector.traces
    finally:
        collector.open = False  # a task that was begun in the block, and outlives it, keeps nothing alive
        # not reset(token): a fixture or a generator may be left in another context than it was entered in
        _collectors.set(tuple(each for each in _collectors.get() if each is not collector))


def collect(trace: RLMTrace) -> None:
    """Hand the trace of a run that has ended to the blocks that it ended in."""
    for collector in _collectors.get():
        if collector.open:
            collector.traces.append(trace)
