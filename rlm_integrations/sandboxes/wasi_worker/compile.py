"""Compiles the component for this machine: a program of its own, for it takes seconds and half a gigabyte."""

from __future__ import annotations

import lzma
from importlib import import_module
from pathlib import Path

from rlm_integrations.sandboxes.wasi_worker.engine import make_engine


def main(packed: str, compiled: str) -> None:
    """Write what the packed component compiles to."""
    component = import_module("wasmtime.component").Component(make_engine(), lzma.decompress(Path(packed).read_bytes()))
    Path(compiled).write_bytes(component.serialize())
