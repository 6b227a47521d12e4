"""A REPL on a machine that is not the caller's keeps the contract of all sandboxes, without a gap."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.testing.sandbox_contract import SandboxContract

from .conftest import LocalCluster, helpers_on, state

pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlm-integrations[ray]'")
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


class TestRay(SandboxContract):
    calls_one_by_one = 80

    @pytest.fixture
    def sandbox(self, elsewhere: Sandbox, cluster: LocalCluster) -> Sandbox:
        self.cluster = cluster
        return elsewhere

    def kill(self, repl: Any) -> None:
        """The one that rests, stopped, on that machine."""
        end = time.monotonic() + 10
        while not (stopped := [pid for pid in helpers_on(self.cluster.other) if state(pid) == "T"]):
            assert time.monotonic() < end
        for pid in stopped:
            os.kill(pid, signal.SIGKILL)
