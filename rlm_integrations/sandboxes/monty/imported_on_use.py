"""Modules that a worker's libraries import and hardly ever use. Standard library only."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


def import_on_use(name: str) -> None:
    """Let imports of a module find one that becomes the real one when something of it is used.

    (`importlib.util.LazyLoader` makes one that is loaded by the next import of it.)
    """
    if name not in sys.modules:
        sys.modules[name] = _Unused(name)


class _Unused(ModuleType):
    def __getattr__(self, attribute: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), attribute)
