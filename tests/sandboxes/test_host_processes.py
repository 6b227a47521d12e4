"""Hosts of every kind, without a noise: forked, spawned, short of means, many at once, and ending amid their runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import asyncio, atexit, os, resource, sys, threading
from rlm_integrations import RLMEngine
from rlm_integrations.testing import ScriptedModel

LONG = "a line of the corpus\\n" * 10_000
DONE = "```repl\\nanswer.update(content='done', ready=True)\\n```"
BUSY = "```repl\\nwhile True: pass\\n```"

def run(*replies, **options):
    return RLMEngine(ScriptedModel(list(replies) or [DONE]), **options).run("?", LONG).answer

def told():
    "What a run says: its answer or its error."
    try:
        return run()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
"""

ENDINGS = {
    "with daemon threads amid runs": """
began = threading.Barrier(5)
def observe(event):
    if type(event).__name__ == "CodeStarted":
        began.wait()
for _ in range(4):
    threading.Thread(target=run, args=[BUSY], kwargs={"on_event": observe}, daemon=True).start()
began.wait()
print("done")
""",
    "with daemon threads that begin runs": """
began = threading.Event()
def forever():
    while True:
        run()
        began.set()
for _ in range(3):
    threading.Thread(target=forever, daemon=True).start()
began.wait()
print("done")
""",
    "by a second Ctrl-C while it waits for what it started": """
import signal
from pathlib import Path
print(run())
[helper] = map(int, Path("/proc/self/task", str(os.getpid()), "children").read_text().split())
os.kill(helper, signal.SIGSTOP)  # so that it does not end by itself
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.3)
""",
    "with runs in atexit": """
atexit.register(lambda: print(run()))
run()
""",
    "with its first run in atexit": """
@atexit.register
def last():
    print(run())
""",
    "with a pending async generator": """
async def main():
    global stream
    stream = RLMEngine(ScriptedModel([BUSY])).astream("?", LONG)
    async for event in stream:
        if type(event).__name__ == "CodeStarted":
            break
asyncio.run(main())
print("done")
""",
    "with a run left in its loop": """
async def main():
    global task
    began = asyncio.Event()
    engine = RLMEngine(ScriptedModel([BUSY]), on_event=lambda e: type(e).__name__ == "CodeStarted" and began.set())
    task = asyncio.ensure_future(engine.arun("?", LONG))
    await began.wait()
asyncio.run(main())
print("done")
""",
}


Ends = Callable[[str], tuple[str, str, int]]


@pytest.fixture
def ends(run_program: Callable[..., Any]) -> Ends:
    """What a program prints, its stderr and its exit status."""

    def run(program: str) -> tuple[str, str, int]:
        host = run_program(PROGRAM + program, fresh=True, warnings=["default", "ignore::DeprecationWarning"])
        return host.stdout, host.stderr, host.returncode

    return run


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_interpreter_may_end_at_any_time(ends: Ends, ending: str) -> None:
    assert ends(ENDINGS[ending]) == ("done\n", "", 0)


def test_forks_of_a_host_that_has_run_and_their_parent_run_on(ends: Ends) -> None:
    """As under gunicorn with preload: used before the fork, then in several children at once and in the parent."""
    printed, complaints, status = ends("""
assert run() == "done"
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        answers = run(), asyncio.run(RLMEngine(ScriptedModel([DONE])).arun("?", LONG)).answer
        sys.stdout.write(" ".join(answers) + "\\n")  # in one piece: others write at the same time
        sys.stdout.flush()
        sys.exit()
    children.append(child)
sys.stdout.write(f"{run()} {run()}\\n")
sys.stdout.flush()
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
""")
    assert (printed, complaints, status) == ("done done\n" * 3, "", 0)


def test_a_fork_amid_the_starts_of_other_threads_runs(ends: Ends) -> None:
    """Whatever locks other threads hold at that moment, nobody releases them in the child."""
    printed, complaints, status = ends("""
run()  # Python's own import locks are not in question
stop, goes_on, runs = threading.Event(), threading.Event(), threading.Semaphore(0)
def busy():
    while not stop.is_set():
        goes_on.wait()
        run()
        runs.release()
threads = [threading.Thread(target=busy) for _ in range(3)]
for thread in threads: thread.start()
for _ in range(3):
    goes_on.set()
    for _ in threads: runs.acquire()
    child = os.fork()
    if not child:
        print(run(), flush=True)
        os._exit(0)
    goes_on.clear()  # else the threads take more time than the child
    assert os.waitpid(child, 0)[1] == 0
stop.set()
goes_on.set()
for thread in threads: thread.join()
""")
    assert (printed, complaints, status) == ("done\n" * 3, "", 0)


def test_multiprocessing_children_run(ends: Ends, tmp_path: Path) -> None:
    script = tmp_path / "host.py"
    script.write_text(
        PROGRAM
        + """
def one(number):
    return run()

if __name__ == "__main__":
    import multiprocessing
    one(0)
    for method, processes in (("fork", 2), ("spawn", 1)):
        with multiprocessing.get_context(method).Pool(processes) as pool:
            print(method, *pool.map(one, range(4)))
"""
    )
    printed, complaints, status = ends(f"import runpy\nrunpy.run_path({str(script)!r}, run_name='__main__')")
    assert (printed, complaints, status) == ("fork done done done done\nspawn done done done done\n", "", 0)


def test_many_hosts_at_once(start_program: Callable[..., Any]) -> None:
    hosts = [start_program(PROGRAM + "print(*[run() for _ in range(5)])", fresh=True) for _ in range(3)]
    for host in hosts:
        ended = host.end()
        assert (ended.stdout, ended.stderr) == ("done done done done done\n", "")


def test_a_host_short_of_descriptors_says_so_and_recovers(ends: Ends) -> None:
    """With one more descriptor each time: every place that opens one gets none for once."""
    printed, complaints, status = ends("""
from rlm_integrations.sandboxes.process.helper_client import helper_client
run()
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
for started in (True, False):
    succeeded = 0
    for spare in range(20):
        if not started:
            helper_client().shut_down()
        open_now = max(map(int, os.listdir("/proc/self/fd")))
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + spare, most))
        words = told()
        print(words)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, most))
        succeeded = succeeded + 1 if words == "done" else 0
        if succeeded == 2:
            break
    print("recovered:", run())
""")
    assert (complaints, status) == ("", 0)
    *rounds, rest = printed.split("recovered: done\n")
    assert (len(rounds), rest) == (2, "")
    for lines in map(str.splitlines, rounds):
        assert all(line == "done" or "Too many open files" in line for line in lines), lines
        assert lines[0] != "done"
        assert lines[-2:] == ["done"] * 2
    assert "raise the limit (ulimit -n) or run fewer at once" in printed


def test_a_host_that_can_start_no_thread_says_so_and_recovers(ends: Ends) -> None:
    printed, complaints, status = ends("""
run()
threading.stack_size(1 << 46)
print(told())
async def main():
    return (await RLMEngine(ScriptedModel([DONE])).arun("?", LONG)).answer
try:
    asyncio.run(main())
except Exception as error:
    print(error)
threading.stack_size(0)
print(run())
""")
    assert (printed, complaints, status) == (
        "RuntimeError: can't start new thread\nthe run failed: RuntimeError: can't start new thread\ndone\n",
        "",
        0,
    )


@pytest.mark.parametrize("sandbox", ["process", "wasi"])
def test_what_signals_a_host_blocks_or_ignores_is_not_its_workers_affair(ends: Ends, sandbox: str) -> None:
    """Some hosts block SIGINT in all their processes, and a mask is inherited."""
    printed, complaints, status = ends(f"""
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
SET = "```repl\\nkept = 41\\n```"
SLOW = "```repl\\nkept += 1\\nwhile True: pass\\n```"
TELL = "```repl\\nFINAL(kept)\\n```"
from rlm_integrations import RLMLimits
print(run(SET, SLOW, TELL, sandbox={sandbox!r}, limits=RLMLimits(step_timeout_s=0.2)))
""")
    assert (printed, complaints, status) == ("42\n", "", 0)
