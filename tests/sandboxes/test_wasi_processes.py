"""Of the WASI sandbox's workers nothing is left behind, and a spare waits for the next REPL."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from pathlib import Path

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.wasi import open_worker
from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox
from rlm_integrations.sandboxes.wasi.spare import spares

pytestmark = pytest.mark.usefixtures("workers_of_their_own")

ENDS = {
    "closed": "1",
    "over its time": "import itertools\nsum(itertools.repeat(0))",
    "a crash": "import os\nos.abort()",
}


@pytest.mark.parametrize("end", ENDS)
async def test_the_worker_ends_and_no_file_stays_open(
    open_wasi, open_files, until_closed, alive, until, end, short_wasi_grace
):
    files = open_files()
    live = await open_wasi(step_timeout_s=0.2)
    pid = live.repl.pid
    await live.run(ENDS[end])
    await live.repl.close()
    spares.end()
    await until(lambda: not alive(pid))
    await until_closed(files)


async def test_a_worker_that_is_killed_is_a_lost_repl(open_wasi):
    live = await open_wasi()
    os.kill(live.repl.pid, signal.SIGKILL)
    assert (await live.death("1")).startswith("it was killed (signal 9)")


async def test_a_loop_closed_over_open_repls_ends_them(settings, open_files, until_closed, alive, until, recwarn):
    files, pids = open_files(), []

    async def leave() -> None:
        for code in ("1 + 1", "llm_query('never answered')"):
            repl = await WasiSandbox().open(Corpus.of("x"), settings())
            pids.append(repl.pid)
            asked = asyncio.Queue()
            step = asyncio.ensure_future(repl.step([code], asked.put_nowait))
            await (step if code == "1 + 1" else asked.get())

    def host() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(leave())
        loop.close()

    thread = threading.Thread(target=host)
    thread.start()
    thread.join()
    gc.collect()
    spares.end()
    assert len(pids) == 2
    await until(lambda: not any(map(alive, pids)))
    await until_closed(files)
    assert not recwarn.list


async def test_a_start_that_is_cancelled_leaves_nothing(settings, children, open_files, until):
    files, processes = open_files(), set(children(os.getpid()))
    for delay in (0, 0.01, 0.05):
        opening = asyncio.ensure_future(WasiSandbox().open(Corpus.of("text"), settings()))
        await asyncio.sleep(delay)
        if not opening.cancel():  # it was faster
            await opening.result().close()
            continue
        with pytest.raises(asyncio.CancelledError):
            await opening

    def all_gone() -> bool:
        spares.end()
        return open_files() <= files and set(children(os.getpid())) <= processes

    await until(all_gone)


PROGRAM = """
import asyncio, sys
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox
from rlm_integrations.sandboxes.wasi.spare import spares

async def main():
    settings = ReplSettings(depth=1, sub_call_chars=90, max_output_chars=1000, step_timeout_s=60, memory_mb=128)
    repl = await WasiSandbox().open(Corpus.of("x"), settings)
    while spares._spare is None:
        await asyncio.sleep(0.01)
    print(repl.pid, spares._spare[1].pid, flush=True)
    await repl.step(["print('x' * 5000)\\n" + sys.argv[1]], lambda call: print("asked", flush=True))
asyncio.run(main())
"""

BUSY = {
    "a loop": (
        "llm_query_batched\nimport threading\nthreading.Thread(target=lambda: llm_query('x')).start()\nwhile True: pass"
    ),
    "one call of C": "import itertools\nsum(itertools.repeat(0))",
    "a wait": "llm_query('never answered')",
    "sleep": "import time\ntime.sleep(60)",
}


@pytest.mark.parametrize("busy", BUSY)
async def test_nothing_outlives_a_host_that_is_killed_amid_a_step(start_program, alive, until, busy):
    """Long before its limit: that is 60 s, and `until` waits for ten. Its spare does not either."""
    host = start_program(PROGRAM, BUSY[busy], fresh=True)
    pids = [int(pid) for pid in host.stdout.readline().split()]
    assert len(pids) == 2
    if busy == "a wait":
        assert host.stdout.readline() == "asked\n"
    host.process.kill()
    await until(lambda: not any(map(alive, pids)))


async def test_repls_share_the_memory_that_they_begin_with(open_wasi):
    """As wasmtime does where its image is dense: else each has a copy, which is most of what it takes."""
    live = await open_wasi()
    maps = Path(f"/proc/{live.repl.pid}/maps").read_text().splitlines()
    assert [line for line in maps if " rw-p " in line and line.endswith(".cwasm")]


async def test_a_spare_takes_the_next_repl(open_wasi, until):
    await open_wasi()
    await until(lambda: spares._spare is not None)
    _, spare = spares._spare
    live = await open_wasi()
    assert live.repl._worker is spare
    assert await live.value("1 + 1") == "2"


async def test_a_spare_that_was_killed_is_passed_over(open_wasi, alive, until):
    await open_wasi()
    await until(lambda: spares._spare is not None)
    _, spare = spares._spare
    os.kill(spare.pid, signal.SIGKILL)
    await until(lambda: not alive(spare.pid))
    assert await (await open_wasi()).value("1 + 1") == "2"


def test_a_worker_that_cannot_be_started_says_why(monkeypatch, settings):
    spares.end()
    monkeypatch.setattr("sys.executable", "/no/such/python")
    with pytest.raises(SandboxError, match="/no/such/python"):
        open_worker.open_worker(Corpus.of(None), settings(), ())


def test_a_fork_of_a_host_has_workers_of_its_own_and_leaves_those_of_its_parent(run_program):
    ended = run_program(
        """
import os
from rlm_integrations import RLMEngine
from rlm_integrations.testing import ScriptedModel

def run():
    script = ["```repl\\nFINAL(len(context))\\n```"]
    return RLMEngine(ScriptedModel(script), sandbox="wasi", limits={"inline_chars": 0}).run("?", "twelve chars").answer

assert run() == "12"
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
print(run(), flush=True)
""",
        warnings=["default", "ignore:This process:DeprecationWarning"],  # from 3.12 on: it has threads
        fresh=True,
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("12\n12\n", "", 0)
