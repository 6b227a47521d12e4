"""REPLs in a sandbox backend of Deep Agents keep the contract of all sandboxes."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.testing.sandbox_contract import SandboxContract

from .conftest import worker_of

pytest.importorskip("deepagents", reason="deepagents is not installed: pip install 'rlm-integrations[deepagents]'")

GAPS = {
    f"test_what_a_repl_has_not_is_refused_in_words[{code}]": (
        "a machine of others has files; what code may do with them is the provider's affair"
    )
    for code in (
        "open('notes.txt')",
        "import os\\nos.listdir('.')",
        "from pathlib import Path\\nPath('notes.txt').read_text()",
    )
}


class TestBackend(SandboxContract):
    gaps = GAPS
    calls_one_by_one = 15  # each is two commands

    @pytest.fixture
    def sandbox(self, warm: Sandbox) -> Sandbox:
        return warm

    def kill(self, repl: Any) -> None:
        os.kill(worker_of(repl), signal.SIGKILL)
