"""Tests of what a sandbox owes the engine, for those who write one of their own. Needs pytest and pytest-asyncio.

import pytest
from rlm_integrations.testing.sandbox_contract import SandboxContract

class TestMySandbox(SandboxContract):
    gaps = {"test_variables_last_after_a_step_over_its_time": "it can only kill"}

    @pytest.fixture
    def sandbox(self):
        return MySandbox()
"""

import pytest

_PARTS = ("answers", "code", "contract", "corpora", "description", "endings", "host_calls", "loops", "open_repl")
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in _PARTS))

from rlm_integrations.testing.sandbox_contract.answers import AnswerContract  # noqa: E402
from rlm_integrations.testing.sandbox_contract.code import CodeContract  # noqa: E402
from rlm_integrations.testing.sandbox_contract.contract import contract_settings, until_true  # noqa: E402
from rlm_integrations.testing.sandbox_contract.corpora import CorpusContract  # noqa: E402
from rlm_integrations.testing.sandbox_contract.description import DescriptionContract  # noqa: E402
from rlm_integrations.testing.sandbox_contract.endings import EndingContract  # noqa: E402
from rlm_integrations.testing.sandbox_contract.host_calls import HostCallContract  # noqa: E402
from rlm_integrations.testing.sandbox_contract.loops import LoopContract  # noqa: E402
from rlm_integrations.testing.sandbox_contract.open_repl import OpenRepl, echo  # noqa: E402

__all__ = ["OpenRepl", "SandboxContract", "contract_settings", "echo", "until_true"]


class SandboxContract(
    DescriptionContract,
    CodeContract,
    AnswerContract,
    CorpusContract,
    HostCallContract,
    EndingContract,
    LoopContract,
):
    """All of the contract of `rlm_integrations.Sandbox` as tests: subclass it and override the fixture `sandbox`.

    `gaps` names the tests that the sandbox does not pass, and why. `kill(repl)` ends a REPL from outside; without it
    the test of that is skipped. `calls_one_by_one` is how many calls a test makes one after another.
    Each test opens REPLs of its own, and closes them.
    """
