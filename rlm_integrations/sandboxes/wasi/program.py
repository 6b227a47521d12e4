"""How programs of `wasi_worker` are started: by this interpreter, over its paths, without `__init__` of the package."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

# Builds the package by hand, so that its __init__ is not run. What is imported is not garbage, which is not looked for.
_BOOT = """
import gc, json, sys, types
gc.disable()
sys.path[:] = json.loads(sys.argv[1])
package = sys.modules["rlm_integrations"] = types.ModuleType("rlm_integrations")
package.__path__ = [sys.argv[2]]
from rlm_integrations.sandboxes.wasi_worker.{module} import main
gc.freeze()
gc.enable()
main(*sys.argv[3:])
"""
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")


def command_of(module: str, *arguments: str | Path) -> list[str]:
    """What runs the `main` of a module with arguments."""
    package = str(Path(__file__).resolve().parents[2])
    paths = json.dumps([os.path.abspath(path) for path in sys.path])
    return [
        sys.executable,
        "-I",
        "-S",
        "-X",
        "utf8",
        "-c",
        _BOOT.format(module=module),
        paths,
        package,
        *map(str, arguments),
    ]


def environment() -> dict[str, str]:
    """What a program may know of this one's."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"MALLOC_ARENA_MAX": "1"}
