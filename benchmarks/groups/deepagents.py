"""A backend of Deep Agents, its local one, beside the process sandbox: it runs commands here, so without a network."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec

from benchmarks.groups.sandboxes import (
    PROCESS,
    STEPS,
    Measure,
    a_batch,
    a_host_call,
    a_step,
    beside,
    one_turn,
    open_and_close,
)
from benchmarks.registry import Group, Scale
from benchmarks.repeats import median_of
from benchmarks.row import Row, not_measured
from rlm_integrations import ProcessSandbox
from rlm_integrations.core.sandbox import Sandbox

CALLS = 20
NO_DEEPAGENTS = [
    not_measured("a backend of Deep Agents", 'deepagents is not installed; run: pip install ".[deepagents]"')
]


def local_backend(scale: Scale) -> list[Row]:
    if find_spec("deepagents") is None:
        return NO_DEEPAGENTS
    measures: dict[str, tuple[Measure, int, float | None]] = {
        "a run of one turn, warm": (one_turn, 7, None),
        "a step, `x = 1`": (partial(a_step, steps=scale.of(STEPS, 2)), 7, 25),
        "a host call, one by one, 1 KB": (partial(a_host_call, calls=scale.of(CALLS, 2)), 5, 25),
        f"a batch of {CALLS}": (partial(a_batch, calls=scale.of(CALLS, 2)), 9, 80),
        "the next open of a backend, and its close": (open_and_close, 9, 200),
    }
    with _new_backend() as sandbox, asyncio.Runner() as loop:
        rows = [_first_open(loop, scale)]
        rows += [
            beside(loop, f"Deep Agents: {what}", measure, sandbox, scale.of(times, 1), bound)
            for what, (measure, times, bound) in measures.items()
        ]
    return rows


@contextmanager
def _new_backend() -> Iterator[Sandbox]:
    """One that the worker was not uploaded to yet."""
    from deepagents.backends import LocalShellBackend

    from rlm_integrations.deepagents import BackendSandbox

    with tempfile.TemporaryDirectory() as folder:
        yield BackendSandbox(LocalShellBackend(folder), python=sys.executable, unconfined=True)


def _first_open(loop: asyncio.Runner, scale: Scale) -> Row:
    async def first() -> float:
        with _new_backend() as sandbox:
            return await open_and_close(sandbox)

    return Row(
        "Deep Agents: the first open of a backend, and its close",
        "ms",
        median_of(lambda: loop.run(first()), scale.of(5, 1)),
        {PROCESS: median_of(lambda: loop.run(open_and_close(ProcessSandbox())), scale.of(5, 1))},
        bound=500,
    )


GROUP = Group("A backend of Deep Agents", (local_backend,))
