"""The component of the WASI sandbox, its compiled form, and the machines that it runs on."""

from __future__ import annotations

import json
import lzma
import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rlm_integrations.core.errors import SandboxUnavailableError
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.wasi import cache, component
from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox

from .other_machine import CANNOT

pytestmark = pytest.mark.usefixtures("workers_of_their_own")


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
    shutil.copytree(component.PACKAGE, package)
    environment = os.environ | {"PYTHONPATH": str(package.parent), "LOCALAPPDATA": str(home / "App Data")}
    program = [sys.executable, "-c", ELSEWHERE, str(cache.compiled_path())]
    done = subprocess.run(program, env=environment, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("re 12 wasi ")
    assert str(package) in done.stdout


# Root becomes an ordinary user in it, so it is a program.
ORDINARY = f"""
import os, shutil, stat, sys, tempfile
from pathlib import Path
sys.dont_write_bytecode = True
os.environ.pop({cache.FOLDER_VARIABLE!r}, None)
from rlm_integrations.engine import RLMEngine
from rlm_integrations.sandboxes.wasi import cache
from rlm_integrations.testing import ScriptedModel
sys.path.insert(0, {str(Path(__file__).parent)!r})
from other_machine import NOBODY, become_nobody, libc, prove_nobody

def answer():
    "Of a run, or in what words it failed."
    script = ["```repl\\nFINAL(llm_query('q') + str(len(context)))\\n```"]
    try:
        sub, limits = ScriptedModel(["re "]), {{"inline_chars": 0}}
        return RLMEngine(ScriptedModel(script), sub_llm=sub, sandbox="wasi", limits=limits).run("?", "é" * 12).answer
    except Exception as error:
        return f"{{type(error).__name__}}: {{error}}"

with tempfile.TemporaryDirectory() as made:
    kept = Path(made, "Bücher & Räume", "rlm-integrations")
    kept.mkdir(parents=True)
    shutil.copyfile(sys.argv[1], kept / Path(sys.argv[1]).name)
    for each in (made, kept.parent, kept, *kept.iterdir()):
        os.chown(each, NOBODY, NOBODY)
        os.chmod(each, 0o700)
    child = os.fork()
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    become_nobody()
    prove_nobody()
    libc.prctl(38, 1, 0, 0, 0)
    os.environ["XDG_CACHE_HOME"] = str(kept.parent)
    print(answer())
    del os.environ["XDG_CACHE_HOME"]
    for home in ("/root", "/usr", None):
        os.environ.pop("HOME", None)
        if home:
            os.environ["HOME"] = home
        print(answer())
    Path.home = staticmethod(lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    print(answer(), flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_runs_it_with_no_rights_and_where_nothing_can_be_kept_is_told_what_to_do(run_program):
    done = run_program(ORDINARY, cache.compiled_path(), fresh=True, warnings=["ignore"])
    if done.returncode == CANNOT:
        pytest.skip(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    answer, *refusals = done.stdout.splitlines()
    assert answer == "re 12"
    assert len(refusals) == 4
    for words in refusals:
        assert words.startswith("Sandbox"), words
        assert words.endswith(f"name another one by the variable {cache.FOLDER_VARIABLE}"), words


COMPILING = f"""
import os, sys, warnings
from rlm_integrations.sandboxes.wasi import cache
warnings.simplefilter("ignore")
os.environ[{cache.FOLDER_VARIABLE!r}] = sys.argv[1]
cache.compiled_component()
"""


async def test_a_host_that_is_killed_amid_compiling_leaves_no_process_and_no_file(
    start_program, tmp_path, children, alive, until
):
    tmp_path.chmod(0o700)
    host = start_program(COMPILING, tmp_path, fresh=True)
    await until(lambda: bool(children(host.process.pid)) and bool(list(tmp_path.iterdir())))
    compilers = children(host.process.pid)
    host.process.kill()
    await until(lambda: not any(map(alive, compilers)) and not list(tmp_path.iterdir()))


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
        live = await open_wasi()
    assert await live.value("1 + 1") == "2"
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


@pytest.mark.parametrize(
    ("system", "machine", "words"),
    [
        ("linux", "x86_64", ""),
        ("linux", "aarch64", "; not tried by its authors on Linux (aarch64)"),
        ("darwin", "arm64", "; not tried by its authors on macOS (arm64)"),
        ("win32", "AMD64", "; not tried by its authors on Windows (AMD64)"),
    ],
)
def test_a_machine_that_nobody_has_tried_is_told(monkeypatch, tmp_path, system, machine, words):
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert WasiSandbox().capabilities().layers["WebAssembly"].endswith(f"all that the code can reach{words}")
