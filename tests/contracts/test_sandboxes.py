"""Every sandbox of ours keeps the contract, but for gaps that it names."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest

from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.sandboxes.wasi import repl as wasi_repl
from rlm_integrations.testing.sandbox_contract import SandboxContract

GAPS_OF_WASI = {
    "test_too_much_memory_raises_and_the_repl_survives[one text]": ("sizes have 32 bits there: it is an OverflowError"),
    "test_too_much_memory_raises_and_the_repl_survives[tiny objects]": (
        "linear memory is given back in pieces: 24 MB of 128 are left at once"
    ),
}
if re.error.__name__ == "error":  # before 3.13
    GAPS_OF_WASI["test_an_error_names_the_line_of_the_models_own_code[asked of a function of ours]"] = (
        "its Python is 3.14, where re.error is PatternError"
    )


class TestProcess(SandboxContract):
    @pytest.fixture
    def sandbox(self) -> Sandbox:
        return resolve_sandbox("process")

    def kill(self, repl: Any) -> None:
        os.kill(repl.pid, signal.SIGKILL)


class TestWasi(SandboxContract):
    gaps = GAPS_OF_WASI

    @pytest.fixture(autouse=True)
    def short_grace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Code that no interrupt reaches is killed soon: it spins until then."""
        monkeypatch.setattr(wasi_repl, "INTERRUPT_GRACE_S", 0.5)

    @pytest.fixture
    def sandbox(self, wasi_component: None) -> Sandbox:
        return resolve_sandbox("wasi")

    def kill(self, repl: Any) -> None:
        os.kill(repl.pid, signal.SIGKILL)
