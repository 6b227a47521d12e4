"""What is no backend for us is refused in words."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlm_integrations import InvalidArgumentError, SandboxError, SandboxUnavailableError
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
        ("echo rlm-python cpython 3 ² linux", "does not run"),
        ("echo rlm-python cpython 3 $(printf '%05000d' 7) linux", "does not run"),
        ("echo rlm-python cpython 3 10 linux", "cpython 3.10 on linux; it needs CPython 3.11"),
    ],
)
async def test_a_python_that_will_not_do(backend: Any, tmp_path: Path, says: str, words: str) -> None:
    python = tmp_path / "python with a space"
    python.write_text(f"#!/bin/sh\n{says}\n")
    python.chmod(0o755)
    with pytest.raises(SandboxUnavailableError, match=words):
        await BackendSandbox(backend, python=str(python), unconfined=True).open(Corpus.of("a"), contract_settings())


class Odd:
    """A backend whose commands come to something else than the protocol says."""

    id = "box-1"

    def __init__(self, output: object) -> None:
        self.output = output

    def execute(self, command: str) -> Any:
        if isinstance(self.output, BaseException):
            raise self.output
        return SimpleNamespace(output=self.output, exit_code=0, truncated=False)

    def upload_files(self, files: list[Any]) -> list[Any]:
        return [SimpleNamespace(error=None)] * len(files)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (None, "output that is NoneType, not str"),
        (b"rlm-root /tmp", "output that is bytes, not str"),
        (SystemExit("the client ends"), "SystemExit: the client ends"),
        (asyncio.CancelledError("closed"), "CancelledError: closed"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
async def test_a_backend_that_breaks_its_protocol_ends_no_host(output: object, words: str) -> None:
    sandbox = BackendSandbox(Odd(output))  # pyright: ignore[reportArgumentType]
    with pytest.raises(SandboxError, match=f"Odd box-1 cannot be reached: .*{words}"):
        await sandbox.open(Corpus.of("a"), contract_settings())
