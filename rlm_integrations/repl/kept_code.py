"""The code of modules that few REPLs import, in memory: it runs when one does, where no file can be opened any more."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pkgutil import iter_modules
from types import CodeType, ModuleType
from typing import Any, cast

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
    if name not in sys.modules and (code := spec.loader.get_code(name)) is not None:
        spec.loader = cast(Any, _CodeLoader(code))
        _kept[name] = spec
    below = spec.submodule_search_locations
    for part in iter_modules(below) if below else ():
        _keep(f"{name}.{part.name}", below)


class _CodeLoader:
    """A loader whose modules come of code that is there. `importlib.abc`, which has a base for it, is kept itself."""

    def __init__(self, code: CodeType) -> None:
        self._code = code

    def create_module(self, spec: ModuleSpec) -> None:
        """Any module will do."""

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, vars(module))
