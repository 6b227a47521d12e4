"""Pools, threads and event loops in the one thread of the WASI sandbox: what they ask is open at once."""

from __future__ import annotations

import asyncio

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox
from rlm_integrations.wire.calls import CallTool, HostCall, LlmQuery, Reserve
from rlm_integrations.wire.steps import StepDone

AT_ONCE = 8


@pytest.fixture
async def live(wasi_component, resting, settings, attach):
    if resting:
        repl = resting.pop()
        repl.join_loop()
    else:
        repl = await WasiSandbox().open(Corpus.of(None), settings(tools=("lookup",)))
    yield attach(repl)
    if repl.leave_loop():
        resting.append(repl)
    else:
        await repl.close()


async def _shown_where_all_are_open(live, code: str, waves: int = 1) -> str:
    """What the code shows whose calls are answered only when there are `AT_ONCE` of them; else it would never end."""
    open_: list[HostCall] = []
    seen = 0
    async with asyncio.timeout(20):
        async for event in live.events(code):
            match event:
                case HostCall(call=Reserve()):
                    live.repl.reply(event.id, 1)
                case HostCall():
                    seen += 1
                    open_.append(event)
                    if len(open_) == AT_ONCE:
                        for each in reversed(open_):
                            call = each.call
                            asked = call.prompt if isinstance(call, LlmQuery) else call.args[0]
                            live.repl.reply(each.id, f"re {asked}")
                        open_ = []
                case StepDone(error=error, output=output):
                    assert error is None, error
                    assert seen == waves * AT_ONCE
                    return (output.head + output.tail).strip()
                case _:
                    raise AssertionError(event)
    raise AssertionError


POOL = "from concurrent.futures import ThreadPoolExecutor, as_completed, wait\nimport threading, queue, asyncio\n"
NAMES = f"names = [str(n) for n in range({AT_ONCE})]\n"
EXPECTED = str([f"re {n}" for n in range(AT_ONCE)])
FORMS = {
    "a batch": "print(llm_query_batched(names))",
    "map": "with ThreadPoolExecutor(20) as pool: print(list(pool.map(llm_query, names)))",
    "map of a function": (
        "def ask(n): return llm_query(n)\n"
        "with ThreadPoolExecutor(20) as p: print(list(p.map(ask, names)))"
    ),
    "lambdas": "with ThreadPoolExecutor(20) as p: print(list(p.map(lambda n: llm_query(prompt=n), names)))",
    "submit": (
        "with ThreadPoolExecutor(20) as pool:\n    futures = {pool.submit(llm_query, n): n for n in names}\n"
        "    found = {futures[f]: f.result() for f in as_completed(futures)}\nprint([found[n] for n in names])"
    ),
    "wait": (
        "pool = ThreadPoolExecutor(20)\nfutures = [pool.submit(llm_query, n) for n in names]\nwait(futures)\n"
        "print([f.result() for f in futures])"
    ),
    "a helper, and lines before": (
        "log = []\ndef helper(n):\n    log.append(n)\n    return llm_query(n)\ndef task(n):\n    log.append(n)\n"
        "    return helper(n)\nwith ThreadPoolExecutor(20) as pool: print(list(pool.map(task, names)))\n"
        f"assert len(log) == {2 * AT_ONCE}, log"
    ),
    "methods": (
        "class Asker:\n    def __init__(self): self.asked = 0\n    def __ask(self, n):\n        self.asked += 1\n"
        "        return llm_query(n)\n    def ask(self, n): return self.__ask(n)\n"
        "class Other(Asker):\n    def ask(self, n): return super().ask(n)\nother = Other()\n"
        f"with ThreadPoolExecutor(20) as p: print(list(p.map(other.ask, names)))\nassert other.asked == {AT_ONCE}"
    ),
    "a decorator": (
        "import functools\ndef kept(f):\n    @functools.wraps(f)\n    def inner(*args, **kwargs):\n"
        "        return f(*args, **kwargs)\n    return inner\n@kept\n"
        "def ask(n, *, times=1): return llm_query(n) * times\n"
        "with ThreadPoolExecutor(20) as pool: print(list(pool.map(ask, names)))"
    ),
    "partials": (
        "from functools import partial\ndef ask(before, n): return llm_query(before + n)\n"
        "with ThreadPoolExecutor(20) as pool: print(list(pool.map(partial(ask, ''), names)))"
    ),
    "threads": (
        "found = {}\ndef ask(n): found[n] = llm_query(n)\n"
        "threads = [threading.Thread(target=ask, args=(n,)) for n in names]\n"
        "for t in threads: t.start()\nfor t in threads: t.join()\nprint([found[n] for n in names])"
    ),
    "a queue": (
        "todo, found = queue.Queue(), {}\ndef work():\n    while (n := todo.get()) is not None:\n"
        "        found[n] = llm_query(n)\n        todo.task_done()\n"
        f"threads = [threading.Thread(target=work) for _ in range({AT_ONCE})]\nfor t in threads: t.start()\n"
        "for n in names: todo.put(n)\ntodo.join()\nfor _ in threads: todo.put(None)\nfor t in threads: t.join()\n"
        "print([found[n] for n in names])"
    ),
    "a lock around what is kept": (
        "lock, found = threading.Lock(), {}\ndef ask(n):\n    reply = llm_query(n)\n    with lock: found[n] = reply\n"
        "with ThreadPoolExecutor(20) as pool: list(pool.map(ask, names))\nprint([found[n] for n in names])"
    ),
    "gather": "await asyncio.gather(*(asyncio.to_thread(llm_query, n) for n in names))",
    "gather in main": (
        "async def main(): return await asyncio.gather(*(asyncio.to_thread(llm_query, n) for n in names))\n"
        "print(asyncio.run(main()))"
    ),
    "tools": "with ThreadPoolExecutor(20) as pool: print(list(pool.map(lookup, names)))",
    "batches in a pool": (
        "with ThreadPoolExecutor(20) as pool: halves = pool.map(llm_query_batched, [names[:4], names[4:]])\n"
        "print([reply for half in halves for reply in half])"
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
async def test_what_a_pool_asks_is_open_at_once(live, form):
    assert await _shown_where_all_are_open(live, POOL + NAMES + FORMS[form]) == EXPECTED


async def test_two_calls_of_a_task_are_two_waves(live):
    code = (
        f"{POOL}{NAMES}def ask(n):\n    first = llm_query(n)\n    return llm_query(first[3:])\n"
        "with ThreadPoolExecutor(20) as pool: print(list(pool.map(ask, names)))"
    )
    assert await _shown_where_all_are_open(live, code, waves=2) == EXPECTED


ENDS = {
    "an exception is the future's": (
        "def ask(n): return 1 // n\n"
        "with ThreadPoolExecutor() as pool: futures = [pool.submit(ask, n) for n in (1, 0)]\n"
        "print(futures[0].result(), repr(futures[1].exception()))",
        "1 ZeroDivisionError('",
    ),
    "a thread's is printed": (
        "def fail(): raise KeyError('x')\nthreading.Thread(target=fail, name='t').start()",
        "Exception in thread t:\nTraceback (most recent call last):\n  File \"threading.py\"",
    ),
    "a thread that nobody joins": ("threading.Thread(target=print, args=('ran',)).start()", "ran"),
    "sleeps go on side by side": (
        "import time\nbegan = time.monotonic()\n"
        "with ThreadPoolExecutor() as pool: list(pool.map(time.sleep, [0.2] * 20))\n"
        "print(time.monotonic() - began < 2)",
        "True",
    ),
    "an event": (
        "there = threading.Event()\nwith ThreadPoolExecutor() as pool:\n    future = pool.submit(there.wait, 30)\n"
        "    pool.submit(there.set)\nprint(future.result())",
        "True",
    ),
    "a wait that ends in time": ("print(threading.Event().wait(0.01), queue.Queue().empty())", "False True"),
    "identities": (
        "def name(_): return threading.current_thread().name\n"
        "found = []\nt = threading.Thread(target=lambda: found.append(threading.current_thread().name), name='mine')\n"
        "t.start()\nt.join()\nprint(found, threading.current_thread().name, threading.active_count(), t.is_alive())",
        "['mine'] MainThread 1 False",
    ),
    "as many at once as a pool has": (
        "now, most = 0, 0\nimport time\ndef work(_):\n    global now, most\n    now += 1\n    most = max(most, now)\n"
        "    time.sleep(0.01)\n    now -= 1\n"
        "with ThreadPoolExecutor(3) as pool: list(pool.map(work, range(10)))\nprint(most)",
        "3",
    ),
    "locks": (
        "lock = threading.Lock()\norder = []\nimport time\ndef work(n):\n    with lock:\n        order.append(n)\n"
        "        time.sleep(0.01)\n        order.append(n)\n"
        "with ThreadPoolExecutor() as pool: list(pool.map(work, range(4)))\n"
        "print(order[::2] == order[1::2], sorted(order[::2]))",
        "True [0, 1, 2, 3]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
async def test_threads_do_what_threads_do(live, end):
    code, shown = ENDS[end]
    found = await live.value(POOL + code)
    assert found.startswith(shown)
    assert "wasi_guest" not in found
    assert "twins.py" not in found


async def test_a_wait_that_nothing_can_end_says_so(live):
    assert "deadlock: this session has one thread" in await live.error("import queue\nqueue.Queue().get()")
    assert await live.value("1 + 1") == "2"


async def test_a_pool_of_tools_has_its_calls_refused_one_by_one(live):
    def refuse(call):
        return f"found {call.args[0]}" if isinstance(call, CallTool) and call.args[0] != "b" else None

    async for event in live.events(
        f"{POOL}with ThreadPoolExecutor() as pool: futures = [pool.submit(lookup, n) for n in 'abc']\n"
        "print([f.exception() or f.result() for f in futures])"
    ):
        match event:
            case HostCall(call=call) if (value := refuse(call)) is not None:
                live.repl.reply(event.id, value)
            case HostCall():
                live.repl.refuse(event.id, "value", "no such thing")
            case StepDone(output=output):
                assert output.head.strip() == "['found a', ValueError('no such thing'), 'found c']"
