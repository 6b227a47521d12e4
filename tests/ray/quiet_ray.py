"""Clusters of those of Ray's processes that REPLs and runs need: no dashboard, and `quiet_agent.py` for agents.

As a program it runs the one that its argument names, whose clusters are such.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def make_quiet(set_attribute: Callable[[Any, str, Any], None]) -> None:
    """Of clusters that this process starts from here on."""
    from ray._private import node, services

    agent = [sys.executable, str(Path(__file__).with_name("quiet_agent.py"))]
    set_attribute(node.Node, "start_api_server", lambda *_, **__: None)
    set_attribute(services, "_build_python_executable_command_memory_profileable", lambda *_, **__: agent)


if __name__ == "__main__":
    make_quiet(setattr)
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
