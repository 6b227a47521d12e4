"""From what a user passes as `sandbox` to the sandbox itself."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

from rlm_integrations.core.errors import InvalidArgumentError, SandboxUnavailableError
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.core.wording import value_words
from rlm_integrations.sandboxes.cannot_confine import cannot_confine

if TYPE_CHECKING:
    from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox
    from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox

_CONTRACT = ("open", "capabilities", "modules", "subset")

OR_AN_OBJECT = ", or an object that implements rlm_integrations.Sandbox"
"""What the names can be followed by, for whoever writes Python."""


def resolve_sandbox(sandbox: str | Sandbox) -> Sandbox:
    """The sandbox of a name, or the Sandbox that was passed.

    "auto": the strongest that works here: "process", else "wasi" (Python in WebAssembly), where it is installed.
    "unconfined": the process sandbox with this user's rights. Raises SandboxUnavailableError where this machine cannot
    confine, MissingExtraError for a "wasi" that is not installed, InvalidArgumentError for anything else, with the
    names of what an object of one's own lacks.
    """
    if isinstance(sandbox, str):
        if sandbox == "auto":
            return _strongest()
        if sandbox == "process":
            return _process_sandbox()
        if sandbox == "wasi":
            return _wasi_sandbox()
        if sandbox == "unconfined":
            return _unconfined_sandbox()
    missing = [name for name in _CONTRACT if not hasattr(sandbox, name)]
    if not missing and not isinstance(sandbox, str):
        return sandbox
    lacks = f" (it has no {', '.join(missing)})" if len(missing) < len(_CONTRACT) else ""
    raise InvalidArgumentError(
        f"sandbox: {value_words(sandbox)} is not one{lacks}; pass 'auto', 'process', 'wasi', 'unconfined'{OR_AN_OBJECT}"
    )


def _strongest() -> Sandbox:
    try:
        return _process_sandbox()
    except SandboxUnavailableError:
        from rlm_integrations.sandboxes.wasi.sandbox import is_usable

        if is_usable():
            return _wasi_sandbox()
        raise


def _wasi_sandbox() -> WasiSandbox:
    from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox

    return WasiSandbox()


@functools.cache  # it remembers what a worker reported
def _process_sandbox() -> ProcessSandbox:
    from rlm_integrations.sandboxes.process_worker import seccomp

    reason = seccomp.why_unavailable()
    if reason is None:
        from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox

        return ProcessSandbox()
    raise cannot_confine(reason)


@functools.cache
def _unconfined_sandbox() -> ProcessSandbox:
    if sys.platform != "linux":
        raise SandboxUnavailableError(
            f"sandbox: 'unconfined' needs Linux as well, and this is {sys.platform}; use a container"
        )
    from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox

    return ProcessSandbox(confined=False)
