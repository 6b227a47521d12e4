"""A `with` block at whose end all that a double holds must have been asked for."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Exhaustible:
    """Leaving its block calls `assert_exhausted`, unless something was raised within."""

    def assert_exhausted(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self.assert_exhausted()
