"""Time, memory and threads of a step; interrupts; and what survives them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from rlm_integrations.core.sandbox import ReplLost, StepDone
from rlm_integrations.sandboxes.process import repl as repl_module


@pytest.fixture(autouse=True)
def short_grace(monkeypatch):
    monkeypatch.setattr(repl_module, "INTERRUPT_GRACE_S", 0.3)


INTERRUPTIBLE = {
    "a loop": "while True: pass",
    "a sleep": "import time\ntime.sleep(1000)",
    "a regular expression": "import re\nre.match('(a+)+$', 'a' * 40 + 'b')",
    "a lock": "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()",
    "a loop of asyncio": "import asyncio\nasyncio.run(asyncio.sleep(1000))",
    "a loop that swallows exceptions": "while True:\n    try: 1 / 0\n    except Exception: pass",
    "printing": "while True: print('x' * 100)",
}


@pytest.mark.parametrize("kind", INTERRUPTIBLE)
async def test_code_that_does_not_end_is_interrupted(open_session, kind):
    session = await open_session()
    done = await session.run("kept = 42\nprint('begun')", INTERRUPTIBLE[kind], seconds_left=0.2)
    assert isinstance(done, StepDone), done
    assert done.error is not None
    assert (done.error.kind, done.error.block) == ("interrupted", 2)
    assert done.output.head.startswith("begun\n")
    assert await session.value("kept") == "42"


async def test_an_answer_that_takes_for_ever_to_read_is_interrupted(open_session):
    session = await open_session(step_timeout_s=0.2)
    done = await session.run(
        "class Endless:\n    def __str__(self):\n        while True: pass\n    __repr__ = __str__\n"
        "answer.update(content=Endless(), ready=True)"
    )
    assert isinstance(done, StepDone), done
    assert not done.answer.ready
    assert done.answer.refused is not None
    assert "KeyboardInterrupt" in done.answer.refused


STUBBORN = {
    "a call of C code": "import itertools\nsum(itertools.repeat(1))",
    "a range": "max(range(10**12))",
    "a loop that swallows interrupts": (
        "def spin():\n    while True: abs(1)\nwhile True:\n    try: spin()\n    except BaseException: pass"
    ),
    "ignored signals": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
}


@pytest.mark.parametrize("kind", STUBBORN)
async def test_code_that_cannot_be_interrupted_is_killed(open_session, kind):
    session = await open_session(step_timeout_s=0.2)
    lost = await session.run("print('begun')", STUBBORN[kind])
    assert isinstance(lost, ReplLost)
    assert lost.reason == "it ran longer than 0.2 s and could not be interrupted"
    assert lost.output.head == "begun\n"


async def test_the_clock_stands_still_while_a_call_is_open(open_session):
    """Time passes only in the calls: the limit is met long before they are all answered, and does not count them."""
    session = await open_session(step_timeout_s=0.5, answer=lambda call: None)
    async for event in session.repl.step(["print([llm_query('x') for _ in range(2)])"]):
        if isinstance(event, StepDone):
            assert event.error is None
            assert event.output.head == "['late', 'late']\n"
            break
        await asyncio.sleep(0.4)
        session.repl.reply(event.id, "late")


async def test_cpu_time_counts_while_a_call_is_open(open_session):
    session = await open_session(step_timeout_s=0.3, answer=lambda call: None)
    done = await session.run(
        "import threading\nthreading.Thread(target=llm_query, args=('never answered',)).start()\nwhile True: pass"
    )
    assert isinstance(done, StepDone)
    assert done.error is not None
    assert done.error.kind == "interrupted"


async def test_the_time_of_the_run_ends_a_step_that_waits_for_a_call(open_session):
    session = await open_session(answer=lambda call: None)
    done = await session.run("kept = 1\nllm_query('never answered')", seconds_left=0.2)
    assert isinstance(done, StepDone)
    assert done.error is not None
    assert done.error.kind == "interrupted"
    session.answer = lambda call: "answered"
    assert await session.value("print(kept, llm_query('x'))") == "1 answered"


async def test_no_time_left_is_no_time(open_session):
    session = await open_session()
    done = await session.run("while True: pass", seconds_left=0.0)
    assert isinstance(done, StepDone)
    assert done.error is not None
    assert done.error.kind == "interrupted"
    lost = await session.run("import itertools\nsum(itertools.repeat(1))", seconds_left=0.0)
    assert isinstance(lost, ReplLost)
    assert lost.reason == "it was still running when the time of the run was over and could not be interrupted"


async def test_an_interrupt_never_tears_a_message(open_session):
    """Large calls, one after the other: most interrupts fall into the sending of one."""
    session = await open_session()
    for _ in range(5):
        done = await session.run("text = 'x' * 10_000_000\nwhile True: llm_query(text)", seconds_left=0.15)
        assert isinstance(done, StepDone), done
        assert done.error is not None
        assert done.error.kind == "interrupted"
        assert await session.value("print(len(llm_query(text)))") == "10000000"


async def test_signals_between_steps_do_no_harm(open_session):
    session = await open_session()
    pid = session.repl._worker.pid
    for _ in range(3):
        os.kill(pid, 2)
        assert await session.value("21 * 2") == "42"


async def test_threads_that_a_step_leaves_behind_are_stopped_between_steps(open_session, until):
    session = await open_session()
    await session.run(
        "import threading\nstop = False\ndef spin():\n    while not stop: pass\nthreading.Thread(target=spin).start()"
    )
    stat = Path(f"/proc/{session.repl._worker.pid}/stat")
    await until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
    assert await session.value("stop = True\n'ended'") == "ended"


MEMORY_EATERS = {
    "one text": "eaten = 'a' * (3 << 30)",
    "many small ones": "eaten = []\nwhile True: eaten.append('a' * 100_000 + str(len(eaten)))",
    "tiny objects": "eaten = []\nwhile True: eaten.append([len(eaten)])",
    "a huge buffer": "eaten = bytearray(1 << 40)",
    "in a thread": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(1) as pool: pool.submit(lambda: bytes(1 << 31)).result()"
    ),
}


@pytest.mark.parametrize("kind", MEMORY_EATERS)
async def test_too_much_memory_raises_and_the_session_survives(open_session, kind):
    session = await open_session(memory_mb=128)
    await session.run("kept = 42")
    assert (await session.error(MEMORY_EATERS[kind])).startswith("MemoryError")
    assert await session.value("eaten = None\nkept") == "42"
    assert await session.value("len('b' * (64 << 20))") == str(64 << 20)


async def test_threads_do_not_eat_the_memory(open_session):
    session = await open_session(memory_mb=512)
    await session.value(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(32) as pool: sum(pool.map(lambda i: len('x' * 10_000), range(2000)))"
    )
    assert await session.value("len(bytes(400 << 20))") == str(400 << 20)


async def test_too_many_threads_are_an_error_that_names_the_limit(open_session):
    session = await open_session(memory_mb=1024)
    message = await session.error(
        "import threading\nhold = threading.Event()\n"
        "for _ in range(100): threading.Thread(target=hold.wait, daemon=True).start()"
    )
    assert "at most 64 at once" in message
    assert await session.value("hold.set()\nprint(llm_query('x'))") == "x"


RAW_THREADS = """
import ctypes
libc = ctypes.CDLL(None)
sleep = ctypes.cast(libc.sleep, ctypes.c_void_p)
stacks = ctypes.create_string_buffer(1 << 20)
top = (ctypes.addressof(stacks) + len(stacks)) & ~15
FLAGS = 0x10F00  # CLONE_VM, FS, FILES, SIGHAND, THREAD
for i in range(COUNT): assert libc.clone(sleep, ctypes.c_void_p(top - 4096 * (i + 1)), FLAGS, ctypes.c_void_p(1000)) > 0
"""


async def test_threads_that_are_started_past_the_guard_end_the_session(open_session):
    session = await open_session(step_timeout_s=60.0)
    code = RAW_THREADS.replace("COUNT", "100")
    assert await session.death(f"{code}\nwhile True: pass") == "it started more than 64 threads"


async def test_messages_that_cost_the_host_more_than_the_worker_are_charged_to_the_step(open_session):
    session = await open_session(answer=lambda call: None, step_timeout_s=1.0)
    flood = (
        "import fcntl, os, struct, threading\n"
        "for channel in range(3, 64):\n"
        "    try: fcntl.fcntl(channel, fcntl.F_GETFD)\n"
        "    except OSError: continue\n"
        "    break\n"
        'body = b\'{"t":"output","text":""}\'\n'
        "frames = (struct.pack('>I', len(body)) + body) * 500\n"
        "threading.Thread(target=lambda: llm_query('never answered'), daemon=True).start()\n"
        "while True: os.write(channel, frames)"
    )
    async with asyncio.timeout(60):  # with the call open, the worker's own CPU time lasts for many minutes
        outcome = await session.run(flood)
    interrupted = isinstance(outcome, StepDone) and outcome.error is not None and outcome.error.kind == "interrupted"
    torn = isinstance(outcome, ReplLost) and "broke the protocol" in outcome.reason
    assert interrupted or torn, outcome
