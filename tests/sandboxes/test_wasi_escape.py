"""What hostile code tries in the WASI sandbox: to reach the machine, and to say rubbish over the one way out."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.sandbox import Repl
from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox
from rlm_integrations.testing.sandbox_contract import contract_settings
from rlm_integrations.wire.steps import ReplLost, StepDone

from .attempts import ATTEMPTS

pytestmark = pytest.mark.usefixtures("wasi_component")

ASK = '{"id":%s,"name":"llm_query","payload":{"prompt":%s,"batch":null,"index":null,"images":[]}}'
"""One call of the code to `call`, with its id and its prompt."""


def _asks(*calls: str, wait: str = "null") -> str:
    return f'{{"calls":[{",".join(calls)}],"wait":{wait}}}'


RUBBISH = {
    "no JSON": "rubbish",
    "nothing that is known": "{}",
    "a list": "[1]",
    "no calls": '{"calls":null,"wait":0}',
    "an object of calls": '{"calls":{"id":1},"wait":0}',
    "calls of numbers": _asks("1"),
    "a call without a name": _asks('{"id":1}'),
    "a call of nobody": _asks('{"id":1,"name":null,"payload":null}'),
    "an unknown call": _asks('{"id":1,"name":"shell","payload":{}}'),
    "the end of a step": '{"t":"done","step":1,"calls":[{"t":"done","id":1,"name":"x","payload":{}}],"wait":0}',
    "an id twice": _asks(ASK % (9, '"x"'), ASK % (9, '"x"')),
    "an id of text": _asks(ASK % ('"1"', '"x"')),
    "an id of a list": _asks(ASK % ("[1]", '"x"')),
    "an id that is true": _asks(ASK % ("true", '"x"')),
    "a negative id": _asks(ASK % (-5, '"x"')),
    "a broken id": _asks(ASK % (1.5, '"x"')),
    "an id of 400 digits": _asks(ASK % (10**400, '"x"')),
    "an id of 5,000 digits": _asks(ASK % ("9" * 5_000, '"x"')),
    "no prompt": _asks(ASK % (1, "null")),
    "a prompt of a lone surrogate": _asks(ASK % (1, '"\\ud800"')),
    "arguments that are no numbers": _asks('{"id":1,"name":"tool","payload":{"name":"t","args":[NaN],"kwargs":{}}}'),
    "a wait of text": _asks(wait='"x"'),
    "a wait of a list": _asks(wait="[1]"),
    "a wait that is no number": _asks(wait="NaN"),
    "a long wait": _asks(wait="1e300"),
    "an endless wait": _asks(wait="Infinity"),
    "a wait into the past": _asks(wait="-5"),
    "a print of a number": '{"print":7}',
    "a print of a lone surrogate": '{"print":"\\ud800"}',
    "a key twice": '{"print":"a","print":"b","over":1}',
}
"""What goes over `call`, and is none of what the REPL's own functions send there."""

HARMFUL = {
    "a number": "call(7)",
    "no text": "call(b'{}')",
    "a lone surrogate": "call('\\ud800')",
    "too few": "call()",
    "too many": "call('{}', '{}')",
    "deep JSON": "call('[' * 100_000)",
    "deep objects": "call('{\"a\":' * 2_000 + '1' + '}' * 2_000)",
    "deep arguments": "call(asks(prompt='[' * 100_000 + ']' * 100_000))",
    "a long print": "call('{\"print\":\"' + 'x' * 2_000_000 + '\"}')",
    "many prints": "for _ in range(1_000): call('{\"print\":\"' + 'x' * 100 + '\"}')",
    "a long prompt": "call(asks(prompt=json.dumps('x' * 8_000_000)))",
    "many values": "call(asks(prompt=str([0] * 60_000)))",
    "many calls at once": "call(asks(*range(11_000)))",
    "many calls, one by one": "for n in range(3_000): call(asks(n, wait=0))",
    "calls that are not waited for": "for n in range(50): call(asks(1_000 + n, wait=0))",  # none that its next call has
    "calls from threads": "in_threads(lambda n: call(asks(1_000 + n)))",
    "the same call from threads": "in_threads(lambda n: call(asks(7)))",
    "answers of others": "in_threads(lambda n: call('{\"calls\":[],\"wait\":0.01}') and llm_query('x'))",
    "a thread that stays": "threading.Thread(target=lambda: time.sleep(0.05) or call(asks(3))).start()",
    "a call of what is freed": "class Late:\n    def __del__(self): call(asks(4, wait=0))\nlate = Late()\ndel late",
    "a call without an end": "sys.setrecursionlimit(10**6)\ndef again(): call('{\"over\":1}'), again()\nagain()",
    "its own begin": "app.WitWorld().begin('{}')",
    "its own corpus": "app.WitWorld().load('rubbish')",
    "its own step": "app.WitWorld().step('[\"1 + 1\"]')",
    "another way out": 'wit_world.call = lambda request: \'{"answers":[{"id":1}],"over":0}\'\nllm_query(\'x\')',
}
TOOLS = f"""
import json, sys, threading, time, wit_world
import rlm_integrations.sandboxes.wasi_guest.app as app
call = wit_world.call

def asks(*ids, prompt='"x"', wait="null"):
    return '{{"calls":[%s],"wait":%s}}' % (",".join({ASK!r} % (n, prompt) for n in ids or (10**6,)), wait)

def in_threads(ask):
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


@pytest.fixture(scope="module")
def resting(wasi_component) -> Iterator[Repl]:
    """A REPL beside all of those that are tried, in the loop of each test in turn."""

    async def opened() -> Repl:
        repl = await WasiSandbox().open(Corpus.of(None), contract_settings())
        repl.leave_loop()
        return repl

    repl = asyncio.run(opened())
    yield repl
    repl.end()


@pytest.fixture
async def other(resting, attach):
    resting.join_loop()
    yield attach(resting)
    resting.leave_loop()


@pytest.mark.parametrize("kind", [*RUBBISH, *HARMFUL])
async def test_rubbish_over_the_one_way_out_harms_nobody_else(open_wasi, other, kind):
    live = await open_wasi(step_timeout_s=0.3 if kind == "a call without an end" else 1, memory_mb=512)
    code = f"call({RUBBISH[kind]!r})" if kind in RUBBISH else HARMFUL[kind]
    done = await live.run(TOOLS + code)
    if isinstance(done, StepDone):  # and then it is a REPL like any other
        assert await live.value("print(llm_query('still here'))") == "still here"
    else:
        assert re.match("it (broke the|stopped|ran for)", done.reason), done
    assert await other.value("print(llm_query('nobody'))") == "nobody"


ESCAPES = {
    "a file": "open('/etc/passwd').read()",
    "a file below open": "import io, _io\nprint(_io.FileIO('/etc/passwd').read())",
    "a descriptor": "import posix\nprint(posix.read(0, 1))",
    "a folder": "import os\nprint(os.listdir('/'), os.scandir('.'))",
    "another process": "import os\nos.system('id')",
    "a socket": "import socket\nsocket.create_connection(('127.0.0.1', PORT), 1)",
    "a socket below it": "import _socket\n_socket.socket().connect(('127.0.0.1', PORT))",
    "a signal to the host": "import os\nos.kill(HOST, 9)",
    "the snapshot's builder": (
        "import componentize_py_runtime as c\n"
        "print([getattr(c, n)() for n in dir(c) if n[0] != '_'])"
    ),
    "a file by a fresh module": "fresh('posix').open('/etc/passwd', 0)",
    "a file by fresh io": "print(fresh('_io').FileIO('/etc/passwd').read())",
    "a folder by a fresh module": "print(fresh('posix').listdir('/'))",
    "a socket by a fresh module": "fresh('_socket').socket().connect(('127.0.0.1', PORT))",
    "what the worker reads": "print(fresh('posix').read(0, 1))",
    "what the worker writes": "fresh('posix').write(1, b'x')",
    "what the worker complains of": "fresh('posix').write(2, b'x')",
    "an environment": "import os\nassert dict(os.environ), 'none'",
    "a crash": "import types\n(lambda: 0).__code__.replace(co_code=bytes([1] * 50), co_stacksize=1)\n"
    "f = types.FunctionType((lambda: 0).__code__.replace(co_code=bytes(range(2, 250, 2))), {})\nf()",
    "exit": "import os\nos._exit(0)",
    "abort": "import os\nos.abort()",
}  # fmt: skip


FRESH = """
import _imp, importlib.machinery

def fresh(name):
    "The module as it was before anything of it was denied."
    module = _imp.create_builtin(importlib.machinery.BuiltinImporter.find_spec(name))
    _imp.exec_builtin(module)
    return module
"""


@pytest.mark.parametrize("kind", ESCAPES)
async def test_nothing_of_the_machine_can_be_reached(open_wasi, kind):

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        live = await open_wasi(step_timeout_s=2)
        places = {"PORT": str(server.getsockname()[1]), "HOST": str(os.getpid())}
        code = FRESH + ESCAPES[kind]
        for place, value in places.items():
            code = code.replace(place, value)
        done = await live.run(code)
        assert isinstance(done, ReplLost) or done.error is not None, done
        assert "root:" not in str(done)
        with pytest.raises(BlockingIOError):
            server.accept()


def _attempts() -> dict[str, str]:
    """Those on the process sandbox that need no library of C: there is none here."""
    return {name: code for name, (code, _, _) in ATTEMPTS.items() if "libc" not in code and "ctypes" not in code}


PRINTED = {
    "the name of the machine": r"posix.uname_result\(sysname='wasi', nodename='\(none\)', .*",
    "os.environ": "{}",
    "threads (50)": "started",
    "inherited fds": r"\[0, 1, 2\]",
    "modules of the host below the library": r"\['site'\]",
    "frames of the server below its own": r"\['<module>', .*'step', 'step'\]",
}
"""What else comes of an attempt than that it raises."""


async def test_what_is_tried_on_the_process_sandbox_fails_here_too(open_wasi):
    """In one REPL, and another where one was lost: to open one for each would take ten times as long."""
    attempts = _attempts()
    assert len(attempts) > 100
    live, lost, printed = await open_wasi(memory_mb=256), [], {}
    mode = stat.S_IMODE(os.stat("/etc/passwd").st_mode)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        places = {"HOST": str(os.getpid()), "PORT": str(server.getsockname()[1]), "CHANNEL": "3"}
        for name, code in attempts.items():
            for place, value in places.items():
                code = code.replace(place, value)
            done = await live.run(code)
            if isinstance(done, ReplLost):
                lost.append(name)
                live = await open_wasi(memory_mb=256)
            elif done.error is None:
                printed[name] = (done.output.head + done.output.tail).strip()
            with pytest.raises(BlockingIOError):
                server.accept()
    assert lost == []
    assert printed.keys() == PRINTED.keys()
    for name, pattern in PRINTED.items():
        assert re.fullmatch(pattern, printed[name]), printed[name]
    assert not Path("/tmp/rlm-pwned").exists()
    assert stat.S_IMODE(os.stat("/etc/passwd").st_mode) == mode
