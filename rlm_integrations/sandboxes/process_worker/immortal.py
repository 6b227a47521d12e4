"""Documents that reading does not change: where Python has immortal objects, a holder makes them so.

Each use of an object counts a reference in it, and in a forked process the first such write copies the page. From
Python 3.12 on, objects with a certain count are left alone. Standard library only: this runs in the helper.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from typing import Any

_HASHED_CHARS = 256  # a str keeps its hash once it was asked for; longer ones are seldom keys


def make_immortal(values: Iterable[Any]) -> None:
    """Keep dicts, lists, tuples, strs and numbers, and what they hold, from ever changing their reference counts.

    They are never freed. Does nothing before Python 3.12, and where references are counted in another way.
    """
    mark = ctypes.c_uint64.from_address(id(None)).value
    if sys.version_info < (3, 12) or mark & 0xFFFFFFFF != sys.getrefcount(None):
        return
    pending = list(values)
    while pending:
        value = pending.pop()
        ctypes.c_uint64.from_address(id(value)).value = mark
        if type(value) is str:
            if len(value) <= _HASHED_CHARS:
                hash(value)
        elif type(value) is dict:
            pending += value.keys()
            pending += value.values()
        elif type(value) in (list, tuple):
            pending += value
