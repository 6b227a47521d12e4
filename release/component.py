"""Builds the component of the WASI sandbox: CPython and this package's `repl/`, as they are in memory when ready.

    make component

It takes the versions that are pinned in pyproject.toml's group `component`. Nothing is done where the component is that
of the sources.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rlm_integrations.sandboxes.wasi.component import ABOUT, INSIDE, PACKAGE, PACKED, sources_digest

_APP = "from rlm_integrations.sandboxes.wasi_guest.app import WitWorld\n"


def build(preset: int = lzma.PRESET_DEFAULT) -> None:
    """Write the component and what is known of it beside the host's side of the sandbox."""
    digest = sources_digest()
    with tempfile.TemporaryDirectory() as folder:
        component = _component(Path(folder))
    packed = lzma.compress(component, preset=preset)
    about = {
        "sources": digest,
        "component": hashlib.sha256(component).hexdigest(),
        "built_by": {name: version(name) for name in ("componentize-py", "tzdata")},
    }
    _replace(PACKED, packed)
    _replace(ABOUT, json.dumps(about, indent=1).encode() + b"\n")
    print(f"component: {len(component):,} bytes, {len(packed):,} packed")


def is_fresh() -> bool:
    """Whether there is one, of the sources as they are."""
    try:
        return PACKED.exists() and json.loads(ABOUT.read_text("utf-8"))["sources"] == sources_digest()
    except FileNotFoundError:
        return False


def _component(folder: Path) -> bytes:
    import tzdata

    tree, out = folder / "tree", folder / "component.wasm"
    package = tree / "rlm_integrations"
    for inner in INSIDE:
        shutil.copytree(PACKAGE / inner, package / inner, ignore=shutil.ignore_patterns("__pycache__"))
    for init in (package, package / "sandboxes"):  # the package's own imports pydantic
        (init / "__init__.py").touch()
    shutil.copytree(tzdata.__path__[0], tree / "tzdata", ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "repl_app.py").write_text(_APP, "utf-8")
    tool = Path(sysconfig.get_path("scripts"), "componentize-py")
    wit = package / "sandboxes" / "wasi_guest" / "repl.wit"
    command = [tool, "-q", "-d", wit, "-w", "repl", "componentize", "repl_app", "-p", tree, "-o", out]
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(command, check=True, cwd=tree, env=environment)
    return out.read_bytes()


def _replace(path: Path, content: bytes) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_bytes(content)
    os.replace(new, path)


if __name__ == "__main__":
    if is_fresh():
        print("component: up to date")
    else:
        build()
