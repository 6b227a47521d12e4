"""What is rehearsed before workers are forked leaves no trace, and the workers share what came of it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import gc, json, linecache, os, resource, signal, sys, threading
from rlm_integrations.sandboxes.process_worker.rehearsal import rehearse

def state():
    streams = [id(getattr(sys, name)) for name in
               ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")]
    limits = [resource.getrlimit(limit) for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    return [id(sys.modules["__main__"]), sorted(sys.modules), streams, limits, sorted(linecache.cache),
            sorted(os.listdir("/proc/self/fd")), threading.active_count(), repr(signal.getsignal(signal.SIGINT)),
            sorted(vars(sys.modules["__main__"])), sys.getrecursionlimit()]

before = None
before = state()
rehearse()
print(json.dumps([before, state()]))
"""


def test_a_rehearsal_leaves_the_interpreter_as_it_was() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert run.stderr == ""
    before, after = json.loads(run.stdout)
    assert after == before


async def test_a_first_session_finds_nothing_of_it(open_session):
    session = await open_session("text")
    code = "import linecache\nsteps = [name for name in linecache.cache if 'step' in name]\n"
    found = await session.value(code + "print(steps, SHOW_VARS(), 'n' in globals())")
    assert found == "['<step 1 block 1>'] steps: list[str] 1 False"


async def test_an_idle_repl_takes_little_memory_of_its_own(open_session):
    """200 of them are to fit into 600 MB."""
    if os.getuid() != 0:
        pytest.skip("only root may look at the memory of a process that is not dumpable")
    if resource.getpagesize() != 4096:
        pytest.skip("larger pages are copied whole")
    session = await open_session("text")
    lines = Path(f"/proc/{session.repl.pid}/smaps_rollup").read_text().splitlines()
    private = sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    assert 0 < private < 3_200, f"{private:,} KiB"
