"""What the layers of a worker say is so: looked at from outside, and each layer tried without the others."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.sandboxes.process import repl as repl_module
from rlm_integrations.sandboxes.process_worker.thread_limit import MOST_TASKS

ALONE = (
    "from rlm_integrations.sandboxes.process_worker import confinement, namespaces\nimport os, socket\nPORT = {port}\n"
)
LANDLOCK = """
confinement._prctl(38, 1)
print(confinement._deny_all_files())
"""
NAMESPACES = """
print(namespaces.enter_namespaces())
namespaces.enter_empty_folder()
"""
CAPABILITIES = """
confinement._drop_capabilities()
confinement._prctl(38, 1)
"""
TRY = """
def attempt(name, function, *arguments):
    try:
        print(name, function(*arguments))
    except OSError as error:
        print(name, type(error).__name__)
attempt("open", open, "/etc/passwd")
attempt("list", os.listdir, "/")
attempt("connect", socket.socket().connect, ("127.0.0.1", PORT))
attempt("signal", os.kill, os.getppid(), 0)
attempt("root", os.chroot, "/")
"""


@pytest.fixture
def layers() -> dict[str, str]:
    return resolve_sandbox("auto").capabilities().layers


@pytest.fixture
async def status(open_repl) -> dict[str, str]:
    live = await open_repl()
    lines = Path(f"/proc/{live.repl.pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines)


def _alone(layer: str, port: int = 9) -> str:
    """What the attempts come to where one layer is all there is."""
    code = ALONE.format(port=port) + layer + TRY
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_each_layer_has_a_name(layers):
    assert list(layers) == [
        "seccomp",
        "landlock",
        "namespaces",
        "root folder",
        "capabilities",
        "no new privileges",
        "non-dumpable",
        "core dumps",
        "environment",
        "open files",
        "memory",
        "threads",
    ]
    assert all(layers.values())


async def test_the_kernel_says_what_the_layers_say(status, layers):
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    sets = ("CapInh", "CapPrm", "CapEff", "CapAmb")
    assert {int(status[name], 16) for name in sets} == {0}
    assert layers["capabilities"] == "none"


async def test_limits_of_the_layers_are_hard_ones(open_repl):
    live = await open_repl()
    code = (
        "import resource\n[resource.getrlimit(limit) for limit in "
        "(resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)]"
    )
    assert await live.value(code) == "[(0, 0), (0, 0), (64, 64)]"
    soft, hard = map(int, (await live.value("print(*resource.getrlimit(resource.RLIMIT_AS))")).split())
    assert 0 < soft <= hard < 2 << 30


NATIVE_THREADS = """
import ctypes
libc = ctypes.CDLL(None)
sleep, thread, started = ctypes.cast(libc.sleep, ctypes.c_void_p), ctypes.c_ulong(), 0
while started < 300 and not libc.pthread_create(ctypes.byref(thread), None, sleep, ctypes.c_void_p(1000)): started += 1
print(started)
"""


async def test_the_layer_of_threads_is_the_kernels_where_it_says_so(open_repl, layers, monkeypatch):
    monkeypatch.setattr(repl_module, "MAX_THREADS", 1_000)  # the host lets them be
    by_kernel = "by the kernel, and" in layers["threads"]
    live = await open_repl(memory_mb=4096)
    assert await live.value(NATIVE_THREADS) == str(MOST_TASKS - 2 if by_kernel else 300)
    other = await open_repl(memory_mb=4096)
    assert await other.value(NATIVE_THREADS) == str(MOST_TASKS - 2 if by_kernel else 300), "each has its own"


async def test_namespaces_of_the_layers_are_not_the_hosts(open_repl, layers):
    if os.getuid() != 0:
        pytest.skip("only root may look at the namespaces of a process that is not dumpable")
    live = await open_repl()
    own = layers["namespaces"].removeprefix("its own: ").partition(";")[0].split(", ")
    for name in ("user", "mount", "network", "ipc", "uts"):
        link = {"mount": "mnt", "network": "net"}.get(name, name)
        theirs = os.readlink(f"/proc/{live.repl.pid}/ns/{link}")
        assert (theirs != os.readlink(f"/proc/self/ns/{link}")) == (name in own), name
    if layers["root folder"] == "an empty folder":
        assert os.listdir(f"/proc/{live.repl.pid}/root") == []


async def test_the_layer_of_privacy_shuts_out_processes_of_the_same_user(open_repl):
    live = await open_repl()
    memory = Path(f"/proc/{live.repl.pid}/maps")
    assert memory.stat().st_uid == 0, "the kernel gives what is not dumpable to root"
    if os.getuid() == 0:
        assert memory.read_text()
    else:
        with pytest.raises(PermissionError):
            memory.read_text()


def test_landlock_is_a_layer_by_itself(layers):
    if not layers["landlock"].startswith("ABI"):
        pytest.skip(f"Landlock is {layers['landlock']}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = _alone(LANDLOCK, server.getsockname()[1])
    said = layers["landlock"]
    assert found.splitlines()[0] == said
    assert "open PermissionError\nlist PermissionError\n" in found
    assert ("connect PermissionError" in found) == ("TCP" in said)
    assert ("signal PermissionError" in found) == ("signals" in said)


def test_namespaces_are_a_layer_by_themselves(layers):
    if "refused" in layers["namespaces"] or layers["root folder"] != "an empty folder":
        pytest.skip(f"namespaces here: {layers['namespaces']}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = _alone(NAMESPACES, server.getsockname()[1])
    assert "open FileNotFoundError\nlist []\nconnect OSError\n" in found


def test_capabilities_are_a_layer_by_themselves():
    assert "root PermissionError" in _alone(CAPABILITIES)
