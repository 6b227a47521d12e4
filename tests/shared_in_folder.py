"""What the tests of one folder share, and that ends with the last of them: it computes for as long as it is there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Generic, TypeVar

import pytest

_T = TypeVar("_T")


class SharedInFolder(Generic[_T]):
    """Started by the first test that wants it, and again where tests of the folder come back later."""

    def __init__(self, conftest: str) -> None:
        self._folder = Path(conftest).parent
        self._end = ExitStack()
        self._shared: list[_T] = []

    def get(self, make: Callable[[], AbstractContextManager[_T]]) -> _T:
        if not self._shared:
            self._shared.append(self._end.enter_context(make()))
        return self._shared[0]

    def end_unless_wanted(self, nextitem: pytest.Item | None) -> None:
        """For `pytest_runtest_teardown`."""
        if nextitem is None or self._folder not in nextitem.path.parents:
            self._shared.clear()
            self._end.close()
