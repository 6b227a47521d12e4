"""Around code: errors that come out of it as others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType


def raising_instead(convert: Callable[[BaseException], None]) -> AbstractContextManager[None]:
    """What is raised within comes to `convert`, which raises another in its place, or returns.

    No generator of `contextlib.contextmanager`: since Python 3.12 an error in whose place that raises another holds
    the frames it came through, and they hold it, until a search for garbage.
    """
    return _RaisingInstead(convert)


class _RaisingInstead:
    def __init__(self, convert: Callable[[BaseException], None]) -> None:
        self._convert = convert

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del at  # it holds the frame of whoever raised
        if error is not None:
            self._convert(error)
