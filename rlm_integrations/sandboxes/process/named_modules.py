"""The modules that a user names for the model's code: `ProcessSandbox(imports=...)`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable

from rlm_integrations.core.errors import InvalidArgumentError


def read_modules(imports: Iterable[str]) -> tuple[str, ...]:
    """The names, each once. Raises InvalidArgumentError for what is no module's name, or is not installed here.

    Nothing is imported: whether they can be shows when the first REPL starts.
    """
    names = read_names(imports)
    for name in names:
        if not _is_installed(name.partition(".")[0]):
            raise unimportable(f"{name}: it is not installed")
    return names


def read_names(imports: Iterable[str]) -> tuple[str, ...]:
    """The names, each once, of modules that may be installed elsewhere.

    Raises InvalidArgumentError for what is no module's name.
    """
    if isinstance(imports, str) or not isinstance(imports, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgumentError(f"imports: {imports!r} is no list of names; pass for instance ['numpy', 'pandas']")
    names = tuple(dict.fromkeys(imports))
    for name in names:
        if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidArgumentError(
                f"imports: {name!r} is no module's name; pass names as in an import statement, as 'numpy'"
            )
    return names


def unimportable(why: str) -> InvalidArgumentError:
    """The error for "NAME: why"."""
    package = why.partition(":")[0].partition(".")[0]
    return InvalidArgumentError(
        f"imports: cannot import {why}. The REPL has what {sys.executable} can import: "
        f"run `{sys.executable} -m pip install {package}`, or leave it out"
    )


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # a module made by hand, `__main__` for instance
        return False
