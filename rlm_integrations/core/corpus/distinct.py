"""Which values the root LM is told of as one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each value once, as it is first met. Numbers that are equal are one, as they are to the code and to pandas: 1,
    1.0 and True. Others are told apart by repr: 2021 and '2021' are two.
    """
    once: dict[str, Any] = {}
    for value in values:
        once.setdefault(_key(value), value)
    return list(once.values())


def _key(value: Any) -> str:
    """Equal for values that are one. No hash of a number's own: anybody can choose numbers of which these are alike,
    and a set of them takes the square of their number.
    """
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    return repr(value)
