"""Names of Python's files without the folders of this machine, which the root LM would meet in what code prints.

Imported before all else, and importing next to nothing: what is loaded before has its whole name.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType
    from typing import Any

_ROOT = "/"
_PREFIXES = ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix", "_stdlib_dir")


def shorten_code(package: str) -> None:
    """Code that is loaded from now on is named from the folder of `sys.path` that it is in: tracebacks, warnings.

    `package` is this package's folder, which is in none.
    """
    fix_name: Any = getattr(sys.modules["_imp"], "_fix_co_filename", None)
    if fix_name is None:  # it loads code in some other way
        return
    loader: Any = type(__loader__)  # pyright: ignore[reportUnknownVariableType]
    get_code, beside = loader.get_code, package.rpartition("/")[0]

    def get_short(self: Any, fullname: str) -> CodeType | None:
        code = get_code(self, fullname)
        if code is not None:
            fix_name(code, _short(self.path, [*sys.path, beside]))
        return code

    loader.get_code = get_short


def forget_folders(package: str, named: Sequence[str], specs: Sequence[ModuleSpec]) -> None:
    """Modules too are named so, those of the `named` folders and of `specs` as well, and `sys` names no folder.

    Nothing can be loaded from any afterwards.
    """
    folders = [*sys.path, *named, package.rpartition("/")[0]]
    for module in [*sys.modules.values()]:
        _shorten(module, folders)
    for spec in specs:
        _shorten_spec(spec, folders)
    sys.path.clear()
    sys.path_importer_cache.clear()
    sys.executable = sys._base_executable = ""  # pyright: ignore[reportAttributeAccessIssue]
    sys.orig_argv[:] = [""]
    for name in _PREFIXES:
        setattr(sys, name, _ROOT)


def _short(path: str, folders: Sequence[str]) -> str:
    within = [folder for folder in folders if folder and path.startswith(f"{folder}/")]
    return path[len(max(within, key=len)) + 1 :] if within else path


def _shorten(module: ModuleType, folders: Sequence[str]) -> None:
    names = vars(module)
    for name in ("__file__", "__cached__"):
        if isinstance(names.get(name), str):
            names[name] = _short(names[name], folders)
    if isinstance(names.get("__path__"), list):
        names["__path__"][:] = [_short(folder, folders) for folder in names["__path__"]]
    if names.get("__spec__") is not None:
        _shorten_spec(names["__spec__"], folders)


def _shorten_spec(spec: ModuleSpec, folders: Sequence[str]) -> None:
    if spec.origin is not None:
        spec.origin = _short(spec.origin, folders)
    spec.cached = None
    if isinstance(spec.submodule_search_locations, list):
        spec.submodule_search_locations[:] = [_short(each, folders) for each in spec.submodule_search_locations]
    loader: Any = spec.loader
    if isinstance(getattr(loader, "path", None), str):
        loader.path = _short(loader.path, folders)
