"""Of Monty's processes nothing is left behind, and what the code can do to them hurts nobody else."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.monty import helper_client
from rlm_integrations.sandboxes.monty.sandbox import MontySandbox
from rlm_integrations.wire.steps import StepDone


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(autouse=True)
def helper():
    """What workers are forked from, where they are: it stays, and is nothing that a test leaves behind."""
    if helper_client.HAS_HELPER:
        helper_client.fork_worker().end()


@pytest.fixture(params=["a fork", "a program"])
def each_way(request, monkeypatch):
    """A worker is a program where there is no helper."""
    if request.param == "a program":
        monkeypatch.setattr(helper_client, "HAS_HELPER", False)


@pytest.fixture
async def open_monty(settings, attach):
    opened = []

    async def open_(context=None, **changes):
        repl = await MontySandbox().open(Corpus.of(context), settings(**changes))
        opened.append(repl)
        return attach(repl)

    yield open_
    for repl in opened:
        await repl.close()


ENDS = {
    "closed": "1",
    "over its time in the VM": "while True: pass",
    "over its time in a regular expression": "search('(a+)+$', 'a' * 50 + 'b')",
}


@pytest.mark.usefixtures("each_way")
@pytest.mark.parametrize("end", ENDS)
async def test_worker_and_vm_end_and_no_file_stays_open(open_monty, children, open_files, until, end):
    files = open_files()
    session = await open_monty(step_timeout_s=0.3)
    pids = [session.repl.pid, *children(session.repl.pid)]
    assert len(pids) == 2
    await session.run(ENDS[end])
    await session.repl.close()
    await until(lambda: not any(map(_alive, pids)) and open_files() == files)


@pytest.mark.usefixtures("each_way")
async def test_a_worker_that_is_killed_is_a_lost_session(open_monty, children, until):
    session = await open_monty()
    other = await open_monty()
    (vm,) = children(session.repl.pid)
    os.kill(session.repl.pid, signal.SIGKILL)
    assert (await session.death("1")).startswith("it was killed (signal 9)")
    await until(lambda: not _alive(vm))
    (vm,) = children(other.repl.pid)
    os.kill(vm, signal.SIGKILL)
    assert await other.death("x = 1") == "it broke the interpreter that it runs in"


@pytest.mark.usefixtures("each_way")
async def test_memory_of_a_function_beside_the_vm_is_bounded_and_said_to_be_its_own(open_monty):
    """The matches take memory of the worker, by its own limit, and never reach the VM, which keeps all it has."""
    session = await open_monty("ab" * 300_000, memory_mb=64)
    await session.value("kept = ['x' * 1_000_000]")
    assert await session.error("hits = search('(a|b)' + '()' * 90, limit=None)") == (
        "MemoryError: search: its result takes more memory than the session has; ask for less at once"
    )
    assert await session.value("len(kept[0]), len(search('ab', limit=5))") == "(1000000, 5)"


async def test_memory_of_the_vm_is_bounded_and_said_to_be_the_sessions(open_monty):
    session = await open_monty(memory_mb=64)
    assert await session.error("more = ['x' * 1_000_000 for _ in range(200)]") == (
        "MemoryError: over the 64 MB of the session; begin the next step by binding what is not needed to None"
    )


async def test_a_loop_closed_over_open_sessions_ends_them(settings, children, open_files, until, recwarn):
    files, pids = open_files(), []

    async def leave() -> None:
        for code in ("1 + 1", "llm_query('never answered')"):
            repl = await MontySandbox().open(Corpus.of("x"), settings())
            pids.extend([repl.pid, *children(repl.pid)])
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
    assert len(pids) == 4
    await until(lambda: not any(map(_alive, pids)) and open_files() == files)
    assert not recwarn.list


async def test_values_that_the_vm_cannot_send_lose_nothing(open_monty):
    session = await open_monty("text")
    await session.value("class A: pass\na = A()\ndeep = []\nfor _ in range(5_000): deep = [deep]\nNone")
    for call in (
        *("search(A)", "search('x', docs=[A, a, print])", "llm_query(a)", "llm_query('x', context=[a, A])"),
        *(
            "llm_map('x', [a])",
            "llm_reduce(a)",
            "llm_reduce('x', [a])",
            "cite('text', a)",
            "FINAL([a, A, locals()])",
            "llm_query('x', deep)",
        ),
    ):
        done = await session.run(call)
        assert isinstance(done, StepDone), call
    assert await session.value("'alive'") == "alive"


STOPPED = {
    "code that catches all": "while True:\n    try:\n        while True: n += 1\n    except BaseException: pass",
    "a loop of calls": "while True:\n    llm_query('x')\n    n += 1",
    "a loop of prints": "while True:\n    print('x' * 5_000)\n    n += 1",
}


@pytest.mark.parametrize("kind", STOPPED)
async def test_code_that_is_stopped_at_its_time_limit_keeps_its_variables_and_draft(open_monty, kind):
    session = await open_monty(step_timeout_s=0.5)
    await session.run("n = 0\nanswer['content'] = 'a draft'")
    done = await session.run(f"n += 1\n{STOPPED[kind]}")
    assert isinstance(done, StepDone)
    assert done.error is not None
    assert done.error.kind == "interrupted"
    assert re.search("stopped: it .*, the limit of a step", done.error.message)
    assert done.answer.content == "a draft"
    assert await session.value("n > 1") == "True"


async def test_a_call_that_outlasts_the_run_keeps_the_draft(open_monty, attach):
    session = attach((await open_monty()).repl, lambda call: None)
    await session.run("answer['content'] = 'a draft'")
    done = await session.run("llm_query('never answered')", seconds_left=0.2)
    assert isinstance(done, StepDone)
    assert (done.error.kind, done.answer.content) == ("interrupted", "a draft")
    assert done.error.message.endswith("stopped: the time of the whole run was over")


@pytest.mark.usefixtures("each_way")
async def test_a_start_that_is_cancelled_leaves_nothing(settings, children, open_files, until):
    files, processes = open_files(), set(children(os.getpid()))
    for delay in (0, 0.01, 0.05, 0.1):
        opening = asyncio.ensure_future(MontySandbox().open(Corpus.of("text"), settings()))
        await asyncio.sleep(delay)
        if not opening.cancel():  # it was faster
            await opening.result().close()
            continue
        with pytest.raises(asyncio.CancelledError):
            await opening
    await until(lambda: open_files() == files and set(children(os.getpid())) <= processes)


PROGRAM = """
import asyncio, os, subprocess, sys
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.sandboxes.monty import helper_client
from rlm_integrations.sandboxes.monty.sandbox import MontySandbox

helper_client.HAS_HELPER = sys.argv[2] == "a fork"
async def main():
    settings = ReplSettings(depth=1, sub_call_chars=90, max_output_chars=1000, step_timeout_s=60, memory_mb=128)
    repl = await MontySandbox().open(Corpus.of("x"), settings)
    print(repl.pid, flush=True)
    print(type(await repl.step([sys.argv[1]], lambda call: print(type(call), flush=True))), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""

BUSY = {
    "the VM spins": ("while True: pass", 1),
    "the worker is in a regular expression": ("search('(a+)+$', 'a' * 50 + 'b')", 0),
    "both wait": ("llm_query('never answered')", None),
}


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize("way", ["a fork", "a program"])
@pytest.mark.parametrize("busy", BUSY)
async def test_nothing_outlives_a_host_that_is_killed_amid_a_step(start_program, children, until, busy, way):
    """Long before its limit: that is 60 s, and `until` waits for ten."""
    code, spins = BUSY[busy]
    host = start_program(PROGRAM, code, way, fresh=True)
    worker = int(host.stdout.readline())
    pids = [worker, *children(worker)]
    assert len(pids) == 2
    if spins is None:
        assert "HostCall" in host.stdout.readline()
    else:
        used = _cpu_ticks(pids[spins])
        await until(lambda: _cpu_ticks(pids[spins]) > used + 20)
    host.process.kill()
    await until(lambda: not any(map(_alive, pids)))


FORKED = pytest.mark.skipif(not helper_client.HAS_HELPER, reason="its workers are programs here")


@FORKED
async def test_a_helper_that_is_killed_takes_its_workers_along_and_another_is_started(open_monty, children, until):
    """Even a VM that spins, which has no worker left to end with."""
    session = await open_monty(step_timeout_s=60)
    worker = session.repl.pid
    (vm,) = children(worker)
    helpers = [helper.process.pid for helper in helper_client._helpers.values()]
    step = asyncio.ensure_future(session.death("while True: pass"))
    used = _cpu_ticks(vm)
    await until(lambda: _cpu_ticks(vm) > used + 5)
    for helper in helpers:
        os.kill(helper, signal.SIGKILL)
    assert (await step).startswith("it was killed (signal 9)")
    await until(lambda: not _alive(worker) and not _alive(vm))
    assert await (await open_monty()).value("1 + 1") == "2"


@FORKED
def test_a_fork_of_a_host_has_a_helper_of_its_own(run_program):
    ended = run_program(
        PROGRAM.replace("    await asyncio.Event().wait()\nasyncio.run(main())", "")
        + """    await repl.close()
asyncio.run(main())
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
asyncio.run(main())
print(len(helper_client._helpers))
""",
        "1 + 1",
        "a fork",
        warnings=("error",),
    )
    assert ended.stderr == ""
    assert [line for line in ended.stdout.splitlines() if not line.isdigit()].count(str(StepDone)) == 3
    assert ended.returncode == 0


@FORKED
async def test_a_worker_has_the_environment_of_its_start(open_monty, monkeypatch, tmp_path):
    """Where Monty's program is, for one."""
    await open_monty()
    monkeypatch.setenv("MONTY_BIN", str(tmp_path / "none"))
    with pytest.raises(SandboxError, match="the VM did not start"):
        await open_monty()
    monkeypatch.undo()
    assert await (await open_monty()).value("1 + 1") == "2"


async def test_a_worker_whose_host_has_died_before_it_looked_ends(until):
    ours, theirs = os.pipe()
    os.close(theirs)
    code = (
        "import sys; from rlm_integrations.sandboxes.monty.lifeline import hold_on; hold_on(int(sys.argv[1])); input()"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(ours)], pass_fds=(ours,), stdin=subprocess.PIPE, start_new_session=True
    )
    os.close(ours)
    await until(lambda: worker.poll() is not None)
    worker.communicate()
    assert worker.returncode == 0


async def test_a_corpus_that_cannot_be_sent_is_an_error_that_names_the_document(settings):
    metadata: dict = {}
    for _ in range(100_000):
        metadata = {"in": metadata}
    from rlm_integrations.core.corpus.document import Document

    with pytest.raises(InvalidArgumentError, match="context: the metadata of document 'deep' is nested too deeply"):
        await MontySandbox().open(Corpus([Document("deep", "text", metadata)]), settings())
    while metadata:  # its destructor recurses
        metadata = metadata["in"]


@pytest.mark.usefixtures("each_way")
async def test_a_host_that_cannot_start_the_worker_is_told_why(settings, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SandboxError, match="the Monty worker ended at once"):
        await MontySandbox().open(Corpus.of(None), settings())
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(SandboxError, match="/no/such/python"):
        await MontySandbox().open(Corpus.of(None), settings())
