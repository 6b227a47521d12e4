"""The local backend of Deep Agents, and what is seen of its processes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.deepagents import BackendSandbox


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


def relay_of(repl: Any) -> int:
    """It stands in the folder of the REPL, alone."""
    (relay,) = (pid for pid in _pids() if _cwd(pid) == Path(repl.folder))
    return relay


def worker_of(repl: Any) -> int:
    """The process of the model's code, the relay's child."""
    relay = relay_of(repl)
    (worker,) = map(int, Path(f"/proc/{relay}/task/{relay}/children").read_text().split())
    return worker


def _pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _cwd(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None
