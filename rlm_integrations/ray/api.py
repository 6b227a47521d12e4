"""Ray itself, without types: its own say little of actors, and it need not be installed where this is checked."""

from __future__ import annotations

from importlib import import_module
from typing import Any

ray: Any = import_module("ray")
exceptions: Any = import_module("ray.exceptions")
scheduling: Any = import_module("ray.util.scheduling_strategies")
