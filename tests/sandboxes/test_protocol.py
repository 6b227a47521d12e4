"""What a worker may send, and what the host does with everything else: model code can write to the channel."""

from __future__ import annotations

import asyncio
import os
import random
import signal

import pytest

from rlm_integrations.core.sandbox import HostCall, ReplLost, StepDone
from rlm_integrations.sandboxes.channel import open_calls
from rlm_integrations.sandboxes.process import repl as repl_module

FORGE = """
import fcntl, json, os, struct
for channel in range(3, 64):
    try:
        fcntl.fcntl(channel, fcntl.F_GETFD)
        break
    except OSError:
        pass
def raw(data):
    while data:
        data = data[os.write(channel, data):]
def frame(body):
    raw(struct.pack('>I', len(body)) + body)
def message(**fields):
    frame(json.dumps(fields).encode())
done = dict(t='done', step=STEP, output={'tail': '', 'cut_chars': 0}, error=None, variables=[], blocks_run=1,
            answer={'ready': False, 'content': '', 'is_json': False, 'refused': None})
"""

ATTACKS = {
    "a giant length": "raw(b'\\xff\\xff\\xff\\xff')",
    "garbage": "frame(bytes(range(256)))",
    "text that is not JSON": "frame(b'hello')",
    "too deep": "frame(b'[' * 1_000_000)",
    "a number of many digits": "frame(b'{\"t\": ' + b'9' * 100_000 + b'}')",
    "no object": "frame(b'[]')",
    "an empty frame": "frame(b'')",
    "an unknown kind": "message(t='exec')",
    "a kind that cannot be hashed": "message(t=['done'])",
    "the frame of a start": "message(t='ready', layers={})",
    "an unknown call": "message(t='call', id=1 << 20, name='open', payload={})",
    "a call without its fields": "message(t='call', id=1 << 20, name='llm_query', payload={})",
    "a call with more fields": "message(t='call', id=1 << 20, name='retrieve', payload={'query': 'x', 'k': 1})",
    "a call with a wrong type": "message(t='call', id=1 << 20, name='reserve', payload={'n': True})",
    "a negative count": "message(t='call', id=1 << 20, name='reserve', payload={'n': -1})",
    "a giant count": "message(t='call', id=1 << 20, name='reserve', payload={'n': 1 << 40})",
    "a tool with wrong arguments": (
        "message(t='call', id=1 << 20, name='tool', payload={'name': 'x', 'args': {}, 'kwargs': {}})"
    ),
    "an id that is no number": "message(t='call', id='a', name='reserve', payload={'n': 1})",
    "an id twice": "for _ in range(2): message(t='call', id=1 << 20, name='retrieve', payload={'query': 'x'})",
    "output that is no text": "message(t='output', text=5)",
    "the end of another step": "message(**{**done, 'step': 99})",
    "an end without an answer": "message(**{**done, 'answer': None})",
    "an answer that is not a text": "message(**{**done, 'answer': {**done['answer'], 'content': {}}})",
    "an end with a wrong error": (
        "message(**{**done, 'error': {'block': 1, 'line': None, 'source': '', 'message': '', 'kind': 'x'}})"
    ),
    "an error in a block that is not there": (
        "message(**{**done, 'error': {'block': 9, 'line': 1, 'source': '', 'message': '', 'kind': 'raised'}})"
    ),
    "an end after too many blocks": "message(**{**done, 'blocks_run': 2})",
    "variables that are no texts": "message(**{**done, 'variables': [1]})",
    "a negative cut": "message(**{**done, 'output': {'tail': '', 'cut_chars': -1}})",
    "millions of small values": (
        'frame(b\'{"t": "call", "id": 1, "name": "tool", "payload": '
        '{"name": "x", "kwargs": {}, "args": [\' + b\'[],\' * 3_000_000 + b\'0]}}\')'
    ),
    "too many calls": (
        "for i in range(10_001): message(t='call', id=(1 << 20) + i, name='retrieve', payload={'query': ''})"
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_broken_protocol_loses_the_session_and_nothing_else(open_session, attack):
    session = await open_session(answer=lambda call: None)
    other = await open_session()
    lost = await session.run(f"{FORGE.replace('STEP', '1')}\n{ATTACKS[attack]}\nwhile True: pass")
    assert isinstance(lost, ReplLost), lost
    assert lost.reason.startswith("it broke the protocol with")
    assert await other.value("print(llm_query('alive'))") == "alive"


async def test_half_a_frame_is_no_frame(open_session):
    session = await open_session()
    code = f"{FORGE.replace('STEP', '1')}\nraw(struct.pack('>I', 1000) + b'half')\nos._exit(0)"
    assert await session.death(code) == "it ended its own process (exit status 0)"


async def test_a_closed_channel_is_the_end(open_session):
    session = await open_session()
    code = f"{FORGE.replace('STEP', '1')}\nos.close(channel)\nllm_query('x')"
    assert await session.death(code) == "it closed its own connection to the host"


async def test_a_forged_end_costs_the_session(open_session):
    session = await open_session()
    done = await session.run(f"{FORGE.replace('STEP', '1')}\nmessage(**done)")
    assert isinstance(done, StepDone)
    reason = await session.death("1")
    assert reason.startswith("it broke the protocol with the end of a"), "the real end belongs to no step"


async def test_two_ends_at_once_are_one_too_many(open_session):
    session = await open_session()
    code = "body = json.dumps(done).encode()\nraw((struct.pack('>I', len(body)) + body) * 2)\nwhile True: pass"
    done = await session.run(f"{FORGE.replace('STEP', '1')}\n{code}")
    assert isinstance(done, StepDone)
    assert await session.death("1") == "it broke the protocol with the end of a step that was not running"


async def test_forged_texts_are_cut_to_their_length(open_session):
    session = await open_session(max_output_chars=1000)
    forged = (
        "message(t='output', text='h' * 50_000)\n"
        "message(**{**done, 'variables': ['v' * 5_000] * 100, 'output': {'tail': 't' * 50_000, 'cut_chars': 7},"
        " 'error': {'block': 1, 'line': 1, 'source': 's' * 9_000, 'message': 'm' * 9_000, 'kind': 'raised'}})"
    )
    done = await session.run(f"{FORGE.replace('STEP', '1')}\n{forged}")
    assert isinstance(done, StepDone)
    assert (done.output.head, done.output.tail) == ("h" * 1000, "t" * 1000)
    assert done.output.cut_chars == 49_007
    assert done.error is not None
    assert len(done.error.message) == len(done.error.source) == 2000
    assert [len(line) for line in done.variables] == [200] * 20


async def test_replies_in_any_order_reach_the_thread_that_asked(open_session):
    session = await open_session(memory_mb=1024)
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def ask(thread): return all(llm_query(f'{thread}-{i}') == f'{thread}-{i}' for i in range(50))\n"
        "with ThreadPoolExecutor(32) as pool: print(all(pool.map(ask, range(32))))"
    )
    shuffle = random.Random(7).shuffle
    open_: list[HostCall] = []
    async for event in session.repl.step([code]):
        if isinstance(event, StepDone):
            assert event.output.head == "True\n"
            break
        assert isinstance(event, HostCall)
        if event.name == "reserve":
            session.repl.reply(event.id, 1)
            continue
        open_.append(event)
        if len(open_) == 1:
            asyncio.get_running_loop().call_later(0.002, _answer_all, session.repl, open_, shuffle)


def _answer_all(repl, open_, shuffle):
    shuffle(open_)
    for call in open_:
        repl.reply(call.id, call.payload["prompt"])
    open_.clear()


async def test_a_batch_larger_than_the_open_calls_waits_its_turn(open_session):
    session = await open_session()
    assert await session.value("sum(map(int, llm_query_batched([str(i) for i in range(15_000)])))") == "112492500"


async def test_refusals_raise_in_the_code(open_session):
    session = await open_session(answer=lambda call: None, tools=("look_up",))
    kinds = iter(("type", "value", "budget", "failed"))
    code = "\n".join(["for _ in range(4):", " try: look_up('x')", " except Exception as e: print(type(e).__name__, e)"])
    async for event in session.repl.step([code]):
        if isinstance(event, HostCall):
            assert event.payload == {"name": "look_up", "args": ["x"], "kwargs": {}}
            session.repl.refuse(event.id, next(kinds), "no")
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


async def test_values_of_tools_come_and_go_unchanged(open_session):
    value = {"a": [1, 2.5, None, True, "é\ud800\x00\r\n 中 😀"], "b": {"c": []}}
    session = await open_session(answer=lambda call: call.payload["kwargs"]["value"], tools=("echo",))
    assert await session.value(f"echo(value={value!r}) == {value!r}") == "True"
    assert session.calls[0].payload["kwargs"]["value"] == value


async def test_a_reply_that_is_not_json_raises_in_the_code(open_session):
    session = await open_session(answer=lambda call: object(), tools=("look_up",))
    assert "object is not a JSON value" in await session.error("look_up()")


async def test_a_reply_to_a_call_that_is_not_open_is_ignored(open_session):
    session = await open_session()
    session.repl.reply(12345, "x")
    session.repl.refuse(12345, "failed", "x")
    assert await session.value("print(llm_query('x'))") == "x"


async def test_calls_of_threads_that_a_step_leaves_behind_fail(open_session):
    session = await open_session(answer=lambda call: None)
    await session.run(
        "import threading\nerrors = []\n"
        "def ask():\n    try: llm_query('x')\n    except Exception as e: errors.append(e)\n"
        "thread = threading.Thread(target=ask)\nthread.start()"
    )
    assert "no step of the code is running any more" in await session.value("thread.join()\nerrors")


async def test_a_message_too_large_for_a_frame_is_refused_in_words(open_session):
    session = await open_session(memory_mb=1024, sub_call_chars=100_000_000)
    assert "at most 64 MB" in await session.error("text = 'x' * 70_000_000\nllm_query(text)")
    assert await session.value("len(text)") == "70000000"


async def test_a_worker_that_does_not_read_is_killed(open_session, monkeypatch):
    monkeypatch.setattr(repl_module, "MAX_UNREAD_BYTES", 1 << 20)
    session = await open_session()
    worker = session.repl._worker.pid
    async for event in session.repl.step(["llm_query('x')"]):
        if isinstance(event, HostCall):
            os.kill(worker, signal.SIGSTOP)
            session.repl.reply(event.id, "x" * (8 << 20))
        else:
            assert isinstance(event, ReplLost)
            assert event.reason == "it stopped reading the host's replies"


async def test_large_calls_wait_while_the_host_holds_too_much(open_session, until, monkeypatch):
    monkeypatch.setattr(open_calls, "MAX_OPEN_CALL_BYTES", 1 << 20)
    session = await open_session(answer=lambda call: 1 if call.name == "reserve" else None)
    step = asyncio.ensure_future(session.run("print(len(llm_query_batched(['x' * 400_000] * 40)))"))
    await until(lambda: not session.repl._channel.reads)
    assert 2 < len(session.calls) < 10
    session.answer = lambda call: call.payload.get("prompt", 1)
    for call in list(session.calls):
        session.repl.reply(call.id, call.payload.get("prompt", 1))
    done = await step
    assert isinstance(done, StepDone)
    assert done.output.head == "40\n"


async def test_large_calls_are_counted_by_the_memory_that_they_take(open_session, until, monkeypatch):
    monkeypatch.setattr(open_calls, "MAX_OPEN_CALL_BYTES", 1 << 20)
    session = await open_session(answer=lambda call: None)
    wide = "'\\N{GRINNING FACE}' + 'x' * 300_000"  # with one such character, all take four bytes
    step = asyncio.ensure_future(session.run(f"llm_query({wide})"))
    await until(lambda: not session.repl._channel.reads)
    [call] = session.calls
    session.repl.reply(call.id, "done")
    assert isinstance(await step, StepDone)
