"""Processes begin, end and leave nothing behind: in any loop, thread and fork, and when something is killed."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import weakref
from pathlib import Path

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.process.helper_client import helper_client
from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox
from rlm_integrations.wire.calls import HostCall
from rlm_integrations.wire.steps import StepDone

SPARES = 1
"""Processes that a helper keeps for the next run."""


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.fixture
def helper_pid():
    def pid() -> int:
        helper = helper_client()._helper
        assert helper is not None
        return helper.process.pid

    return pid


async def test_fifty_runs_leave_no_file_and_no_process(settings, attach, open_files, children, helper_pid, until):
    sandbox = ProcessSandbox()

    async def one_run(number: int) -> str:
        repl = await sandbox.open(Corpus.of(f"corpus {number}"), settings())
        try:
            return await attach(repl).value("print(llm_query(context))")
        finally:
            await repl.close()

    assert await one_run(0) == "corpus 0"
    files, processes = open_files(), set(children(helper_pid()))
    assert await asyncio.gather(*map(one_run, range(40))) == [f"corpus {number}" for number in range(40)]
    for number in range(10):
        await one_run(number)
    assert open_files() <= files
    await until(lambda: len(set(children(helper_pid())) - processes) <= SPARES)


async def test_leaving_a_step_early_kills_the_worker(open_repl, until):
    live = await open_repl()
    step = live.events("print(llm_query('x'))\nwhile True: pass")
    assert isinstance(await anext(step), HostCall)
    await step.aclose()
    await until(lambda: not _alive(live.repl.pid))
    assert await live.death("1") == "the step was abandoned"


async def test_cancelling_the_task_kills_the_worker(open_repl, until):
    live = await open_repl(answer=lambda call: None)
    task = asyncio.ensure_future(live.run("llm_query('never answered')"))
    await until(lambda: len(live.calls) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not _alive(live.repl.pid))


async def test_a_start_that_is_cancelled_leaves_nothing(settings, open_files, children, helper_pid, until, open_repl):
    await open_repl()
    files, processes = open_files(), set(children(helper_pid()))
    for delay in (0, 0, 0.001, 0.002, 0.003, 0.004):
        opening = asyncio.ensure_future(ProcessSandbox().open(Corpus.of("text"), settings()))
        await asyncio.sleep(delay)
        if not opening.cancel():
            await (await opening).close()
            continue
        with pytest.raises(asyncio.CancelledError):
            await opening
    await until(lambda: open_files() <= files and len(set(children(helper_pid())) - processes) <= SPARES)


async def test_a_killed_helper_is_started_again(open_repl, helper_pid, until):
    live = await open_repl()
    worker, old = live.repl.pid, helper_pid()
    os.kill(old, signal.SIGKILL)
    await until(lambda: not _alive(worker))
    assert await live.death("1") == "its process was ended from outside"
    assert await (await open_repl()).value("1 + 1") == "2"
    assert helper_pid() != old


@pytest.mark.parametrize("context", ["text", "x" * 70_000], ids=["from the helper", "from a holder"])
async def test_a_killed_worker_is_told_and_the_next_one_begins(open_repl, until, context):
    live = await open_repl(context, answer=lambda call: None)
    os.kill(live.repl.pid, signal.SIGKILL)  # between steps
    await until(lambda: not _alive(live.repl.pid))
    words = "it was killed (signal 9), most likely because the machine was short of memory"
    assert await live.death("1") == words
    live = await open_repl(context, answer=lambda call: None)
    step = asyncio.ensure_future(live.run("print('begun')\nllm_query('never answered')"))
    await until(lambda: bool(live.calls))
    os.kill(live.repl.pid, signal.SIGKILL)  # amid a step
    lost = await step
    assert (lost.reason, lost.output.head) == (words, "begun\n")
    assert await (await open_repl(context)).value("1 + 1") == "2"


async def test_a_killed_holder_is_started_again(settings, attach, children, helper_pid, until):
    corpus = Corpus.of("y" * 70_000)
    first = await ProcessSandbox().open(corpus, settings())
    holder = int(Path(f"/proc/{first.pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert holder in children(helper_pid())
    os.kill(holder, signal.SIGKILL)
    await until(lambda: not _alive(first.pid))
    assert await attach(first).death("1") == "its process was ended from outside"
    second = await ProcessSandbox().open(corpus, settings())
    assert await attach(second).value("len(context)") == "70000"
    await first.close()
    await second.close()


@pytest.mark.parametrize("size", [10, 70_000], ids=["from the helper", "from a holder"])
async def test_a_helper_that_is_killed_amid_starts_is_started_again_or_told(settings, attach, helper_pid, size):
    """At several moments of a start. Nothing hangs, and the start after it succeeds."""
    for delay in (0.0, 0.002, 0.006):
        await (await ProcessSandbox().open(Corpus.of("x"), settings())).close()  # there is a helper
        starts = [asyncio.ensure_future(ProcessSandbox().open(Corpus.of("z" * size), settings())) for _ in range(3)]
        await asyncio.sleep(delay)
        os.kill(helper_pid(), signal.SIGKILL)
        for outcome in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(outcome, SandboxError):
                assert "sandbox: the REPL ended while it started" in str(outcome)
            else:
                await outcome.close()
        repl = await ProcessSandbox().open(Corpus.of("z" * size), settings())
        assert await attach(repl).value("len(context)") == str(size)
        await repl.close()


async def test_a_loop_closed_over_an_open_repl_ends_it(settings, attach, until, recwarn):
    workers: list[int] = []

    async def leave() -> None:
        repl = await ProcessSandbox().open(Corpus.of("x"), settings())
        assert isinstance(await attach(repl).run("1 + 1"), StepDone)
        workers.append(repl.pid)

    def host() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(leave())
        loop.close()

    thread = threading.Thread(target=host)
    thread.start()
    thread.join()
    gc.collect()
    await until(lambda: not _alive(workers[0]))
    assert not recwarn.list


@pytest.mark.parametrize("how", ["closed", "ended at rest"])
async def test_a_repl_that_is_over_is_freed_without_a_search_for_garbage(settings, attach, until, how):
    """An idle program never searches, and a REPL holds the process that holds its corpus."""
    corpus = Corpus.of("x" * 70_000)
    repl = await ProcessSandbox().open(corpus, settings())
    assert await attach(repl).value("print(llm_query('asked'))") == "asked"
    holder = int(Path(f"/proc/{repl.pid}/stat").read_text().rpartition(")")[2].split()[1])
    gc.disable()
    try:
        if how == "closed":
            await repl.close()
        else:
            assert repl.leave_loop()
            repl.end()
        over = weakref.ref(repl)
        del repl, corpus
        await asyncio.sleep(0)  # the loop lets go of the callbacks that it has run
        await until(lambda: not _alive(holder))
        assert over() is None
    finally:
        gc.enable()


async def test_a_repl_that_is_over_and_kept_does_not_keep_its_corpus(settings, attach, until):
    corpus = Corpus.of("x" * 70_000)
    repl = await ProcessSandbox().open(corpus, settings())
    holder = int(Path(f"/proc/{repl.pid}/stat").read_text().rpartition(")")[2].split()[1])
    await repl.close()
    del corpus
    await until(lambda: not _alive(holder))
    assert await attach(repl).death("1") == "it was closed"


def test_many_loops_in_many_threads(settings, attach):
    sandbox = ProcessSandbox()
    results: list[str] = []

    async def run(number: int) -> str:
        repl = await sandbox.open(Corpus.of("x" * 70_000), settings())
        try:
            return await attach(repl).value(f"print(llm_query('{number}'))")
        finally:
            await repl.close()

    threads = [threading.Thread(target=lambda n=n: results.append(asyncio.run(run(n)))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [str(number) for number in range(8)]


def test_the_helper_outlives_the_thread_that_started_it(settings, attach):
    helper_client().shut_down()

    async def run() -> str:
        repl = await ProcessSandbox().open(Corpus.of(None), settings())
        try:
            return await attach(repl).value("1 + 1")
        finally:
            await repl.close()

    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(run())))
    thread.start()
    thread.join()
    helper = helper_client()._helper
    results.append(asyncio.run(run()))
    assert results == ["2", "2"]
    assert helper_client()._helper is helper


PROGRAM = """
import asyncio, os, sys
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.wire.steps import StepDone
from rlm_integrations.sandboxes.process.helper_client import helper_client
from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox

async def opened():
    settings = ReplSettings(depth=0, sub_call_chars=10, max_output_chars=1000, step_timeout_s=60, memory_mb=128)
    repl = await ProcessSandbox().open(Corpus.of("x" * 70_000), settings)
    print(helper_client()._helper.process.pid, repl.pid, flush=True)
    return repl

async def run(repl, code):
    return await repl.step([code], print)
"""

HOSTS = {
    "ends without closing": "async def main():\n    await opened()\nasyncio.run(main())",
    "ends amid a step": (
        "async def main():\n    repl = await opened()\n"
        "    asyncio.ensure_future(run(repl, 'import itertools; sum(itertools.repeat(1))'))\n"
        "    await asyncio.sleep(0.05)\n    os._exit(0)\nasyncio.run(main())"
    ),
    "is killed amid a step": (
        "async def main():\n    repl = await opened()\n"
        "    asyncio.ensure_future(run(repl, 'import itertools; sum(itertools.repeat(1))'))\n"
        "    await asyncio.sleep(0.05)\n    os.kill(os.getpid(), 9)\nasyncio.run(main())"
    ),
    "is killed and a fork of it lives on": (
        "async def main():\n    await opened()\n    if os.fork():\n        os.kill(os.getpid(), 9)\n"
        "    os.close(1); os.close(2)\n    import time; time.sleep(5)\nasyncio.run(main())"
    ),
}


@pytest.mark.parametrize("end", HOSTS)
async def test_nothing_outlives_the_host(run_program, end, until):
    host = run_program(PROGRAM + HOSTS[end], fresh=True)
    pids = [int(pid) for pid in host.stdout.split()]
    assert len(pids) == 2, host.stderr
    await until(lambda: not any(map(_alive, pids)))


def test_a_fork_of_the_host_leaves_the_repls_of_its_parent_alone(run_program):
    code = (
        "async def main():\n    repl = await opened()\n    await run(repl, 'x = 40')\n    child = os.fork()\n"
        "    if not child: os._exit(0)\n    os.waitpid(child, 0)\n"
        "    print((await run(repl, 'x + 2')).output.head, flush=True)\n    await repl.close()\n"
        "asyncio.run(main())\n"
        "async def again():\n    repl = await opened()\n"
        "    print((await run(repl, '6 * 7')).output.head, flush=True)\n    await repl.close()\n"
        "child = os.fork()\nasyncio.run(again())\nif child: os.waitpid(child, 0)\n"
    )
    host = run_program(PROGRAM + code, fresh=True, warnings=["error", "ignore::DeprecationWarning"])
    assert host.stderr == ""
    assert host.stdout.split().count("42") == 3
    assert host.returncode == 0


def test_a_host_that_cannot_start_the_helper_is_told_why(settings, monkeypatch):
    from rlm_integrations.core.trace.run_errors import SandboxError

    helper_client().shut_down()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SandboxError, match="the helper process ended at once"):
        asyncio.run(ProcessSandbox().open(Corpus.of(None), settings()))
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(SandboxError, match="/no/such/python"):
        asyncio.run(ProcessSandbox().open(Corpus.of(None), settings()))
