"""REPLs in a sandbox backend of Deep Agents: `BackendSandbox`."""

from __future__ import annotations

from rlm_integrations.deepagents.sandbox import BackendSandbox

__all__ = ["BackendSandbox"]
