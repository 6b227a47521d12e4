"""What model-written code tries against the host, and what it may do. No attempt may succeed."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox
from rlm_integrations.sandboxes.process_worker.seccomp import allowed_calls
from rlm_integrations.testing.sandbox_contract import OpenRepl
from rlm_integrations.wire.steps import ReplLost

from .attempts import ATTEMPTS, LIBC, assert_fails, is_as_it_began, is_for_this_machine, listening


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listening() as server:
        yield server


@pytest.fixture
def sandbox() -> Sandbox:
    return ProcessSandbox()


@pytest.fixture
def many_an_attempt() -> bool:
    """Whether a REPL is used for the next attempts, too."""
    return False


@pytest.fixture
async def live(sandbox, many_an_attempt, resting, attach, settings, attempt) -> AsyncIterator[OpenRepl]:
    if resting:
        repl = resting.pop()
        repl.join_loop()
    else:
        repl = await sandbox.open(Corpus.of(None), settings(memory_mb=1024))
    live = attach(repl)
    yield live
    if many_an_attempt and await is_as_it_began(live, attempt) and repl.leave_loop():
        resting.append(repl)
    else:
        await repl.close()


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_an_attempt_fails(live, listener, attempt):
    if not is_for_this_machine(attempt):
        pytest.skip("the numbers are those of x86_64")
    await assert_fails(attempt, live, listener)


ALL_CALLS = """
buffer = ctypes.addressof(ctypes.create_string_buffer(4096))
sets = (0,) * 6, (-1,) * 6, (buffer,) * 6, (1,) * 6, (-100, buffer, 0, 0, 0, 0)
for number in range(1_024):
    if number not in LISTED:
        for arguments in sets:
            ctypes.set_errno(0)
            result = libc.syscall(*map(ctypes.c_long, (number, *arguments)))
            if (result, ctypes.get_errno()) != (-1, 1):
                print(number, arguments, result, os.strerror(ctypes.get_errno()))
"""
CLONE3 = 435
PROBES = (
    335,
    336,
)  # uretprobe and uprobe of x86_64, which the kernel asks no filter about: they kill who is not probed


async def test_the_kernel_refuses_all_calls_that_are_not_listed(open_repl):
    machine = os.uname().machine
    listed = {*allowed_calls(machine).values(), CLONE3, *(PROBES if machine == "x86_64" else ())}
    live = await open_repl()
    assert await live.value(LIBC + ALL_CALLS.replace("LISTED", str(listed))) == ""
    assert await live.value("1 + 1") == "2", "the REPL lives on"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86_64 has a 32-bit way in")
async def test_the_x32_way_in_kills(open_repl):
    live = await open_repl()
    assert "signal 31" in await live.death(f"{LIBC}libc.syscall(0x40000000 + 39)")


async def test_only_its_channel_and_dead_streams_are_open(open_repl):
    live = await open_repl()
    found = await live.value(
        "import fcntl\nfor fd in range(1024):\n    try: fcntl.fcntl(fd, fcntl.F_GETFD)\n"
        "    except OSError: pass\n    else: print(fd, end=' ')"
    )
    descriptors = found.split()
    assert descriptors[:3] == ["0", "1", "2"]
    assert len(descriptors) == 4
    assert await live.value("import os\nos.read(0, 1)") == "b''"


async def test_the_environment_and_the_command_line_are_empty(open_repl, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "sk-very-secret")
    live = await open_repl()
    assert await live.value("import os, sys\ndict(os.environ), dict(os.environb), sys.argv") == "({}, {}, [''])"
    assert await live.value(f"{LIBC}libc.getenv(b'SECRET_KEY')") == "0"


async def test_no_frame_of_the_server_lies_below_the_code(open_repl):
    live = await open_repl()
    names = await live.value(
        "import sys\nframe = sys._getframe()\nwhile frame:\n    print(frame.f_code.co_name)\n    frame = frame.f_back"
    )
    assert "serve" not in names.split()
    assert "<module>" in names.split()


async def test_what_other_runs_brought_is_not_in_memory(open_repl):
    await open_repl("the secret of another run: 4711-alpha")
    live = await open_repl("mine")
    found = await live.value(
        "import gc\nsecret = 'secret of' + ' another'\n"
        "[o for o in gc.get_objects() if isinstance(o, dict) and secret in str(o.get('text', ''))]"
    )
    assert found == "[]"


async def test_draws_differ_between_repls(open_repl):
    draws = {await (await open_repl()).value("import random, uuid\nrandom.random(), uuid.uuid4()") for _ in range(3)}
    assert len(draws) == 3


async def test_threads_pools_and_loops_work(open_repl):
    live = await open_repl(memory_mb=1024)
    assert (
        await live.value(
            "import threading, time\n"
            "threads = [threading.Thread(target=time.sleep, args=(0.05,)) for _ in range(50)]\n"
            "for t in threads: t.start()\nfor t in threads: t.join()\nprint('joined')\n"
            "from concurrent.futures import ThreadPoolExecutor\n"
            "with ThreadPoolExecutor(8) as pool: print(sum(pool.map(abs, range(100))))\n"
            "import asyncio\n"
            "async def twice(x):\n    await asyncio.sleep(0)\n    return await asyncio.to_thread(lambda: 2 * x)\n"
            "async def both(): return await asyncio.gather(twice(1), twice(2))\n"
            "asyncio.run(both())"
        )
        == "joined\n4950\n[2, 4]"
    )


THREAD_ERROR = """
import json, threading
def read():
    try: json.loads('[')
    except ValueError as error: raise RuntimeError('not read') from error
thread = threading.Thread(target=read, name='reader')
thread.start()
thread.join()
"""


async def test_an_exception_of_a_thread_is_printed_without_the_paths_of_the_machine(open_repl):
    printed = await (await open_repl()).value(THREAD_ERROR)
    assert printed.startswith("Exception in thread reader:\nTraceback (most recent call last):\n")
    assert 'File "decoder.py", line ' in printed
    assert 'File "<step 1 block 1>", line ' in printed
    assert printed.endswith("RuntimeError: not read")
    assert "/" not in printed


PATHS = """
import json, logging, sys, threading, traceback, types, warnings
try: json.loads('[')
except ValueError: traceback.print_exc()
traceback.print_stack()
warnings.warn_explicit('old', DeprecationWarning, json.loads.__code__.co_filename, 1)
try: json.loads('[')
except ValueError: logging.exception('not read')
print(json, json.__spec__, json.__path__, json.__loader__.path, sys.modules['__main__'], sys.implementation)
print({name: value for name, value in vars(sys).items() if type(value) in (str, list, tuple) and name != 'modules'})
print([(module, vars(module).get('__file__')) for module in sys.modules.values()])
def named(code):
    yield code.co_filename
    for each in code.co_consts:
        if isinstance(each, types.CodeType): yield from named(each)
functions = [each for module in sys.modules.values() for each in vars(module).values()]
print({name for each in functions if isinstance(each, types.FunctionType) for name in named(each.__code__)})
"""


async def test_the_folders_of_the_machine_are_nowhere(open_repl):
    """In nothing that code commonly prints. `encodings` and what names the others are loaded before."""
    printed = await (await open_repl(max_output_chars=1_000_000)).value(PATHS)
    for folder in (sys.prefix, sys.base_prefix, str(Path(json.__file__).parents[1]), str(Path(__file__).parents[2])):
        found = re.findall(rf"{re.escape(folder)}[^'\"]*", printed)
        assert [
            each
            for each in found
            if not each.endswith(("/encodings/__init__.py", "/utf_8.py", "/file_names.py", "/linecache.py"))
        ] == []
    assert 'File "json/decoder.py", line ' in printed


STANDARD_LIBRARY = {
    "sqlite": ("import sqlite3\nsqlite3.connect(':memory:').execute('select 40 + 2').fetchone()", "(42,)"),
    "decimal": ("from decimal import Decimal\nDecimal('0.1') + Decimal('0.2')", "Decimal('0.3')"),
    "hashes": ("import hashlib\nhashlib.sha256(b'').hexdigest()[:8]", "'e3b0c442'" + ""),
    "zlib": ("import zlib\nzlib.decompress(zlib.compress(b'a' * 9))", "b'aaaaaaaaa'"),
    "csv": ("import csv, io\nlist(csv.reader(io.StringIO('a,b')))", "[['a', 'b']]"),
    "strptime": ("from datetime import datetime\ndatetime.strptime('2024-03-05', '%Y-%m-%d').year", "2024"),
    "logging": ("import logging\nlogging.warning('careful')", "WARNING:root:careful"),
    "sleep": ("import time\ntime.sleep(0.01)\ntime.monotonic() > 0", "True"),
    "random": ("import random\nrandom.seed(1)\nlen(random.sample(range(9), 3))", "3"),
    "secrets": ("import secrets\nlen(secrets.token_hex(4))", "8"),
    "own clocks": ("import time\ntime.process_time() >= 0 and time.thread_time() >= 0", "True"),
    "pickle": ("import pickle\nclass A: x = 1\npickle.loads(pickle.dumps(A())).x", "1"),
    "processors": ("import os\nos.cpu_count() >= 1", "True"),
    "relative paths": ("import pathlib\npathlib.Path('a').absolute()", "PosixPath('/a')"),
    "pipes": ("import os\na, b = os.pipe()\nos.write(b, b'x')\nos.read(a, 1)", "b'x'"),
}


@pytest.mark.parametrize("part", STANDARD_LIBRARY)
async def test_the_standard_library_works(open_repl, part):
    code, expected = STANDARD_LIBRARY[part]
    assert (await (await open_repl()).value(code)).strip("'") == expected.strip("'")


async def test_the_local_time_zone_is_the_hosts(open_repl):
    from datetime import datetime

    live = await open_repl()
    moment = datetime.fromtimestamp(1_700_000_000).astimezone().isoformat()
    code = "from datetime import datetime\nprint(datetime.fromtimestamp(1_700_000_000).astimezone().isoformat())"
    assert await live.value(code) == moment


PATCHES = {
    "json": "import json\njson.dumps = json.loads = lambda *a, **k: None\njson.encoder.JSONEncoder.encode = None",
    "os": "import os\nos.write = os.read = None",
    "builtins": "import builtins\nbuiltins.len = builtins.isinstance = builtins.memoryview = None",
    "streams": "import sys\nsys.stdout = sys.stderr = None",
    "the method of the stream": "import sys\nsys.stdout.__class__.write = None",
    "the class of the stream": "import io, sys\nclass Other(io.TextIOBase): pass\nsys.stdout.__class__ = Other",
    "attributes of the stream": "import sys\nsys.stdout._write = None\nsys.stdout.flush = sys.stdout.write = None",
    "more methods of the stream": "import sys\nfor name in ('__getattribute__', '__setattr__'):\n"
    "    setattr(type(sys.stdout), name, lambda *a: 1 / 0)",
    "recursion limit": "import sys\nsys.setrecursionlimit(40)",
    "signal handler": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
    "queue and threading": "import queue, threading, _thread\nqueue.SimpleQueue = threading.Thread = None",
    "switch interval": "import sys\nsys.setswitchinterval(1000)",
    "tracing": "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)",
    "tracing that raises": "import sys\nsys.settrace(lambda *a: 1 / 0)",
    "resource": "import resource\nresource.setrlimit = None",
}


@pytest.mark.parametrize("patch", PATCHES)
async def test_a_patched_interpreter_still_talks_to_the_host(open_repl, patch):
    live = await open_repl()
    await live.run(PATCHES[patch])
    assert await live.value("print(llm_query('still here'))") == "still here"
    assert await live.value("llm_query_batched(['a', 'b'])") == "['a', 'b']"


async def test_an_abort_is_no_recursion(open_repl):
    live = await open_repl()  # it cannot send itself the signal, so the C library ends it another way
    assert "crashed (signal 11, SIGSEGV): C code failed, aborted or" in await live.death("import os\nos.abort()")


async def test_ending_its_own_process_loses_the_repl_only(open_repl):
    live, other = await open_repl(), await open_repl()
    lost = await live.run("print('before', flush=True)\nimport os\nos._exit(3)")
    assert isinstance(lost, ReplLost)
    assert lost.reason == "it ended its own process (exit status 3)"
    assert lost.output.head == "before\n"
    assert isinstance(await live.run("1"), ReplLost)
    assert await other.value("1 + 1") == "2"


async def test_breaking_the_repl_itself_is_reported(open_repl):
    live = await open_repl()
    await live.run(
        "import sys\nframe = sys._getframe()\n"
        "while 'step' not in frame.f_locals: frame = frame.f_back\n"
        "type(frame.f_locals['self']).run = lambda *a: 1 / 0"
    )
    assert await live.death("1") == "it broke the interpreter that it runs in"


async def test_a_crash_is_reported_as_one(open_repl):
    live = await open_repl()
    assert "crashed (signal 11, SIGSEGV)" in await live.death(f"{LIBC}ctypes.string_at(0)")


@pytest.mark.parametrize("thread", [False, True])
async def test_endless_recursion_raises(open_repl, thread):
    live = await open_repl()

    def call(function: str) -> str:
        pooled = f"from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor(1).submit({function}).result()"
        return pooled if thread else f"(lambda f, *a: f(*a))({function})"

    assert (await live.error("def f(n): return f(n + 1)\n" + call("f, 0"))).startswith("RecursionError")
    nested = "import json\n" + call("json.loads, '[' * 100_000")
    assert (await live.error(nested)).startswith("RecursionError")
