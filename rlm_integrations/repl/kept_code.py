"""The code of modules that few REPLs import, in memory: it runs when one does, where no file can be opened any more."""

from __future__ import annotations

import errno
import marshal
import os
import struct
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source
from pkgutil import iter_modules
from typing import Any

_kept: dict[str, ModuleSpec] = {}


def keep(name: str) -> None:
    """Read the code of a module and of all below it, but of those that are loaded, and run none of it.

    The package around it must be loaded. What the code imports must be loaded or kept, and extensions be loaded.
    Where there is no such module nothing is kept.
    """
    package = name.rpartition(".")[0]
    _keep(name, sys.modules[package].__path__ if package else None)


def kept(name: str) -> ModuleSpec | None:
    """What Python makes the module of, where it is kept."""
    return _kept.get(name)


def kept_specs() -> list[ModuleSpec]:
    """Of all that is kept."""
    return [*_kept.values()]


def take_kept() -> list[str]:
    """The names of all that is kept, which is no longer."""
    names = [*_kept]
    _kept.clear()
    return names


def _keep(name: str, path: Sequence[str] | None) -> None:
    spec = PathFinder.find_spec(name, path)
    if spec is None or not isinstance(spec.loader, SourceFileLoader):
        return
    if name not in sys.modules:
        spec.loader = _KeptLoader(spec.loader)
        _kept[name] = spec
    below = spec.submodule_search_locations
    for part in iter_modules(below) if below else ():
        _keep(f"{name}.{part.name}", below)


class _KeptLoader(SourceFileLoader):
    """Has read what it needs: the code as it lies in the cache, for to make it takes longer than to read it."""

    def __init__(self, loader: SourceFileLoader) -> None:
        super().__init__(loader.name, loader.path)
        self._facts = loader.path_stats(loader.path)
        of_source = (int(self._facts[name]) & 0xFFFFFFFF for name in ("mtime", "size"))
        header = MAGIC_NUMBER + struct.pack("<3I", 0, *of_source)  # of what this Python has made of the file as it is
        try:
            self._compiled = loader.get_data(cache_from_source(loader.path))
        except (OSError, NotImplementedError):  # there is no cache
            self._compiled = b""
        if not self._compiled.startswith(header):
            self._compiled = header + marshal.dumps(loader.get_code(loader.name))

    def path_stats(self, path: str) -> Mapping[str, Any]:
        return self._facts

    def get_data(self, path: str) -> bytes:
        if path == self.path:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self._compiled
