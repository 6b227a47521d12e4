"""Any sandbox backend of Deep Agents as a sandbox."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from rlm_integrations.core.errors import InvalidArgumentError, SandboxUnavailableError
from rlm_integrations.sandboxes.shell.machine import Said
from rlm_integrations.sandboxes.shell.sandbox import ShellSandbox

if TYPE_CHECKING:
    from deepagents.backends.protocol import SandboxBackendProtocol

_LOCAL = "LocalShellBackend"


class BackendSandbox(ShellSandbox):
    """Runs the model's code in a backend that others isolate: Daytona, E2B, Modal, Runloop, Vercel, LangSmith.

    The run stays in this program: models, keys, tools, callbacks, tracers and limits. What code is kept from is the
    provider's affair, and **the corpus is sent there**, for each run. REPLs in one backend can reach each other: give
    users who are to be apart a backend each. The backend stays yours to start and to stop; processes of ours end with
    their run, or a minute after this program was killed.

    Args:
        backend: An object that implements deepagents' `SandboxBackendProtocol`; its `execute` and `upload_files` are
            called, from several threads at once.
        python: The CPython there, 3.11 or later on Linux, as a shell finds it. It needs no packages.
        unconfined: Say that the backend confines nothing. Must be True for a `LocalShellBackend`, which runs commands
            on this machine with your rights.

    Raises:
        InvalidArgumentError: It is no such backend.
        SandboxUnavailableError: It confines nothing. Whether its Python will do shows when the first REPL starts.
    """

    def __init__(self, backend: SandboxBackendProtocol, *, python: str = "python3", unconfined: bool = False) -> None:
        missing = [name for name in ("execute", "upload_files") if not callable(getattr(backend, name, None))]
        if missing:
            raise InvalidArgumentError(
                f"backend: a {type(backend).__name__} has no {' and no '.join(missing)}; pass one that runs commands: "
                "an implementation of deepagents' SandboxBackendProtocol"
            )
        kind = type(backend).__name__
        local = any(each.__name__ == _LOCAL for each in type(backend).__mro__)
        if local and not unconfined:
            raise SandboxUnavailableError(
                f"sandbox: a {kind} runs commands on this machine with your rights, and confines nothing; pass "
                "another backend, leave `sandbox` out, or pass unconfined=True"
            )
        words = f"left to the provider of {kind}"
        if unconfined:
            words = "none: " + (
                "commands run on this machine with your rights" if local else "unconfined=True was passed"
            )
        super().__init__(
            _Backend(backend),
            name="deepagents",
            python=python,
            confined=not unconfined,
            layers={"confinement": words},
        )


class _Backend:
    """Implements `Machine`."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._takes_timeout = "timeout" in inspect.signature(backend.execute).parameters
        self.name = f"{type(backend).__name__} {getattr(backend, 'id', '')}".strip()

    def run(self, command: str, seconds: int) -> Said:
        timeout: dict[str, int] = {"timeout": seconds} if self._takes_timeout else {}
        response = self._backend.execute(command, **timeout)
        if not isinstance(response.output, str):
            raise TypeError(f"execute() gave an output that is {type(response.output).__name__}, not str")
        return Said(response.output, bool(response.truncated))

    def bring(self, path: str, data: bytes) -> None:
        (response,) = self._backend.upload_files([(path, data)])
        if response.error:
            raise OSError(f"{path} could not be written: {response.error}")
