"""What is no backend for us is refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import InvalidArgumentError, SandboxUnavailableError
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.deepagents import BackendSandbox
from rlm_integrations.testing.sandbox_contract import contract_settings

backends = pytest.importorskip("deepagents.backends", reason="pip install 'rlm-integrations[deepagents]'")


def test_a_backend_that_runs_no_commands(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="a FilesystemBackend has no execute"):
        BackendSandbox(backends.FilesystemBackend(tmp_path))


def test_one_that_confines_nothing(backend: Any) -> None:
    with pytest.raises(SandboxUnavailableError, match="with your rights, and confines nothing"):
        BackendSandbox(backend)
    said = BackendSandbox(backend, unconfined=True).capabilities()
    assert not said.confined
    assert said.layers["confinement"] == "none: commands run on this machine with your rights"


def test_one_of_a_provider_is_said_to_confine() -> None:
    class Provider:
        id = "box-1"

        def execute(self, command: str) -> None: ...
        def upload_files(self, files: object) -> None: ...

    said = BackendSandbox(Provider()).capabilities()  # pyright: ignore[reportArgumentType]
    assert said.confined
    assert said.layers["confinement"] == "left to the provider of Provider"
    assert said.layers["machine"].startswith("Provider box-1, with its own Python; the corpus is sent there")


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("exit 127", "does not run"),
        ("echo rlm-python cpython 3 10 linux", "cpython 3.10 on linux; it needs CPython 3.11"),
    ],
)
async def test_a_python_that_will_not_do(backend: Any, tmp_path: Path, says: str, words: str) -> None:
    python = tmp_path / "python with a space"
    python.write_text(f"#!/bin/sh\n{says}\n")
    python.chmod(0o755)
    with pytest.raises(SandboxUnavailableError, match=words):
        await BackendSandbox(backend, python=str(python), unconfined=True).open(Corpus.of("a"), contract_settings())
