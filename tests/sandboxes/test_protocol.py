"""What a worker may send, and what the host does with everything else: model code can write to the channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.sandboxes.channel import long_texts
from rlm_integrations.sandboxes.process import repl as repl_module
from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox
from rlm_integrations.wire.calls import LlmQuery
from rlm_integrations.wire.steps import ReplLost, StepDone

from .forging import FORGE

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
    "variables that are no texts": "message(**{**done, 'variables': [1]})",
    "a negative cut": "message(**{**done, 'output': {'tail': '', 'cut_chars': -1}})",
    "millions of small values": (
        'frame(b\'{"t": "call", "id": 1, "name": "tool", "payload": '
        '{"name": "x", "kwargs": {}, "args": [\' + b\'[],\' * 3_000_000 + b\'0]}}\')'
    ),
    "many small values": (
        "message(t='texts', texts=['x'])\n"
        "args = {'name': 'x', 'kwargs': {}, 'args': [0] * 80_000 + ['']}\n"
        "message(t='call', id=1, name='tool', payload=args, pieces=[1])"
    ),
    "a query without end": "message(t='call', id=1, name='retrieve', payload={'query': 'x' * 20_001})",
    "arguments without end": (
        "message(t='texts', texts=['x' * 32_000])\n" * 320
        + "message(t='call', id=1, name='tool', payload={'name': 'x', 'args': [], 'kwargs': {'a': ''}}, pieces=[320])"
    ),
    "an answer without end": (
        "message(t='texts', texts=['x' * 32_000])\n"
        * 320
        + "long = {'ready': True, 'content': '', 'is_json': False, 'refused': None}\n"
        "message(**{**done, 'answer': long}, pieces=[0, 320])"
    ),
    "an answer to a call": "message(t='reply', id=1, value='x')",
    "a refusal of a call": "message(t='refuse', id=1, kind='failed', message='x')",
    "the start of a step": "message(t='step', step=2, blocks=['1'])",
    "an end whose kind is written twice": 'frame(b\'{"t": "output", "text": "", "t": "done"}\')',
    "an id that is not a number": "message(t='call', id=float('nan'), name='retrieve', payload={'query': 'x'})",
    "an id without end": "message(t='call', id=float('inf'), name='retrieve', payload={'query': 'x'})",
    "an id of many digits": "message(t='call', id=1 << 60, name='retrieve', payload={'query': 'x'})",
    "a negative batch": ("message(t='call', id=1, name='llm_query', payload={'prompt': 'x', 'batch': -1, 'index': 0})"),
    "a cite of a wrong place": (
        "message(t='call', id=1, name='cite', payload={'document_id': 'x', 'start': -1, 'end': 1, 'text': 'x'})"
    ),
    "6 MB in one frame": 'frame(b\'{"t": "output", "text": "\' + b\'x\' * 6_000_000 + b\'"}\')',
    "a frame behind a whole one in the same write": (
        'body = b\'{"t": "output", "text": ""}\'\nraw(struct.pack(\'>I\', len(body)) + body + b\'\\xff\' * 4)'
    ),
    "texts that are no texts": "message(t='texts', texts=[1])",
    "texts of no message": "message(t='texts', texts=['x'])\nmessage(t='output', text='')",
    "texts that never came": "message(t='output', text='', pieces=[1 << 50])",
    "texts without end": "while True: message(t='texts', texts=['x' * 30_000] * 8)",
    "small texts without end": "while True: message(t='texts', texts=['x'] * 30_000)",
    "texts that grow when they are joined": (
        "for _ in range(100): message(t='texts', texts=['x' * 30_000])\n"
        "message(t='texts', texts=['\\U0001F600'])\nmessage(t='output', text='', pieces=[101])"
    ),
    "writing from many threads at once": (
        "import threading\n"
        "def write():\n    while True: os.write(channel, os.urandom(99))\n"
        "for _ in range(8): threading.Thread(target=write, daemon=True).start()"
    ),
    "an end in the midst of its texts": "message(t='texts', texts=['x'])\nmessage(**done)",
    "too many calls": (
        "for i in range(10_001): message(t='call', id=(1 << 20) + i, name='retrieve', payload={'query': ''})"
    ),
}


class Bystander:
    """A run that asks its host one question after the other while another run is hostile.

    Each is answered a moment later: at once, and the two would take as much time as the other run.
    """

    def __init__(self, live, until) -> None:
        self._live, self._until = live, until
        self._stopping = False
        live.answer = self._answer_soon
        self._step = asyncio.ensure_future(live.run(BYSTANDER))

    def _answer_soon(self, call: LlmQuery) -> None:
        asyncio.get_running_loop().call_later(0.003, self._answer, self._live.calls[-1].id, call.prompt)

    def _answer(self, number: int, prompt: str) -> None:
        self._live.repl.reply(number, "stop" if self._stopping else prompt)

    def has_ended(self) -> bool:
        return self._step.done()

    async def is_right(self) -> None:
        """It goes on from here, and comes to the right end."""
        so_far = len(self._live.calls)
        await self._until(lambda: len(self._live.calls) > so_far + 3 or self._step.done())
        self._stopping = True
        done = await self._step
        assert isinstance(done, StepDone), done
        assert done.error is None, done.error
        assert done.output.head == f"{len(self._live.calls) - 1}\n"
        assert await self._live.value("sorted(context[:3])") == "['a', 'b', 'c']"


BYSTANDER = "n = 0\nwhile llm_query(str(n)) == str(n): n += 1\nprint(n)"


@pytest.fixture
async def bystander(resting, settings, attach, until) -> AsyncIterator[Bystander]:
    if resting:
        repl = resting.pop()
        repl.join_loop()
    else:
        repl = await ProcessSandbox().open(Corpus.of("cab"), settings())
    bystander = Bystander(attach(repl), until)
    yield bystander
    if bystander.has_ended() and repl.leave_loop():
        resting.append(repl)
    else:
        await repl.close()


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_broken_protocol_loses_the_repl_and_nothing_else(open_repl, bystander, attack, monkeypatch):
    monkeypatch.setattr(long_texts, "MAX_TEXT_BYTES", 8 << 20)
    live = await open_repl(answer=lambda call: None)
    lost = await live.run(f"{FORGE.replace('STEP', '1')}\n{ATTACKS[attack]}\nwhile True: pass")
    assert isinstance(lost, ReplLost), lost
    assert lost.reason.startswith("it broke the protocol with")
    assert "Traceback" not in lost.reason
    await bystander.is_right()


FLOODS = {
    "output": "while True: message(t='output', text='x' * 1_000)",
    "empty output": "while True: message(t='output', text='')",
    "empty texts": "while True: message(t='texts', texts=[])",
    "calls that are answered": (
        "for i in itertools.count(1 << 20): message(t='call', id=i, name='retrieve', payload={'query': ''})"
    ),
    "large calls that are answered": (
        "for i in itertools.count(1 << 20): message(t='call', id=i, name='retrieve', payload={'query': 'x' * 20_000})"
    ),
    "calls, and none of the answers is read": (
        "for i in range(1 << 20, (1 << 20) + 5_000):\n"
        "    message(t='call', id=i, name='retrieve', payload={'query': 'x' * 20_000})\n"
        "    if i == (1 << 20) + 50: max(range(10**12))"
    ),
    "output from threads that outlive the step": (
        "def write():\n    while True: message(t='output', text='')\n"
        "for _ in range(4): threading.Thread(target=write, daemon=True).start()"
    ),
    "ends": "while True: message(**done)",
    "output after an end": "message(**done)\nwhile True: message(t='output', text='x')",
    "calls after an end": (
        "message(**done)\n"
        "for i in itertools.count(1 << 20): message(t='call', id=i, name='retrieve', payload={'query': ''})"
    ),
    "half a frame, and nothing more": "raw(struct.pack('>I', 1000) + b'half')\nthreading.Event().wait()",
    "a byte at a time": "for byte in itertools.cycle(struct.pack('>I', 2) + b'  '): os.write(channel, bytes([byte]))",
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_ends_with_its_step_and_reaches_nobody_else(open_repl, bystander, flood, monkeypatch):
    monkeypatch.setattr(repl_module, "INTERRUPT_GRACE_S", 0.15)
    live = await open_repl(answer=lambda call: call.query, step_timeout_s=0.2)
    code = f"import itertools, threading\n{FORGE.replace('STEP', '1')}\n{FLOODS[flood]}"
    first = await live.run(code)
    assert isinstance(first, (StepDone, ReplLost))
    assert len(first.output.head) <= 8192
    await bystander.is_right()
    second = await live.run("1000 + 1")
    if isinstance(second, StepDone):
        assert "1001" in second.output.head + second.output.tail
    else:
        assert second.reason


async def test_nothing_of_the_servers_and_of_other_runs_is_open_to_a_worker_of_a_holder(open_repl):
    corpus = "x" * 200_000
    first, second = await open_repl(corpus), await open_repl(corpus)
    for live in (first, second):
        assert (
            await live.value(
                "import fcntl, os\nfound = []\n"
                "for fd in range(1024):\n    try: fcntl.fcntl(fd, fcntl.F_GETFD)\n    except OSError: continue\n"
                "    found.append(fd)\nprint(len(found), found[:3])"
            )
            == "4 [0, 1, 2]"
        )
        assert await live.value("len(context)") == "200000"


async def test_half_a_frame_is_no_frame(open_repl):
    live = await open_repl()
    code = f"{FORGE.replace('STEP', '1')}\nraw(struct.pack('>I', 1000) + b'half')\nos._exit(0)"
    assert await live.death(code) == "it ended its own process (exit status 0)"


async def test_a_closed_channel_is_the_end(open_repl):
    live = await open_repl()
    code = f"{FORGE.replace('STEP', '1')}\nos.close(channel)\nllm_query('x')"
    assert await live.death(code) == "it closed its own connection to the host"


async def test_a_forged_end_costs_the_repl(open_repl):
    live = await open_repl()
    done = await live.run(f"{FORGE.replace('STEP', '1')}\nmessage(**done)")
    assert isinstance(done, StepDone)
    reason = await live.death("1")
    assert reason.startswith("it broke the protocol with the end of a"), "the real end belongs to no step"


async def test_two_ends_at_once_are_one_too_many(open_repl):
    live = await open_repl()
    code = "body = json.dumps(done).encode()\nraw((struct.pack('>I', len(body)) + body) * 2)\nwhile True: pass"
    done = await live.run(f"{FORGE.replace('STEP', '1')}\n{code}")
    assert isinstance(done, StepDone)
    assert await live.death("1") == "it broke the protocol with the end of a step that was not running"


async def test_forged_texts_are_cut_to_their_length(open_repl):
    live = await open_repl(max_output_chars=1000)
    forged = (
        "message(t='output', text='h' * 50_000)\n"
        "message(**{**done, 'variables': ['v' * 1_500] * 50, 'output': {'tail': 't' * 50_000, 'cut_chars': 7},"
        " 'error': {'block': 1, 'line': 1, 'source': 's' * 9_000, 'message': 'm' * 9_000, 'kind': 'raised'}})"
    )
    done = await live.run(f"{FORGE.replace('STEP', '1')}\n{forged}")
    assert isinstance(done, StepDone)
    assert (done.output.head, done.output.tail) == ("h" * 1000, "t" * 1000)
    assert done.output.cut_chars == 49_007
    assert done.error is not None
    assert len(done.error.message) == len(done.error.source) == 2000
    assert [len(line) for line in done.variables] == [200] * 20
