"""What is rehearsed before workers are forked leaves no trace, and the workers share what came of it."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import rlm_integrations
from rlm_integrations.sandboxes.process_worker.gathered_code import code_that_runs, gather_code

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


FORK = """
import os, sys
package = sys.modules["rlm_integrations"] = type(sys)("rlm_integrations")
package.__path__ = [sys.argv[1]]
from rlm_integrations.sandboxes.process_worker.fork_hooks import leave_out_fork_hooks, take_fork_hooks
leave_out_fork_hooks()
import logging, random, threading
take_fork_hooks()
told = []
os.register_at_fork(after_in_child=lambda: told.append("of a fork"))
random.seed(7)
locks = threading._active_limbo_lock
if (child := os.fork()) == 0:
    logging.getLogger().warning("said")
    thread = threading.Thread(target=told.append, args=("in a thread",))
    thread.start()
    thread.join()
    print(random.random(), locks is threading._active_limbo_lock, threading.current_thread().name, told, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(random.random(), file=sys.stderr)
"""


def test_modules_of_the_standard_library_work_in_a_fork_that_they_are_not_told_of():
    as_a_helper = [sys.executable, "-I", "-S", "-c", FORK, Path(rlm_integrations.__file__).parent]
    ended = subprocess.run(as_a_helper, capture_output=True, text=True, timeout=60)
    shared = random.Random(7).random()
    assert ended.stdout == f"{shared} True MainThread ['of a fork', 'in a thread']\n"
    assert ended.stderr == f"said\n{shared}\n"


async def test_each_repl_draws_chance_of_its_own(open_repl):
    drawn = [await (await open_repl("text")).value("import random\nrandom.random()") for _ in range(3)]
    assert len({*drawn}) == 3


def test_gathered_code_does_what_it_did() -> None:
    def greet(name: str = "you", *, times: int = 1) -> list[str]:
        """Say it."""
        return [f"{word} {name}" for word in words for _ in range(times)]

    words, before = ["Hello"], greet.__code__
    ran = code_that_runs(lambda: words.extend(greet()))
    assert {code.co_name for code in ran.values()} >= {"greet"}
    assert sys.getprofile() is None
    gather_code(ran, modules=())
    assert greet.__code__ is not before
    assert greet.__code__ == before
    words = ["Bye"]
    assert greet("me", times=2) == ["Bye me"] * 2
    assert greet.__doc__ == "Say it."
    with pytest.raises(TypeError, match="unexpected keyword argument 'often'"):
        greet(often=1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


async def test_a_first_repl_finds_nothing_of_it(open_repl):
    live = await open_repl("text")
    code = "import linecache\nsteps = [name for name in linecache.cache if 'step' in name]\n"
    found = await live.value(code + "print(steps, SHOW_VARS(), 'n' in globals())")
    assert found == "['<step 1 block 1>'] steps: list[str] 1 False"


async def test_an_idle_repl_takes_little_memory_of_its_own(open_repl):
    """200 of them are to fit into 600 MB, and 40 over a text of 1 GB into 1,200."""
    if os.getuid() != 0:
        pytest.skip("only root may look at the memory of a process that is not dumpable")
    if resource.getpagesize() != 4096:
        pytest.skip("larger pages are copied whole")
    live = await open_repl("text")
    lines = Path(f"/proc/{live.repl.pid}/smaps_rollup").read_text().splitlines()
    private = sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    assert 0 < private < 2_700, f"{private:,} KiB"
