"""The local backend of Deep Agents, and what is seen of its processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.deepagents import BackendSandbox

LAUNCHER = """#!/usr/bin/perl
# Perl starts in a fifth of Python's time. A seed of hashes is chosen when Python starts.
exec "{python}", @ARGV if exists $ENV{{PYTHONHASHSEED}};
socket(my $parent, 1, 1, 0) or die "no socket: $!";
connect($parent, pack("S a*", 1, "{socket}")) or die "no parent: $!";
syswrite($parent, "$$\\n");
sysread($parent, my $status, 8) or die "the parent has ended";
exit $status;
"""


@pytest.fixture(scope="session")
def backend_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backend")


@pytest.fixture(scope="session")
def backend(backend_folder: Path) -> Any:
    backends = pytest.importorskip("deepagents.backends")
    return backends.LocalShellBackend(backend_folder, env={"PATH": "/usr/bin:/bin"})


@pytest.fixture(scope="session")
def local(backend: Any) -> Sandbox:
    return BackendSandbox(backend, python=sys.executable, unconfined=True)


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Starts programs in a fifth of Python's time, as forks; where there is no Perl, Python."""
    if not Path("/usr/bin/perl").exists():
        yield sys.executable
        return
    folder = tmp_path_factory.mktemp("warm")
    launcher, address = folder / "python", folder / "s"
    launcher.write_text(LAUNCHER.format(python=sys.executable, socket=address))
    launcher.chmod(0o700)
    script = str(Path(__file__).with_name("warm_python.py"))
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-X", "utf8", script, str(address)],
        env={"PATH": "/usr/bin:/bin", "MALLOC_ARENA_MAX": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        yield str(launcher)
        assert parent.stdin is not None
        parent.stdin.close()


@pytest.fixture(scope="session")
def warm(backend: Any, warm_python: str) -> Sandbox:
    """The same as `local`, whose Python is started faster."""
    return BackendSandbox(backend, python=warm_python, unconfined=True)


def relay_of(repl: Any) -> int:
    """It stands in the folder of the REPL, as commands for it do, and has a child."""
    (relay,) = (pid for pid in _pids() if _cwd(pid) == Path(repl.folder) and _children(pid))
    return relay


def worker_of(repl: Any) -> int:
    """The process of the model's code, the relay's child."""
    (worker,) = _children(relay_of(repl))
    return worker


def _pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _children(pid: int) -> list[int]:
    try:
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    except OSError:
        return []


def _cwd(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None
