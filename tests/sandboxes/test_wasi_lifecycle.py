"""The WASI sandbox's processes, cache, time, memory and border."""

from __future__ import annotations

import asyncio
import gc
import json
import lzma
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import SandboxUnavailableError
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.wasi import cache, component, open_worker
from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox
from rlm_integrations.sandboxes.wasi.spare import spares
from rlm_integrations.wire.steps import ReplLost, StepDone

pytestmark = pytest.mark.usefixtures("wasi_component")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
async def open_wasi(settings, attach):
    opened = []

    async def open_(context=None, **changes):
        repl = await WasiSandbox().open(Corpus.of(context), settings(**changes))
        opened.append(repl)
        return attach(repl)

    yield open_
    for repl in opened:
        await repl.close()


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
    session = await open_wasi(step_timeout_s=0.5)
    await session.run("n = 0\nanswer['content'] = 'a draft'")
    done = await session.run(f"n += 1\n{STOPPED[kind]}")
    assert isinstance(done, StepDone)
    assert done.error is not None
    assert (done.error.kind, done.answer.content) == ("interrupted", "a draft")
    assert done.error.message.startswith("stopped: it ")
    assert await session.value("n > 0") == "True"


async def test_the_end_of_the_run_interrupts_code_that_computes_and_code_that_waits(open_wasi, attach):
    session = attach((await open_wasi()).repl, lambda call: None)
    for code in ("while True: pass", "llm_query('never answered')"):
        done = await session.run(f"answer['content'] = 'a draft'\n{code}", seconds_left=0.2)
        assert isinstance(done, StepDone)
        assert (done.error.kind, done.answer.content) == ("interrupted", "a draft")
        assert done.error.message.endswith("stopped: the time of the whole run was over")


async def test_an_interrupt_from_the_host_reaches_code_that_computes(open_wasi):
    session = await open_wasi()
    step = asyncio.ensure_future(session.run("print('begun')\nllm_query('x')\nwhile True: pass"))
    while not session.calls:
        await asyncio.sleep(0.01)
    session.repl.interrupt()
    done = await step
    assert isinstance(done, StepDone)
    assert done.error.kind == "interrupted"
    assert await session.value("1 + 1") == "2"


async def test_what_spins_in_one_call_of_c_is_ended(open_wasi):
    session = await open_wasi(step_timeout_s=0.3)
    reason = await session.death("import itertools\nsum(itertools.repeat(0))")
    assert "it ran for 0.3 s, the limit of a step" in reason
    assert "could not be interrupted" in reason


DEEP = {
    "a list": "deep = []\nfor _ in range(1_000_000): deep = [deep]",
    "a tuple": "deep = ()\nfor _ in range(200_000): deep = (deep,)",
}


@pytest.mark.parametrize("kind", DEEP)
async def test_values_nested_deeply_are_freed_and_not_printed(open_wasi, kind):
    session = await open_wasi(memory_mb=512)
    await session.value(DEEP[kind])
    assert "RecursionError" in await session.error("print(deep)")
    assert await session.value("deep = None\n'alive'") == "alive"


async def test_recursion_has_an_end_that_the_session_survives(open_wasi):
    session = await open_wasi()
    assert "RecursionError" in await session.error("def f(n): return f(n + 1)\nf(0)")
    assert "RecursionError" in await session.error("class A:\n    def __repr__(self): return repr(self)\nrepr(A())")
    assert await session.value("'alive'") == "alive"


async def test_memory_that_is_let_go_of_after_its_end_was_reached_is_there_again(open_wasi):
    session = await open_wasi(memory_mb=64)
    for _ in range(3):
        message = await session.error("kept = []\nwhile True: kept.append('x' * 1_000_000 + str(len(kept)))")
        assert message.startswith("MemoryError: over the 64 MB on top of the corpus; `del` what is not needed")
        assert int(await session.value("len(kept)")) > 50
        await session.value("kept = None")


async def test_a_corpus_does_not_count_against_the_memory_of_the_code(open_wasi):
    session = await open_wasi("ab" * 20_000_000, memory_mb=64)
    assert await session.value("len(context), context.count('b'), len(context + 'c')") == (
        "(40000000, 20000000, 40000001)"
    )


HOSTILE = {
    "no JSON": "'rubbish'",
    "nothing that is known": "'{}'",
    "a list": "'[1]'",
    "a number": "7",
    "calls of numbers": '\'{"calls":[1],"wait":0}\'',
    "a call without a name": '\'{"calls":[{"id":1}],"wait":0}\'',
    "an unknown call": '\'{"calls":[{"id":1,"name":"shell","payload":{}}],"wait":0}\'',
    "an id twice": (
        '\'{"calls":[\' + \',\'.join([\'{"id":9,"name":"reserve","payload":{"n":1}}\'] * 3) + \'],"wait":0}\''
    ),
    "a wait of text": '\'{"calls":[],"wait":"x"}\'',
    "a print of a number": "'{\"print\":7}'",
    "deep JSON": "'[' * 100_000",
    "a lone surrogate": "'\\ud800'",
    "a long text": "'{\"print\":\"' + 'x' * 10_000_000 + '\"}'",
    "a long wait": '\'{"calls":[],"wait":1e300}\'',
    "no time": '\'{"calls":[],"wait":-5}\'',
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_rubbish_over_the_one_way_out_harms_nobody_else(open_wasi, kind):
    session = await open_wasi(step_timeout_s=1, memory_mb=512)
    outcome = await session.run(f"import wit_world\nwit_world.call({HOSTILE[kind]})")
    assert isinstance(outcome, (StepDone, ReplLost))
    assert await (await open_wasi()).value("1 + 1") == "2"


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
    "an environment": "import os\nassert dict(os.environ), 'none'",
    "a crash": "import types\n(lambda: 0).__code__.replace(co_code=bytes([1] * 50), co_stacksize=1)\n"
    "f = types.FunctionType((lambda: 0).__code__.replace(co_code=bytes(range(2, 250, 2))), {})\nf()",
    "exit": "import os\nos._exit(0)",
    "abort": "import os\nos.abort()",
}  # fmt: skip


@pytest.mark.parametrize("kind", ESCAPES)
async def test_nothing_of_the_machine_can_be_reached(open_wasi, kind):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        session = await open_wasi(step_timeout_s=2)
        places = {"PORT": str(server.getsockname()[1]), "HOST": str(os.getpid())}
        code = ESCAPES[kind]
        for place, value in places.items():
            code = code.replace(place, value)
        done = await session.run(code)
        assert isinstance(done, ReplLost) or done.error is not None, done
        assert "root:" not in str(done)
        with pytest.raises(BlockingIOError):
            server.accept()


async def test_it_knows_the_time_and_draws_its_own_chance(open_wasi):
    draws = set()
    for _ in range(2):
        session = await open_wasi()
        draws.add(await session.value("import random, uuid, time, os\nrandom.random(), uuid.uuid4(), os.urandom(4)"))
        assert await session.value("import time, datetime\ndatetime.date.today().year >= 2026") == "True"
        assert await session.value("import zoneinfo\nstr(zoneinfo.ZoneInfo('Europe/Berlin'))") == "Europe/Berlin"
        assert await session.value("import os, sys\ndict(os.environ), sys.argv") == "({}, [''])"
    assert len(draws) == 2


ENDS = {
    "closed": "1",
    "over its time": "import itertools\nsum(itertools.repeat(0))",
    "a crash": "import os\nos.abort()",
}


@pytest.mark.parametrize("end", ENDS)
async def test_the_worker_ends_and_no_file_stays_open(open_wasi, open_files, until, end):
    files = open_files()
    session = await open_wasi(step_timeout_s=0.3)
    pid = session.repl.pid
    await session.run(ENDS[end])
    await session.repl.close()
    spares.end()
    await until(lambda: not _alive(pid) and open_files() == files)


async def test_a_worker_that_is_killed_is_a_lost_session(open_wasi):
    session = await open_wasi()
    os.kill(session.repl.pid, signal.SIGKILL)
    assert (await session.death("1")).startswith("it was killed (signal 9)")


async def test_a_loop_closed_over_open_sessions_ends_them(settings, open_files, until, recwarn):
    files, pids = open_files(), []

    async def leave() -> None:
        for code in ("1 + 1", "llm_query('never answered')"):
            repl = await WasiSandbox().open(Corpus.of("x"), settings())
            pids.append(repl.pid)
            asked = asyncio.Queue()
            step = asyncio.ensure_future(repl.step([code], asked.put_nowait))
            await (step if code == "1 + 1" else asked.get())

    def host() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(leave())
        loop.close()

    thread = threading.Thread(target=host)
    thread.start()
    thread.join()
    gc.collect()
    spares.end()
    assert len(pids) == 2
    await until(lambda: not any(map(_alive, pids)) and open_files() == files)
    assert not recwarn.list


async def test_a_start_that_is_cancelled_leaves_nothing(settings, children, open_files, until):
    files, processes = open_files(), set(children(os.getpid()))
    for delay in (0, 0.01, 0.05):
        opening = asyncio.ensure_future(WasiSandbox().open(Corpus.of("text"), settings()))
        await asyncio.sleep(delay)
        if not opening.cancel():  # it was faster
            await opening.result().close()
            continue
        with pytest.raises(asyncio.CancelledError):
            await opening

    def all_gone() -> bool:
        spares.end()
        return open_files() == files and set(children(os.getpid())) <= processes

    await until(all_gone)


PROGRAM = """
import asyncio, sys
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox
from rlm_integrations.sandboxes.wasi.spare import spares

async def main():
    settings = ReplSettings(depth=1, sub_call_chars=90, max_output_chars=1000, step_timeout_s=60, memory_mb=128)
    repl = await WasiSandbox().open(Corpus.of("x"), settings)
    while spares._spare is None:
        await asyncio.sleep(0.01)
    print(repl.pid, spares._spare[1].pid, flush=True)
    await repl.step(["print('x' * 5000)\\n" + sys.argv[1]], lambda call: print("asked", flush=True))
asyncio.run(main())
"""

BUSY = {
    "a loop": (
        "llm_query_batched\nimport threading\nthreading.Thread(target=lambda: llm_query('x')).start()\nwhile True: pass"
    ),
    "one call of C": "import itertools\nsum(itertools.repeat(0))",
    "a wait": "llm_query('never answered')",
    "sleep": "import time\ntime.sleep(60)",
}


@pytest.mark.parametrize("busy", BUSY)
async def test_nothing_outlives_a_host_that_is_killed_amid_a_step(start_program, until, busy):
    """Long before its limit: that is 60 s, and `until` waits for ten. Its spare does not either."""
    host = start_program(PROGRAM, BUSY[busy], fresh=True)
    pids = [int(pid) for pid in host.stdout.readline().split()]
    assert len(pids) == 2
    if busy == "a wait":
        assert host.stdout.readline() == "asked\n"
    host.process.kill()
    await until(lambda: not any(map(_alive, pids)))


async def test_a_spare_takes_the_next_session(open_wasi, until):
    await open_wasi()
    await until(lambda: spares._spare is not None)
    _, spare = spares._spare
    session = await open_wasi()
    assert session.repl._worker is spare
    assert await session.value("1 + 1") == "2"


async def test_a_spare_that_was_killed_is_passed_over(open_wasi, until):
    await open_wasi()
    await until(lambda: spares._spare is not None)
    _, spare = spares._spare
    os.kill(spare.pid, signal.SIGKILL)
    await until(lambda: not _alive(spare.pid))
    assert await (await open_wasi()).value("1 + 1") == "2"


# --- the component and its compiled form


def _counting(monkeypatch) -> list[Path]:
    """Compiles by copying what is compiled already, and counts."""
    compiled, there = [], cache.compiled_path().read_bytes()

    def compile_(path: Path) -> None:
        compiled.append(path)
        path.write_bytes(there)
        path.chmod(0o600)

    monkeypatch.setattr(cache, "_compile", compile_)
    return compiled


def test_it_is_compiled_once_and_kept_where_nobody_else_can_write(monkeypatch, tmp_path):
    compiled = _counting(monkeypatch)
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "ünd a space" / "cache"))
    with pytest.warns(RuntimeWarning, match="compiled for this machine; that takes some seconds, once"):
        path = cache.compiled_component()
    assert cache.compiled_component() == path
    assert compiled == [path]
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o666)  # anybody may have written it since
    with pytest.warns(RuntimeWarning):
        cache.compiled_component()
    assert len(compiled) == 2
    path.parent.chmod(0o777)
    with pytest.raises(SandboxError, match="others can write to"):
        cache.compiled_component()


def test_many_may_compile_at_once_and_few_files_are_kept(monkeypatch, tmp_path):
    """By a component of nothing, which takes no time."""
    packed = tmp_path / "component.wasm.xz"
    packed.write_bytes(lzma.compress(b"\0asm\x0d\0\1\0"))
    monkeypatch.setattr(cache, "PACKED", packed)
    for n in range(5):
        (tmp_path / f"wasi-{n}.cwasm").write_bytes(b"old")
        os.utime(tmp_path / f"wasi-{n}.cwasm", (n, n))
    path = tmp_path / "wasi-new.cwasm"
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(cache._compile, [path] * 3))
    kept = sorted(each.name for each in tmp_path.glob("*wasi-*"))
    assert kept == ["wasi-2.cwasm", "wasi-3.cwasm", "wasi-4.cwasm", "wasi-new.cwasm"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.glob("*.new")) == []
    packed.write_bytes(lzma.compress(b"no component"))
    with pytest.raises(SandboxError, match="could not be compiled"):
        cache._compile(path)


# What Windows has not, and macOS not safely. The standard library is imported as it is here.
ELSEWHERE = """
import asyncio, os, platform, shutil, signal, subprocess, sys, tempfile
import pydantic, wasmtime, zoneinfo
platform.uname()
for module, names in ((os, "fork forkpty killpg setsid getpgrp getuid geteuid register_at_fork memfd_create"),
                      (signal, "pidfd_send_signal setitimer SIGSTOP SIGCONT")):
    for name in names.split():
        delattr(module, name)
sys.platform, sys.modules["msvcrt"] = "win32", type(sys)("msvcrt")
from rlm_integrations.engine import RLMEngine
from rlm_integrations.sandboxes.wasi import cache
from rlm_integrations.testing import ScriptedModel
path = cache.compiled_path()
path.parent.mkdir(parents=True)
shutil.copyfile(sys.argv[1], path)
script = ["```repl\\nprint(len(context))\\n```", "```repl\\nFINAL(llm_query('q') + str(len(context)))\\n```"]
result = RLMEngine(ScriptedModel(script), sub_llm=ScriptedModel(["re "]), limits={"inline_chars": 0}).run("?", "é" * 12)
print(result.answer, result.trace.sandbox, __import__("rlm_integrations").__file__)
"""


def test_a_run_where_there_is_no_fork_no_process_group_and_a_path_with_spaces(tmp_path):
    home = tmp_path / "Müller & Söhne"
    package = home / "site packages" / "rlm_integrations"
    shutil.copytree(component.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    environment = os.environ | {"PYTHONPATH": str(package.parent), "LOCALAPPDATA": str(home / "App Data")}
    program = [sys.executable, "-c", ELSEWHERE, str(cache.compiled_path())]
    done = subprocess.run(program, env=environment, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("re 12 wasi ")
    assert str(package) in done.stdout


def test_a_folder_that_cannot_be_made_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "file" / "cache"))
    with pytest.raises(SandboxError, match=cache.FOLDER_VARIABLE):
        cache.compiled_component()


async def test_what_does_not_run_here_is_compiled_anew(monkeypatch, tmp_path, open_wasi):
    compiled = _counting(monkeypatch)
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path))
    path = cache.compiled_path()
    tmp_path.chmod(0o700)
    path.write_bytes(b"of another machine")
    path.chmod(0o600)
    with pytest.warns(RuntimeWarning):
        session = await open_wasi()
    assert await session.value("1 + 1") == "2"
    assert compiled == [path]


def test_a_component_of_other_sources_is_refused(monkeypatch, tmp_path):
    about = json.loads(component.ABOUT.read_text())
    stale = tmp_path / "component.json"
    stale.write_text(json.dumps(about | {"sources": "others"}))
    component.component_digest.cache_clear()
    monkeypatch.setattr(component, "ABOUT", stale)
    with pytest.raises(SandboxUnavailableError, match="built of another version"):
        component.component_digest()
    monkeypatch.setattr(component, "ABOUT", tmp_path / "none.json")
    with pytest.raises(SandboxUnavailableError, match="has no component"):
        component.component_digest()


def test_capabilities_say_where_it_is_kept(monkeypatch, tmp_path):
    found = WasiSandbox().capabilities()
    assert (found.name, found.confined) == ("wasi", True)
    assert str(cache.compiled_path()) in found.layers["component"]
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path))
    assert "to be compiled by the first run" in WasiSandbox().capabilities().layers["component"]
    monkeypatch.setattr("sys.platform", "darwin")
    assert "not tried by its authors on macOS" in WasiSandbox().capabilities().layers["WebAssembly"]


def test_a_worker_that_cannot_be_started_says_why(monkeypatch, settings):
    spares.end()
    monkeypatch.setattr("sys.executable", "/no/such/python")
    with pytest.raises(SandboxError, match="/no/such/python"):
        open_worker.open_worker(Corpus.of(None), settings(), ())
