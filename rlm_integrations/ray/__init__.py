"""REPLs on the machines of a Ray cluster: `RaySandbox`; whole runs there: `rlm_map`."""

from __future__ import annotations

from rlm_integrations.core.errors import MissingExtraError

try:
    import ray as _  # noqa: F401 - asked for here, so that its absence has one clear error
except ModuleNotFoundError as error:
    if error.name != "ray":
        raise
    raise MissingExtraError('rlm_integrations.ray needs ray; run: pip install "rlm-integrations[ray]"') from error

from rlm_integrations.ray.map import rlm_map
from rlm_integrations.ray.sandbox import RaySandbox

__all__ = ["RaySandbox", "rlm_map"]
