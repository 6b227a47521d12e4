"""The host's watch over its workers: what it looks at, and that it needs no event loop to turn."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import sys
import warnings

import pytest

from rlm_integrations.sandboxes.process import repl as repl_module
from rlm_integrations.sandboxes.process.watch import Watch, watch
from rlm_integrations.wire.steps import ReplLost


class Counting:
    def __init__(self) -> None:
        self.looks = 0

    def look(self) -> None:
        self.looks += 1


async def test_who_is_added_is_looked_at_until_it_is_discarded(until):
    own, first, second = Watch(), Counting(), Counting()
    for each in (first, second):
        own.add(each)
    await until(lambda: first.looks > 1 and second.looks > 1)
    own.discard(first)
    looks = first.looks
    assert own.look()
    assert first.looks == looks
    own.discard(second)
    assert not own.look()
    own.add(second)
    looks = second.looks
    await until(lambda: second.looks > looks)
    own.discard(second)


def test_it_keeps_nobody_alive():
    own, each = Watch(), Counting()
    own.add(each)
    del each
    gc.collect()
    own.look()
    assert not own.look()


def test_a_fork_of_the_host_has_a_watch_of_its_own():
    each = Counting()
    watch.add(each)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks with threads, from Python 3.12 on
        child = os.fork()
    if child == 0:
        done = 1
        try:
            empty = not watch.look()
            watch.add(each)
            done = 0 if empty and watch.look() and each.looks else 1
        finally:
            os._exit(done)
    watch.discard(each)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


KEPT_LOOPS = {
    "threads": (
        "import ctypes\nlibc = ctypes.CDLL(None)\nsleep = ctypes.cast(libc.sleep, ctypes.c_void_p)\n"
        "thread = ctypes.c_ulong()\n"
        "for i in range(100): libc.pthread_create(ctypes.byref(thread), None, sleep, ctypes.c_void_p(1000))\n"
        "while True: libc.sleep(1)",
        "it started more than 64 threads",
    ),
    "time": ("import itertools\nsum(itertools.repeat(1))", "it could not be interrupted"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="the process sandbox is Linux's")
@pytest.mark.parametrize("bound", KEPT_LOOPS)
async def test_bounds_hold_while_other_code_keeps_the_loop(open_repl, monkeypatch, bound):
    monkeypatch.setattr(repl_module, "INTERRUPT_GRACE_S", 0.1)
    code, words = KEPT_LOOPS[bound]
    live = await open_repl(step_timeout_s=0.2 if bound == "time" else 20.0, memory_mb=2048)
    step = asyncio.ensure_future(live.run(code))
    await asyncio.sleep(0)  # it has begun
    ended, _, _ = select.select([live.repl._worker.pidfd], [], [], 10)  # the loop does not turn meanwhile
    assert ended, "nobody has ended the process"
    lost = await step
    assert isinstance(lost, ReplLost)
    assert words in lost.reason
