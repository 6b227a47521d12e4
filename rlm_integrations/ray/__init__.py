"""REPLs on the machines of a Ray cluster: `RaySandbox`; whole runs there: `rlm_map`."""

from __future__ import annotations

from rlm_integrations.core.extras import needed

with needed("ray", "ray", extra="ray", what="rlm_integrations.ray"):
    import ray as _  # noqa: F401 - asked for here, so that its absence has one clear error

from rlm_integrations.ray.map import rlm_map
from rlm_integrations.ray.sandbox import RaySandbox

__all__ = ["RaySandbox", "rlm_map"]
