"""The WASI sandbox keeps time, memory and depth, and the REPL lives on where it can."""

from __future__ import annotations

import asyncio

import pytest

from rlm_integrations.wire.steps import StepDone

pytestmark = pytest.mark.usefixtures("wasi_component")

STOPPED = {
    "a loop": "while True: n += 1",
    "code that catches all": "while True:\n    try:\n        while True: n += 1\n    except BaseException: pass",
    "recursion": "def fib(k): return k if k < 2 else fib(k - 1) + fib(k - 2)\nfib(60)",
    "a comprehension": "[k for k in iter(int, 1)]",
    "a generator": "import itertools\nsum(k for k in itertools.count())",
    "a lambda": "f = lambda k: f(k) if k else 1\nwhile True: (lambda: 1)()",
    "sleep": "import time\ntime.sleep(60)",
    "a pool": "from concurrent.futures import ThreadPoolExecutor\ndef spin():\n    while True: pass\n"
    "with ThreadPoolExecutor() as pool: pool.submit(spin)",
    "a loop of calls": "while True:\n    llm_query('x')\n    n += 1",
    "a loop of prints": "while True:\n    print('x' * 5_000)\n    n += 1",
    "a method": "class A:\n    def spin(self):\n        while True: pass\nA().spin()",
}


@pytest.mark.parametrize("kind", STOPPED)
async def test_code_that_is_stopped_at_its_time_limit_keeps_its_variables_and_draft(open_wasi, kind):
    live = await open_wasi(step_timeout_s=0.2)
    await live.run("n = 0\nanswer['content'] = 'a draft'")
    done = await live.run(f"n += 1\n{STOPPED[kind]}")
    assert isinstance(done, StepDone)
    assert done.error is not None
    assert (done.error.kind, done.answer.content) == ("interrupted", "a draft")
    assert done.error.message.startswith("stopped: it ")
    assert await live.value("n > 0") == "True"


async def test_the_end_of_the_run_interrupts_code_that_computes_and_code_that_waits(open_wasi, attach):
    live = attach((await open_wasi()).repl, lambda call: None)
    for code in ("while True: pass", "llm_query('never answered')"):
        done = await live.run(f"answer['content'] = 'a draft'\n{code}", seconds_left=0.2)
        assert isinstance(done, StepDone)
        assert (done.error.kind, done.answer.content) == ("interrupted", "a draft")
        assert done.error.message.endswith("stopped: the time of the whole run was over")


async def test_an_interrupt_from_the_host_reaches_code_that_computes(open_wasi):
    live = await open_wasi()
    step = asyncio.ensure_future(live.run("print('begun')\nllm_query('x')\nwhile True: pass"))
    while not live.calls:
        await asyncio.sleep(0.01)
    live.repl.interrupt()
    done = await step
    assert isinstance(done, StepDone)
    assert done.error.kind == "interrupted"
    assert await live.value("1 + 1") == "2"


async def test_what_spins_in_one_call_of_c_is_ended(open_wasi, short_wasi_grace):
    live = await open_wasi(step_timeout_s=0.2)
    reason = await live.death("import itertools\nsum(itertools.repeat(0))")
    assert "it ran for 0.2 s, the limit of a step" in reason
    assert "could not be interrupted" in reason


DEEP = {
    "a list": "deep = []\nfor _ in range(300_000): deep = [deep]",
    "a tuple": "deep = ()\nfor _ in range(200_000): deep = (deep,)",
}


@pytest.mark.parametrize("kind", DEEP)
async def test_values_nested_deeply_are_freed_and_not_printed(open_wasi, kind):
    live = await open_wasi(memory_mb=512)
    await live.value(DEEP[kind])
    assert "RecursionError" in await live.error("print(deep)")
    assert await live.value("deep = None\n'alive'") == "alive"


async def test_recursion_has_an_end_that_the_repl_survives(open_wasi):
    live = await open_wasi()
    assert "RecursionError" in await live.error("def f(n): return f(n + 1)\nf(0)")
    assert "RecursionError" in await live.error("class A:\n    def __repr__(self): return repr(self)\nrepr(A())")
    assert await live.value("'alive'") == "alive"


async def test_memory_that_is_let_go_of_after_its_end_was_reached_is_there_again(open_wasi):
    live = await open_wasi(memory_mb=64)
    for _ in range(3):
        message = await live.error("kept = []\nwhile True: kept.append('x' * 1_000_000 + str(len(kept)))")
        assert message.startswith("MemoryError: over the 64 MB on top of the corpus; `del` what is not needed")
        assert int(await live.value("len(kept)")) > 50
        await live.value("kept = None")


async def test_a_corpus_does_not_count_against_the_memory_of_the_code(open_wasi):
    live = await open_wasi("ab" * 30_000_000, memory_mb=16)  # more than the guest has besides
    assert await live.value("len(context), context.count('b'), len('c' * 12_000_000)") == (
        "(60000000, 30000000, 12000000)"
    )
