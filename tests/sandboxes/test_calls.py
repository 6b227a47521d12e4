"""Calls of the code, as the host begins, bounds and answers them."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

from rlm_integrations.sandboxes.channel import open_calls
from rlm_integrations.sandboxes.channel.begun_calls import CALLS_A_TURN
from rlm_integrations.wire.calls import CallTool, HostCall, Reserve
from rlm_integrations.wire.steps import StepDone

from .forging import FORGE


async def test_replies_in_any_order_reach_the_thread_that_asked(open_repl):
    live = await open_repl(memory_mb=1024)
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def ask(thread): return all(llm_query(f'{thread}-{i}') == f'{thread}-{i}' for i in range(50))\n"
        "with ThreadPoolExecutor(32) as pool: print(all(pool.map(ask, range(32))))"
    )
    shuffle = random.Random(7).shuffle
    open_: list[HostCall] = []
    async for event in live.events(code):
        if isinstance(event, StepDone):
            assert event.output.head == "True\n"
            break
        assert isinstance(event, HostCall)
        if isinstance(event.call, Reserve):
            live.repl.reply(event.id, 1)
            continue
        open_.append(event)
        if len(open_) == 1:
            asyncio.get_running_loop().call_later(0.002, _answer_all, live.repl, open_, shuffle)


def _answer_all(repl, open_, shuffle):
    shuffle(open_)
    for call in open_:
        repl.reply(call.id, call.call.prompt)
    open_.clear()


async def test_a_batch_larger_than_the_open_calls_waits_its_turn(open_repl):
    live = await open_repl()
    assert await live.value("sum(map(int, llm_query_batched([str(i) for i in range(10_500)])))") == "55119750"


async def test_refusals_raise_in_the_code(open_repl):
    live = await open_repl(answer=lambda call: None, tools=("look_up",))
    kinds = iter(("type", "value", "budget", "failed"))
    code = "\n".join(["for _ in range(4):", " try: look_up('x')", " except Exception as e: print(type(e).__name__, e)"])
    async for event in live.events(code):
        if isinstance(event, HostCall):
            assert event.call == CallTool("look_up", ["x"], {})
            live.repl.refuse(event.id, next(kinds), "no")
        else:
            assert isinstance(event, StepDone)
            assert event.output.head.split() == [
                "TypeError",
                "no",
                "ValueError",
                "no",
                "SubCallLimitError",
                "no",
                "RuntimeError",
                "no",
            ]


async def test_values_of_tools_come_and_go_unchanged(open_repl):
    value = {"a": [1, 2.5, None, True, "é\ud800\x00\r\n 中 😀"], "b": {"c": []}}
    live = await open_repl(answer=lambda call: call.kwargs["value"], tools=("echo",))
    assert await live.value(f"echo(value={value!r}) == {value!r}") == "True"
    assert live.calls[0].call.kwargs["value"] == value


async def test_calls_of_threads_that_a_step_leaves_behind_fail(open_repl):
    live = await open_repl(answer=lambda call: None)
    await live.run(
        "import threading\nerrors = []\n"
        "def ask():\n    try: llm_query('x')\n    except Exception as e: errors.append(e)\n"
        "thread = threading.Thread(target=ask)\nthread.start()"
    )
    assert "no step of the code is running any more" in await live.value("thread.join()\nerrors")


LEFT_BEHIND = """
import threading
threads = [threading.Thread(target=lambda: llm_query('q')) for _ in range(30)]
for thread in threads: thread.start()
"""


async def test_of_many_threads_that_a_step_left_behind_one_is_shown(open_repl):
    live = await open_repl(answer=lambda call: None)
    await live.run(LEFT_BEHIND)
    live.answer = lambda call: "a reply"  # to a thread that comes to ask in the next step
    shown = await live.value("for thread in threads: thread.join()\nprint('next')")
    assert shown.count("no step of the code is running any more: ask again") <= 2
    assert "the same (further threads that end so are not shown)\n" in shown
    assert shown.endswith("next")
    assert len(shown) < 2_000
    again = "def fail(): raise KeyError('x')\nthread = threading.Thread(target=fail)\nthread.start()\nthread.join()"
    for _ in range(2):  # each step tells of its own
        assert (await live.value(again)).endswith("KeyError: 'x'")


async def test_the_loop_goes_on_while_a_long_message_comes(open_repl):
    live = await open_repl(memory_mb=1024, sub_call_chars=100_000_000)
    loop, turns = asyncio.get_running_loop(), 0
    counter: asyncio.Handle

    def turn() -> None:
        nonlocal turns, counter
        turns += 1
        counter = loop.call_soon(turn)

    turn()
    async for event in live.events("llm_query('[' * 12_000_000)"):
        if isinstance(event, HostCall):
            assert event.call.prompt == "[" * 12_000_000
            assert turns > 40, "no more than a read of 256 KB is worked on at a time"
            live.repl.reply(event.id, "read")
        else:
            assert isinstance(event, StepDone)
            assert event.error is None
    counter.cancel()


MANY_CALLS = """
import struct
def call(i, name, **payload): return json.dumps(dict(t='call', id=(1 << 20) + i, name=name, payload=payload)).encode()
raw(b''.join(struct.pack('>I', len(body)) + body for body in [call(i, 'retrieve', query='q') for i in range(COUNT)]))
"""


class Turns:
    """Counts the turns of the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.so_far = 0
        self._turn()

    def _turn(self) -> None:
        self.so_far += 1
        self._next = self._loop.call_soon(self._turn)

    def stop(self) -> None:
        self._next.cancel()


async def _begin_calls(live, code, answer) -> list[int]:
    """Run a step, each call in a task of its own. Returns in which turn of the loop each was begun."""
    turns, begun, tasks = Turns(), list[int](), set[asyncio.Task[None]]()

    async def begin(call: HostCall) -> None:
        begun.append(turns.so_far)
        live.repl.reply(call.id, answer())

    done = await live.repl.step([code], lambda call: tasks.add(asyncio.ensure_future(begin(call))))
    assert isinstance(done, StepDone), done
    turns.stop()
    return begun


async def test_a_flood_of_calls_is_begun_over_many_turns_of_the_loop(open_repl):
    """A read of the channel holds hundreds of calls, and what each costs the host is not the channel's to know."""
    live = await open_repl()
    code = FORGE.replace("STEP", "1") + MANY_CALLS.replace("COUNT", "400") + "llm_query('all were read')"
    begun = await _begin_calls(live, code, lambda: "x")
    assert len(begun) == 401
    assert max(Counter(begun).values()) <= CALLS_A_TURN


def _spin() -> str:
    end = time.thread_time() + 0.005
    while time.thread_time() < end:
        pass
    return "x"


async def test_calls_that_take_the_host_long_are_begun_one_a_turn_and_charged(open_repl):
    live = await open_repl(step_timeout_s=0.5)
    code = FORGE.replace("STEP", "1") + MANY_CALLS.replace("COUNT", "2_000") + "llm_query('all were read')"
    turns = Counter(await _begin_calls(live, code, _spin))
    assert [count for _, count in sorted(turns.items())][1:] == [1] * (len(turns) - 1)
    assert sum(turns.values()) < 200, "0.5 s of the host's time is the limit of the step as well"


async def test_short_frames_are_charged_one_by_one(open_repl):
    """They are not measured, so that code that waits between them must not have the host work for nothing."""
    live = await open_repl(step_timeout_s=0.5)
    code = FORGE.replace("STEP", "1") + (
        "import struct\n"
        "body = json.dumps(dict(t='output', text='')).encode()\n"
        "n = 0\n"
        "while True:\n"
        "    raw((struct.pack('>I', len(body)) + body) * 60)\n"
        "    llm_query('all were read')\n"
        "    n += 1"
    )
    done = await live.run(code)
    assert done.error.kind == "interrupted"
    assert 0 < int(await live.value("n")) <= 700


async def test_calls_that_nobody_has_begun_are_forgotten_with_their_step(open_repl):
    live = await open_repl()
    code = FORGE.replace("STEP", "1") + MANY_CALLS.replace("COUNT", "9_990")
    sent = list[bytes]()
    write = live.repl._channel.write
    live.repl._channel.write = lambda frame: (sent.append(frame), write(frame))
    live.answer = lambda call: None
    assert isinstance(await live.run(code), StepDone)
    assert len(sent) == 2, "the step, and one message that refuses all that was open"
    assert await live.value("1 + 1") == "2"


async def test_a_reply_of_any_length_is_sent_over_many_turns_of_the_loop(open_repl):
    live = await open_repl(memory_mb=1024, retriever=True)
    turns = Turns()
    step = asyncio.ensure_future(live.run("print(len(retrieve('x')[0]['text']))"))
    live.answer = lambda call: [{"id": "1", "text": "x" * 10_000_000, "metadata": {}}]
    while not live.calls:
        await asyncio.sleep(0)
    before = turns.so_far
    done = await step
    turns.stop()
    assert done.output.head == "10000000\n"
    assert turns.so_far - before >= 9, "a megabyte a turn"


async def test_large_calls_are_counted_by_the_memory_that_they_take(open_repl, until, monkeypatch):
    monkeypatch.setattr(open_calls, "MAX_OPEN_CALL_BYTES", 1 << 20)
    live = await open_repl(answer=lambda call: None)
    wide = "'\\N{GRINNING FACE}' + 'x' * 300_000"  # with one such character, all take four bytes
    step = asyncio.ensure_future(live.run(f"llm_query({wide})"))
    await until(lambda: not live.repl._channel.reads)
    [call] = live.calls
    live.repl.reply(call.id, "done")
    assert isinstance(await step, StepDone)
