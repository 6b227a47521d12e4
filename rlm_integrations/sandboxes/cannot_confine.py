"""The error of a machine that cannot confine model-written code."""

from __future__ import annotations

from rlm_integrations.core.errors import SandboxUnavailableError


def cannot_confine(reason: str) -> SandboxUnavailableError:
    """The error for a reason ("it needs ..."), with what to do."""
    return SandboxUnavailableError(
        f"sandbox: model-written code cannot be confined here: {reason}. Run on Linux (x86_64 or aarch64; a container "
        "will do); or pip install \"rlm-integrations[wasi]\" and pass sandbox='wasi', Python in WebAssembly; "
        "or pass sandbox='unconfined' on Linux, knowing that the code then runs with your rights"
    )
