"""The contract's tests in a project of somebody else's: they pass, tell faults, and hold gaps to what they name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = """
from __future__ import annotations
import pytest
from rlm_integrations import ProcessSandbox
from rlm_integrations.testing.sandbox_contract import SandboxContract

class Right(ProcessSandbox): pass

class Wrong(ProcessSandbox):
    async def open(self, corpus, settings, retrieved=()):
        return await super().open(corpus, settings)  # forgets what was retrieved

class Contract(SandboxContract):
    @pytest.fixture
    def sandbox(self):
        return self.kind()

class TestRight(Contract): kind = Right
class TestWrong(Contract): kind = Wrong
class TestWrongAndSaidSo(Contract):
    kind, gaps = Wrong, {"test_retrieved_documents_stand_behind_the_corpus": "forgotten"}
class TestSaysTooMuch(Contract):
    kind, gaps = Right, {"test_retrieved_documents_stand_behind_the_corpus": "not so", "test_nothing": "no test"}
"""


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_a_project_of_its_own_tests_its_sandbox(tmp_path: Path, mode: str) -> None:
    (tmp_path / "test_mine.py").write_text(PROJECT)
    chosen = "retrieved_documents or gap or without_a_loop or ended_while"
    command = [sys.executable, "-m", "pytest", "-vv", "-rs", "-p", "no:cacheprovider", "-o", f"asyncio_mode={mode}"]
    ran = subprocess.run(
        [*command, "-o", "asyncio_default_fixture_loop_scope=function", "-W", "error", "-k", chosen],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": os.getcwd(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_asyncio.plugin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    ended = dict(re.findall(r"::(\w+::test_[a-z_]+)[^\n]*? (PASSED|FAILED|XFAIL|SKIPPED)", ran.stdout))
    retrieved, gap = "test_retrieved_documents_stand_behind_the_corpus", "test_each_gap_is_a_tests_name"
    assert ended[f"TestRight::{retrieved}"] == "PASSED", ran.stdout + ran.stderr
    assert ended[f"TestWrong::{retrieved}"] == "FAILED"
    assert ended[f"TestWrongAndSaidSo::{retrieved}"] == "XFAIL"
    assert ended[f"TestSaysTooMuch::{retrieved}"] == "FAILED"
    assert [ended[f"{name}::{gap}"] for name in ("TestRight", "TestSaysTooMuch")] == ["PASSED", "FAILED"]
    assert ended["TestRight::test_one_that_rests_is_ended_without_a_loop"] == "PASSED", ran.stdout + ran.stderr
    assert ended["TestRight::test_one_that_was_ended_while_it_rested_is_lost_in_its_next_step"] == "SKIPPED"
    assert "no way to end a REPL from outside" in ran.stdout
    assert "E       assert \"(['a'], {})\" ==" in ran.stdout  # explained, as asserts of a project's own tests are
