"""Time, memory and threads of a step; interrupts; and what survives them."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest

from rlm_integrations.sandboxes.process import repl as repl_module
from rlm_integrations.wire.steps import ReplLost, StepDone


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
    "a loop that swallows interrupts": (
        "def spin():\n    while True: abs(1)\nwhile True:\n    try: spin()\n    except BaseException: pass"
    ),
    "sleeps that go on": "import time\nfor _ in range(1_000):\n    try: time.sleep(10)\n    except: continue",
    "a function that swallows interrupts": (
        "import re\ndef found(text):\n    try: return re.match('(a+)+$', text)\n    except: return None\n"
        "[found('a' * 40 + 'b') for _ in range(1_000)]"
    ),
    "a destructor": ("import time\nclass Slow:\n    def __del__(self): time.sleep(0.2)\nfor _ in range(1_000): Slow()"),
}


@pytest.mark.parametrize("kind", INTERRUPTIBLE)
async def test_code_that_does_not_end_is_interrupted(open_repl, kind):
    live = await open_repl()
    done = await live.run("kept = 42\nprint('begun')", INTERRUPTIBLE[kind], seconds_left=0.2)
    assert isinstance(done, StepDone), done
    assert done.error is not None
    assert (done.error.kind, done.error.block) == ("interrupted", 2)
    assert done.output.head.startswith("begun\n")
    assert await live.value("kept") == "42"


async def test_what_was_interrupted_is_told_with_its_limit(open_repl):
    live = await open_repl(step_timeout_s=0.2)
    assert await live.error("import time\ntime.sleep(1000)") == (
        "stopped: it ran for 0.2 s, the limit of a step (waiting for calls not counted); "
        "do less in one step, or in a faster way"
    )
    done = await live.run("time.sleep(1000)", seconds_left=0.1)
    assert done.error.message == "stopped: the time of the whole run was over"


async def test_an_interrupt_of_the_codes_own_is_no_limit(open_repl):
    done = await (await open_repl()).run("kept = 1\nraise KeyboardInterrupt")
    assert (done.error.kind, done.error.message, done.error.line) == ("raised", "KeyboardInterrupt", 2)


WAITING_FOR_THREADS = {
    "a pool of sub-calls": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as pool: list(pool.map(llm_query, ['x'] * 50))"
    ),
    "a pool that swallows errors": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def ask(prompt):\n"
        "    try: return llm_query(prompt)\n"
        "    except Exception: return None\n"
        "with ThreadPoolExecutor(4) as pool: [pool.submit(ask, 'x') for _ in range(50)]"
    ),
    "a pool of loops": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def spin(_):\n    while True: pass\n"
        "with ThreadPoolExecutor(4) as pool: list(pool.map(spin, range(8)))"
    ),
    "threads of asyncio": (
        "import asyncio\n"
        "async def main(): await asyncio.gather(*(asyncio.to_thread(llm_query, 'x') for _ in range(4)))\n"
        "asyncio.run(main())"
    ),
}


@pytest.mark.parametrize("kind", WAITING_FOR_THREADS)
async def test_code_that_waits_for_its_threads_keeps_its_variables(open_repl, kind, monkeypatch):
    """An interrupt reaches the main thread only, and a pool waits for its threads before it lets go."""
    monkeypatch.setattr(repl_module, "INTERRUPT_GRACE_S", 10.0)
    live = await open_repl(answer=lambda call: None)
    done = await live.run("kept = 42", WAITING_FOR_THREADS[kind], seconds_left=0.2)
    assert isinstance(done, StepDone), done
    assert done.error.kind == "interrupted"
    live.answer = lambda call: "answered"
    assert await live.value("print(kept, llm_query('x'))") == "42 answered"


async def test_an_answer_that_takes_for_ever_to_read_is_interrupted(open_repl):
    live = await open_repl(step_timeout_s=0.2)
    done = await live.run(
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
    "ignored signals": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
}


@pytest.mark.parametrize("kind", STUBBORN)
async def test_code_that_cannot_be_interrupted_is_killed(open_repl, kind, monkeypatch):
    monkeypatch.setattr(repl_module, "INTERRUPT_GRACE_S", 0.1)
    live = await open_repl(step_timeout_s=0.2)
    lost = await live.run("print('begun')", STUBBORN[kind])
    assert isinstance(lost, ReplLost)
    time = r"it ran for 0\.2 s, the limit of a step \(waiting for calls not counted\)"
    cpu = r"it used 0\.2 s of CPU time, the limit of a step"  # which of them is over first is a matter of moments
    to_do = "do less in one step, or in a faster way"
    assert re.fullmatch(f"({time}|{cpu}), and it could not be interrupted; {to_do}", lost.reason)
    assert lost.output.head == "begun\n"


async def test_cpu_time_counts_while_a_call_is_open(open_repl):
    live = await open_repl(step_timeout_s=0.2, answer=lambda call: None)
    done = await live.run(
        "import threading\nthreading.Thread(target=llm_query, args=('never answered',)).start()\nwhile True: pass"
    )
    assert isinstance(done, StepDone)
    assert done.error is not None
    assert done.error.kind == "interrupted"
    assert done.error.message == (
        "stopped: it used 0.2 s of CPU time, the limit of a step; do less in one step, or in a faster way"
    )


async def test_the_time_of_the_run_ends_a_step_that_waits_for_a_call(open_repl):
    live = await open_repl(answer=lambda call: None)
    done = await live.run("kept = 1\nllm_query('never answered')", seconds_left=0.2)
    assert isinstance(done, StepDone)
    assert done.error is not None
    assert done.error.kind == "interrupted"
    live.answer = lambda call: "answered"
    assert await live.value("print(kept, llm_query('x'))") == "1 answered"


async def test_no_time_left_is_no_time(open_repl, monkeypatch):
    live = await open_repl()
    done = await live.run("while True: pass", seconds_left=0.0)
    assert isinstance(done, StepDone)
    assert done.error is not None
    assert done.error.kind == "interrupted"
    monkeypatch.setattr(repl_module, "INTERRUPT_GRACE_S", 0.1)
    lost = await live.run("import itertools\nsum(itertools.repeat(1))", seconds_left=0.0)
    assert isinstance(lost, ReplLost)
    assert lost.reason == "the time of the whole run was over, and it could not be interrupted"


async def test_an_interrupt_never_tears_a_message(open_repl):
    """Large calls, one after the other: most interrupts fall into the sending of one."""
    live = await open_repl()
    for _ in range(5):
        done = await live.run("text = 'x' * 2_000_000\nwhile True: llm_query(text)", seconds_left=0.06)
        assert isinstance(done, StepDone), done
        assert done.error is not None
        assert done.error.kind == "interrupted"
        assert await live.value("print(len(llm_query(text)))") == "2000000"


async def test_signals_between_steps_do_no_harm(open_repl):
    live = await open_repl()
    pid = live.repl.pid
    for _ in range(3):
        os.kill(pid, 2)
        assert await live.value("21 * 2") == "42"


async def test_threads_that_a_step_leaves_behind_are_stopped_between_steps(open_repl, until):
    live = await open_repl()
    await live.run(
        "import threading\nstop = False\ndef spin():\n    while not stop: pass\nthreading.Thread(target=spin).start()"
    )
    stat = Path(f"/proc/{live.repl.pid}/stat")
    await until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
    assert await live.value("stop = True\n'ended'") == "ended"


MEMORY_EATERS = {
    "tiny objects": "eaten = []\nwhile True: eaten.append([len(eaten)])",
    "a huge buffer": "eaten = bytearray(1 << 40)",
    "in a thread": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(1) as pool: pool.submit(lambda: bytes(1 << 31)).result()"
    ),
}


@pytest.mark.parametrize("kind", MEMORY_EATERS)
async def test_too_much_memory_raises_and_the_repl_survives(open_repl, kind):
    live = await open_repl(memory_mb=32)
    await live.run("kept = 42")
    assert await live.error(MEMORY_EATERS[kind]) == (
        "MemoryError: over the 32 MB on top of the corpus; `del` what is not needed, and keep less at once"
    )
    assert await live.value("eaten = None\nkept") == "42"
    assert await live.value("len('b' * (16 << 20))") == str(16 << 20)


async def test_memory_that_ran_out_in_one_step_after_the_other_can_be_freed(open_repl):
    live = await open_repl(memory_mb=32)
    await live.run("kept, eaten = 42, {}")
    for _ in range(4):
        assert (await live.error("while True: eaten[len(eaten)] = 'x' * 600")).startswith("MemoryError: over the 32 MB")
    assert await live.value("del eaten\nkept, len('b' * (16 << 20))") == f"(42, {16 << 20})"


async def test_a_repl_that_never_frees_its_memory_is_lost_in_the_end(open_repl):
    live = await open_repl(memory_mb=64)
    await live.run("eaten = {}")
    for _ in range(10):
        done = await live.run("while True: eaten[len(eaten)] = [len(eaten)]")
        if isinstance(done, ReplLost):
            break
    assert "it used more than 64 MB of memory" in done.reason


@pytest.mark.parametrize("corpus_mb", [1, 100])
@pytest.mark.parametrize("kind", ["text", "documents"])
async def test_the_memory_is_on_top_of_the_corpus(open_repl, corpus_mb, kind):
    text = "x" * (corpus_mb << 20)
    live = await open_repl(text if kind == "text" else [text[: len(text) // 2]] * 2, memory_mb=128)
    assert await live.value("len(bytes(100 << 20))") == str(100 << 20)
    assert (await live.error("bytes(160 << 20)")).startswith("MemoryError: over the 128 MB on top of the corpus")
    size = "len(context)" if kind == "text" else "sum(len(each['text']) for each in context)"
    assert await live.value(size) == str(corpus_mb << 20)


async def test_threads_do_not_eat_the_memory(open_repl):
    live = await open_repl(memory_mb=512)
    await live.value(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(32) as pool: sum(pool.map(lambda i: len('x' * 10_000), range(2000)))"
    )
    assert await live.value("len(bytes(400 << 20))") == str(400 << 20)


async def test_too_many_threads_are_an_error_that_names_the_limit(open_repl):
    live = await open_repl(memory_mb=1024)
    message = await live.error(
        "import threading\nhold = threading.Event()\n"
        "for _ in range(100): threading.Thread(target=hold.wait, daemon=True).start()"
    )
    assert "at most 64 at once" in message
    assert await live.value("hold.set()\nprint(llm_query('x'))") == "x"


async def test_a_pool_of_more_workers_than_may_run_makes_do_with_fewer(open_repl):
    live = await open_repl(memory_mb=1024)
    pooled = "with ThreadPoolExecutor(200) as pool: print(len(set(pool.map(llm_query, map(str, range(300))))))"
    assert await live.value(f"from concurrent.futures import ThreadPoolExecutor\n{pooled}") == "300"
    hold = "import threading\nhold = threading.Event()\nfor _ in range(64): threading.Thread(target=hold.wait).start()"
    await live.run(hold)
    assert "at most 64 at once" in await live.error("ThreadPoolExecutor(2).submit(print)")
    await live.run("hold.set()")


RAW_THREADS = """
import ctypes
libc = ctypes.CDLL(None)
sleep = ctypes.cast(libc.sleep, ctypes.c_void_p)
stacks = ctypes.create_string_buffer(1 << 20)
top = (ctypes.addressof(stacks) + len(stacks)) & ~15
FLAGS = 0x10F00  # CLONE_VM, FS, FILES, SIGHAND, THREAD
for i in range(COUNT): assert libc.clone(sleep, ctypes.c_void_p(top - 4096 * (i + 1)), FLAGS, ctypes.c_void_p(1000)) > 0
"""


async def test_threads_that_are_started_past_the_guard_end_the_repl(open_repl):
    live = await open_repl(step_timeout_s=60.0)
    code = RAW_THREADS.replace("COUNT", "100")
    reason = await live.death(f"{code}\nwhile True: pass")
    assert reason == "it started more than 64 threads; use a pool of fewer workers"


FORBIDDEN = {
    "a process": "import os\nos.fork()",
    "a program": "import subprocess\nsubprocess.run(['true'])",
    "a file": "open('/etc/passwd')",
    "the network": "import socket\nsocket.socket()",
}


@pytest.mark.parametrize("kind", FORBIDDEN)
async def test_what_is_not_there_is_told(open_repl, kind):
    live = await open_repl()
    message = await live.error("kept = 1\n" + FORBIDDEN[kind])
    told = message.count("this session has no files, network or other processes")
    assert told == 1 or "not available in the REPL" in message
    assert await live.value("kept") == "1"


async def test_calls_that_are_answered_at_once_are_charged_to_the_step(open_repl):
    """While a call is open the step's wall time stands still: instant answers would let a loop of calls go on."""
    live = await open_repl(step_timeout_s=0.3)
    done = await live.run("n = 0\nwhile True:\n    llm_query('x')\n    n += 1")
    assert done.error.kind == "interrupted"
    assert int(await live.value("n")) <= 3_000


async def test_messages_that_cost_the_host_more_than_the_worker_are_charged_to_the_step(open_repl):
    live = await open_repl(answer=lambda call: None, step_timeout_s=0.2)
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
        outcome = await live.run(flood)
    interrupted = isinstance(outcome, StepDone) and outcome.error is not None and outcome.error.kind == "interrupted"
    torn = isinstance(outcome, ReplLost) and "broke the protocol" in outcome.reason
    assert interrupted or torn, outcome
