"""What model-written code tries against the host, and what it may do. No attempt may succeed."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_integrations.core.sandbox import ReplLost, StepDone

CHANNEL = """
import fcntl
for fd in range(3, 64):
    try: fcntl.fcntl(fd, fcntl.F_GETFD)
    except OSError: continue
    print(fd)
"""
LIBC = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        yield server


RAISES = {
    "read a file": "open('/etc/passwd').read()",
    "read a file by descriptor": "import os\nos.open('/etc/passwd', os.O_RDONLY)",
    "read its environment": "open('/proc/self/environ').read()",
    "read the environment of the host": "open('/proc/HOST/environ', 'rb').read()",
    "open the memory of its parent": "import os\nopen(f'/proc/{os.getppid()}/mem', 'rb')",
    "write a file": "open('/tmp/rlm-pwned', 'w')",
    "look at a path": "import os\nos.stat('/etc/shadow')",
    "ask whether a path can be read": "import os\nassert os.access('/etc/passwd', os.R_OK), 'no'",
    "list a folder": "import os\nos.listdir('/')",
    "read a link": "import os\nos.readlink('/proc/self/exe')",
    "make a folder": "import os\nos.mkdir('/tmp/rlm-pwned')",
    "remove a file": "import os\nos.unlink('/tmp/rlm-nothing')",
    "a memory file": "import os\nos.memfd_create('x')",
    "a temporary file": "import tempfile\ntempfile.TemporaryFile()",
    "connect over TCP": "import socket\nsocket.create_connection(('127.0.0.1', PORT), 1)",
    "a TCP socket": "import socket\nsocket.socket()",
    "a UDP socket": "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "a unix socket": "import socket\nsocket.socket(socket.AF_UNIX)",
    "a netlink socket": "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "a pair of internet sockets": "import socket\nsocket.socketpair(socket.AF_INET)",
    "attach a filter to a socket": "import socket\na, b = socket.socketpair()\na.setsockopt(1, 26, b'x' * 16)",
    "pass a descriptor": "import socket\na, b = socket.socketpair()\nsocket.send_fds(a, [b'x'], [0])",
    "resolve a name": "import socket\nsocket.getaddrinfo('localhost', 80)",
    "start a program": "import subprocess\nsubprocess.check_output(['/bin/id'])",
    "replace itself": "import os\nos.execv('/bin/id', ['id'])",
    "spawn": "import os\nos.posix_spawn('/bin/id', ['id'], {})",
    "fork": "import os\nos.fork()",
    "forkpty": "import os\nos.forkpty()",
    "signal the host": "import os\nos.kill(HOST, 0)",
    "signal everyone": "import os\nos.kill(-1, 0)",
    "signal its group": "import os\nos.killpg(0, 0)",
    "a pidfd of the host": "import os\nos.pidfd_open(HOST)",
    "another user": "import os\nos.setuid(1)",
    "a session of its own": "import os\nos.setsid()",
    "more memory": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 50, 1 << 50))",
    "limits of the host": "import resource\nresource.prlimit(HOST, resource.RLIMIT_NOFILE)",
    "scheduling of the host": "import os\nos.sched_getaffinity(HOST)",
    "the host's CPU clock": "import time\ntime.clock_gettime((~HOST << 3) | 2)",
    "the name of the machine": "import os\nos.uname()",
    "change its folder": "import os\nos.chdir('/tmp')",
    "load a library": "import ctypes\nctypes.CDLL('libcrypt.so.1')",
    "a package of the host": "import pydantic",
    "F_SETOWN": "import fcntl, os, socket\na, b = socket.socketpair()\nfcntl.fcntl(a, fcntl.F_SETOWN, os.getpid())",
    "F_SETSIG": "import fcntl, socket\na, b = socket.socketpair()\nfcntl.fcntl(a, 10, 9)",
    "O_ASYNC": "import fcntl, socket\na, b = socket.socketpair()\nfcntl.fcntl(a, fcntl.F_SETFL, 0x2800)",
    "a lease": "import fcntl\nfcntl.fcntl(0, fcntl.F_SETLEASE, fcntl.F_RDLCK)",
    "a larger pipe": "import fcntl, os\na, b = os.pipe()\nfcntl.fcntl(a, 1031, 1 << 20)",
    "the process id of the host": "import socket\na = socket.socket(fileno=CHANNEL)\na.getsockopt(1, 17, 12)",
    "a pidfd of the host by its socket": "import socket\na = socket.socket(fileno=CHANNEL)\na.getsockopt(1, 77)",
    "send to an address": (
        "import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\na.sendto(b'x', b'\\0rlm-test')"
    ),
}


OTHER_WORDS = {
    "ask whether a path can be read": "AssertionError: no",
    "resolve a name": "gaierror",
    "more memory": "not allowed to raise maximum limit",
    "load a library": "cannot open shared object file",
    "a package of the host": "No module named 'pydantic': not available in the REPL",
    "a temporary file": "No usable temporary directory",
}


@pytest.mark.parametrize("attempt", RAISES)
async def test_an_attempt_raises_in_the_code(open_session, listener, attempt):
    port = listener.getsockname()[1]
    session = await open_session()
    channel = (await session.value(CHANNEL)).strip()
    code = RAISES[attempt].replace("HOST", str(os.getpid())).replace("PORT", str(port)).replace("CHANNEL", channel)
    done = await session.run(code)
    assert isinstance(done, StepDone), done
    assert done.error is not None, f"{attempt} succeeded: {done.output}"
    # EPERM is the filter's word; ENOENT and the like would only say that the attempt was a poor one
    assert OTHER_WORDS.get(attempt, "[Errno 1] Operation not permitted") in done.error.message
    assert not Path("/tmp/rlm-pwned").exists()
    with pytest.raises(TimeoutError):
        listener.accept()
    assert await session.value("1 + 1") == "2", "the session lives on"


RAW = {
    "executable memory": "libc.syscall(9, 0, 4096, 7, 0x22, -1, 0)",
    "open": "libc.open(b'/etc/passwd', 0)",
    "socket": "libc.socket(2, 1, 0)",
    "fork by clone": "libc.syscall(56, 17, 0, 0, 0, 0)",
    "vfork": "libc.syscall(58)",
    "clone3": "libc.syscall(435, 0, 0)",
    "a namespace": "libc.unshare(0x10000000)",
    "a thread with descriptors of its own": "libc.syscall(56, 0x10000 | 0x100 | 0x800, 0, 0, 0, 0)",
    "a thread with a namespace": "libc.syscall(56, 0x10000 | 0x100 | 0x800 | 0x20000, 0, 0, 0, 0)",
    "ptrace the parent": "libc.ptrace(16, os.getppid(), 0, 0)",
    "bpf": "libc.syscall(321, 0, 0, 0, 0, 0)",
    "perf": "libc.syscall(298, 0, 0, 0, 0, 0)",
    "keys": "libc.syscall(250, 0, 0, 0, 0, 0)",
    "userfaultfd": "libc.syscall(323, 0)",
    "io_uring": "libc.syscall(425, 1, 0)",
    "memory of the host": "libc.syscall(310, HOST, 0, 0, 0, 0, 0)",
    "another user's pages": "libc.syscall(440, 0, 0, 0, 0, 0)",
    "prctl": "libc.prctl(4, 1, 0, 0, 0)",
    "tgkill the host": "libc.syscall(234, HOST, HOST, 0)",
    "queue a signal": "libc.syscall(129, HOST, 10, 0)",
    "a timer": "libc.syscall(222, 0, 0, 0)",
    "executable pages": "libc.mprotect(ctypes.c_void_p((id(libc) >> 12) << 12), ctypes.c_size_t(4096), 7)",
    "executable pages by key": "libc.syscall(329, 0, 4096, 7, -1)",
    "shared memory": "libc.shmget(0, 4096, 0o1666)",
    "a message queue": "libc.msgget(0, 0o1666)",
    "inotify": "libc.inotify_init()",
    "open_tree": "libc.syscall(428, -100, b'/', 0)",
    "openat2": "libc.syscall(437, -100, b'/etc/passwd', 0, 24)",
    "mount": "libc.mount(b'x', b'/', b'tmpfs', 0, 0)",
    "a new filter": "libc.syscall(317, 1, 0, 0)",
    "personality": "libc.syscall(135, 0x0400000)",
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86_64")
@pytest.mark.parametrize("attempt", RAW)
async def test_a_raw_system_call_is_denied(open_session, attempt):
    session = await open_session()
    call = RAW[attempt].replace("HOST", str(os.getpid()))
    result = await session.value(f"{LIBC}result = {call}\nprint(result, ctypes.get_errno())")
    assert result in ("-1 1", "-1 38"), result


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86_64 has a 32-bit way in")
async def test_the_x32_way_in_kills(open_session):
    session = await open_session()
    assert "signal 31" in await session.death(f"{LIBC}libc.syscall(0x40000000 + 39)")


async def test_only_its_channel_and_dead_streams_are_open(open_session):
    session = await open_session()
    found = await session.value(
        "import fcntl\nfor fd in range(1024):\n    try: fcntl.fcntl(fd, fcntl.F_GETFD)\n"
        "    except OSError: pass\n    else: print(fd, end=' ')"
    )
    descriptors = found.split()
    assert descriptors[:3] == ["0", "1", "2"]
    assert len(descriptors) == 4
    assert await session.value("import os\nos.read(0, 1)") == "b''"


async def test_the_environment_and_the_command_line_are_empty(open_session, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "sk-very-secret")
    session = await open_session()
    assert await session.value("import os, sys\ndict(os.environ), dict(os.environb), sys.argv") == "({}, {}, [''])"
    assert await session.value(f"{LIBC}libc.getenv(b'SECRET_KEY')") == "0"


async def test_no_frame_of_the_server_lies_below_the_code(open_session):
    session = await open_session()
    names = await session.value(
        "import sys\nframe = sys._getframe()\nwhile frame:\n    print(frame.f_code.co_name)\n    frame = frame.f_back"
    )
    assert "serve" not in names.split()
    assert "<module>" in names.split()


async def test_what_other_runs_brought_is_not_in_memory(open_session):
    await open_session("the secret of another run: 4711-alpha")
    session = await open_session("mine")
    found = await session.value(
        "import gc\nsecret = 'secret of' + ' another'\n"
        "[o for o in gc.get_objects() if isinstance(o, dict) and secret in str(o.get('text', ''))]"
    )
    assert found == "[]"


async def test_draws_differ_between_sessions(open_session):
    draws = {await (await open_session()).value("import random, uuid\nrandom.random(), uuid.uuid4()") for _ in range(3)}
    assert len(draws) == 3


async def test_threads_pools_and_loops_work(open_session):
    session = await open_session(memory_mb=1024)
    assert (
        await session.value(
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
async def test_the_standard_library_works(open_session, part):
    code, expected = STANDARD_LIBRARY[part]
    assert (await (await open_session()).value(code)).strip("'") == expected.strip("'")


async def test_the_local_time_zone_is_the_hosts(open_session):
    from datetime import datetime

    session = await open_session()
    moment = datetime.fromtimestamp(1_700_000_000).astimezone().isoformat()
    code = "from datetime import datetime\nprint(datetime.fromtimestamp(1_700_000_000).astimezone().isoformat())"
    assert await session.value(code) == moment


PATCHES = {
    "json": "import json\njson.dumps = json.loads = lambda *a, **k: None\njson.encoder.JSONEncoder.encode = None",
    "os": "import os\nos.write = os.read = None",
    "builtins": "import builtins\nbuiltins.len = builtins.isinstance = builtins.memoryview = None",
    "streams": "import sys\nsys.stdout = sys.stderr = None",
    "recursion limit": "import sys\nsys.setrecursionlimit(40)",
    "signal handler": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
    "queue and threading": "import queue, threading, _thread\nqueue.SimpleQueue = threading.Thread = None",
    "switch interval": "import sys\nsys.setswitchinterval(1000)",
    "tracing": "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)",
    "tracing that raises": "import sys\nsys.settrace(lambda *a: 1 / 0)",
    "resource": "import resource\nresource.setrlimit = None",
}


@pytest.mark.parametrize("patch", PATCHES)
async def test_a_patched_interpreter_still_talks_to_the_host(open_session, patch):
    session = await open_session()
    await session.run(PATCHES[patch])
    assert await session.value("print(llm_query('still here'))") == "still here"
    assert await session.value("llm_query_batched(['a', 'b'])") == "['a', 'b']"


async def test_ending_its_own_process_loses_the_session_only(open_session):
    session, other = await open_session(), await open_session()
    lost = await session.run("print('before', flush=True)\nimport os\nos._exit(3)")
    assert isinstance(lost, ReplLost)
    assert lost.reason == "it ended its own process (exit status 3)"
    assert lost.output.head == "before\n"
    assert isinstance(await session.run("1"), ReplLost)
    assert await other.value("1 + 1") == "2"


async def test_breaking_the_session_itself_is_reported(open_session):
    session = await open_session()
    await session.run(
        "import sys\nframe = sys._getframe()\n"
        "while 'step' not in frame.f_locals: frame = frame.f_back\n"
        "type(frame.f_locals['self']).run = lambda *a: 1 / 0"
    )
    assert await session.death("1") == "it broke the interpreter that it runs in"


async def test_a_crash_is_reported_as_one(open_session):
    session = await open_session()
    assert "crashed (signal 11, SIGSEGV)" in await session.death(f"{LIBC}ctypes.string_at(0)")


@pytest.mark.parametrize("thread", [False, True])
async def test_endless_recursion_raises(open_session, thread):
    session = await open_session()

    def call(function: str) -> str:
        pooled = f"from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor(1).submit({function}).result()"
        return pooled if thread else f"(lambda f, *a: f(*a))({function})"

    assert (await session.error("def f(n): return f(n + 1)\n" + call("f, 0"))).startswith("RecursionError")
    nested = "import json\n" + call("json.loads, '[' * 100_000")
    assert (await session.error(nested)).startswith("RecursionError")
