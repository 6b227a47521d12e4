"""Every sandbox of ours keeps the contract, but for gaps that it names."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.testing.sandbox_contract import SandboxContract

GAPS_OF_MONTY = {
    "test_a_bad_call_is_an_error_that_says_so[raise SystemExit(3)]": (
        "the VM calls an exception of its own to raise it an internal error; exit(3) is understood"
    ),
    "test_a_step_shows_a_passage_once": "what the VM prints is text, which no longer knows where it stood",
    "test_too_much_memory_raises_and_the_session_survives[tiny objects]": (
        "where a table of the VM grows past the limit, the VM ends and the session with it"
    ),
}


class TestProcess(SandboxContract):
    @pytest.fixture
    def sandbox(self) -> Sandbox:
        return resolve_sandbox("process")

    def kill(self, repl: Any) -> None:
        os.kill(repl.pid, signal.SIGKILL)


class TestMonty(SandboxContract):
    gaps = GAPS_OF_MONTY

    @pytest.fixture
    def sandbox(self) -> Sandbox:
        return resolve_sandbox("monty")

    def kill(self, repl: Any) -> None:
        os.kill(repl.pid, signal.SIGKILL)
