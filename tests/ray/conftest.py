"""A real cluster on this machine: two raylets, and what is started below them."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.core.sandbox import Sandbox

from ..shared_in_folder import SharedInFolder  # noqa: TID252 - of the tests, which are no package
from .quiet_ray import make_quiet

STORE_BYTES = 200 << 20
IMPORTED = (
    "ray.cluster_utils",
    "rlm_integrations.engine",
    "rlm_integrations.ray",
    "rlm_integrations.testing.sandbox_contract",
)
"""By the process that programs here are forks of."""


class LocalCluster:
    """Its machines are addresses of the loopback device. All of it is gone after `close`.

    Of Ray's processes it has those that REPLs and runs need: see `quiet_ray.py`. Workers of the two machines that last
    are forks; those that are added, to be lost, start theirs as users have them.
    """

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._patch = pytest.MonkeyPatch()
        make_quiet(self._patch.setattr)
        quick = {  # a raylet that was killed is known in a second or two, instead of 15
            "health_check_initial_delay_ms": 0,
            "health_check_period_ms": 300,
            "health_check_timeout_ms": 1_000,
            "health_check_failure_threshold": 4,
        }
        warm = {"worker_path": str(Path(__file__).with_name("warm_worker.py")), "env_vars": {"WARM_WORKERS": "1"}}
        head = self._of("127.0.0.2", lasting=1000.0) | warm
        self._cluster = Cluster(initialize_head=True, head_node_args={**head, "_system_config": quick})
        self.address: str = self._cluster.address
        self.head: Any = self._cluster.head_node
        self.other = self._cluster.add_node(**self._of("127.0.0.3", lasting=1000.0, other=1000.0), **warm)

    def add(self, address: str, **resources: float) -> Any:
        return self._cluster.add_node(**self._of(address, **resources))

    def remove(self, node: Any) -> None:
        """As one that loses its power."""
        self._cluster.remove_node(node, allow_graceful=False)

    @cached_property
    def elsewhere(self) -> Sandbox:
        """A sandbox with the other machine alone."""
        from rlm_integrations.ray import RaySandbox

        return RaySandbox(resources={"other": 1})

    @cached_property
    def everywhere(self) -> Sandbox:
        """One with the two machines that are always there, and ten places on each."""
        from rlm_integrations.ray import RaySandbox

        return RaySandbox(resources={"lasting": 1}, num_cpus=0, repls_per_node=10)

    def give_away_everywhere(self) -> Any:
        """For a test that harms it: who asks for it then gets another one."""
        sandbox = self.everywhere
        del self.everywhere
        return sandbox

    def close(self) -> None:
        self._cluster.shutdown()
        self._patch.undo()

    def _of(self, address: str, **resources: float) -> dict[str, Any]:
        return {
            "resources": resources,
            "num_cpus": 1,  # for each of which Ray starts a process at once
            "object_store_memory": STORE_BYTES,
            "node_ip_address": address,
            "include_dashboard": False,
            "include_log_monitor": False,
            "no_monitor": True,  # which would look for machines to start
        }


def raylet(node: Any) -> int:
    return node.all_processes["raylet"][0].process.pid


def below(pid: int) -> list[int]:
    """All processes that a process has started, and those that they have."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                found += [child, *below(child)]
    return found


def runs(pid: int, program: bytes) -> bool:
    """Whether a process has this in its command line, and not whether it has ended since it was found."""
    try:
        return program in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def is_of_sandbox(pid: int) -> bool:
    """Whether it is a helper, a holder or a REPL."""
    return runs(pid, b"process_worker.helper")


def state(pid: int) -> str:
    """Of a process, as the kernel has it: T for one that is stopped, Z for one that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def helpers_on(node: Any) -> set[int]:
    return {pid for pid in below(raylet(node)) if is_of_sandbox(pid)}


@contextmanager
def _folder() -> Generator[str]:
    """Where a cluster keeps its sockets, whose paths have to be short, and its logs."""
    folder = tempfile.mkdtemp(prefix="rlm-ray-", dir="/tmp")
    os.makedirs(f"{folder}/ray")  # which the helper that starts clusters expects to be there
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def short_folder() -> Iterator[str]:
    with _folder() as folder:
        yield folder


@contextmanager
def _connected() -> Generator[LocalCluster]:
    """A cluster that this program is connected to."""
    import ray

    with _folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        cluster = LocalCluster()
        handler = signal.getsignal(signal.SIGTERM)
        ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
        yield cluster
        ray.shutdown()
        signal.signal(signal.SIGTERM, handler)
        cluster.close()


_cluster: SharedInFolder[LocalCluster] = SharedInFolder(__file__)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    _cluster.end_unless_wanted(nextitem)


@pytest.fixture
def cluster() -> LocalCluster:
    """The one of all tests here, which this program is connected to."""
    pytest.importorskip("ray")
    return _cluster.get(_connected)


@pytest.fixture
def elsewhere(cluster: LocalCluster) -> Sandbox:
    return cluster.elsewhere


@pytest.fixture
def everywhere(cluster: LocalCluster) -> Sandbox:
    return cluster.everywhere


@pytest.fixture
def gone(until: Callable[..., Any]) -> Callable[[set[int]], Any]:
    """Waits until these processes have ended."""

    return lambda pids: until(lambda: all(state(pid) == "Z" for pid in pids))
