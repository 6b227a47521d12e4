"""What model code may bend in the interpreter and the next step needs straight."""

from __future__ import annotations

import builtins
import io
import sys
from collections.abc import Callable
from functools import cache
from operator import is_, itemgetter
from types import ModuleType
from typing import Any, NoReturn

from rlm_integrations.repl.output import OutputStream

_builtins: dict[str, Any] = builtins.__dict__
_setrecursionlimit = sys.setrecursionlimit
_getrecursionlimit = sys.getrecursionlimit
_set = object.__setattr__
_all, _zip, _NotThere = all, zip, KeyError
_map: Any = map


class NoInput(io.TextIOBase):
    """The standard input of a REPL in which nobody types."""

    def read(self, size: int | None = -1, /) -> NoReturn:
        raise EOFError("there is no input in this session: write the value into the code")

    def readline(self, size: int = -1, /) -> NoReturn:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.read()

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Stays open for the next step."""


class _KeptStream:
    """The stream of a REPL, as it was: its class, and what both have."""

    def __init__(self, stream: OutputStream) -> None:
        self.stream = stream
        self._of_class, self._own = dict(vars(OutputStream)), dict(vars(stream))

    def put_back(self) -> None:
        if type(self.stream) is not OutputStream:
            _set(self.stream, "__class__", OutputStream)
        _restore(OutputStream, self._of_class, type.__setattr__, type.__delattr__)
        _restore(self.stream, self._own, _set, object.__delattr__)


def _restore(holder: object, kept: dict[str, Any], set_: Callable[..., None], delete: Callable[..., None]) -> None:
    now = vars(holder)
    for name in [*now]:
        if name not in kept:
            delete(holder, name)
    for name, value in kept.items():
        if now.get(name) is not value:
            set_(holder, name, value)


class _Builtins:
    """As the first REPL of this process found them, or of the one that forked it.

    A copy for each REPL would count references to all of them, and so have each worker copy the pages they lie in. Nor
    does looking at them touch their names, which lie scattered, or need pairs of both.
    """

    def __init__(self) -> None:
        self._names, self._values = tuple(_builtins), tuple(_builtins.values())
        self._now: Callable[[dict[str, Any]], tuple[Any, ...]] = itemgetter(*self._names)

    def put_back(self) -> None:
        try:
            if _all(_map(is_, self._now(_builtins), self._values)):
                return
        except _NotThere:
            pass
        for name, value in _zip(self._names, self._values):
            if _builtins.get(name) is not value:
                _builtins[name] = value


_builtins_as_found = cache(_Builtins)


class InterpreterState:
    """Builtins, the recursion limit and standard streams, as a REPL found or set them.

    Nothing in `straighten` looks up a builtin: it must work while they are broken.
    """

    def __init__(self, main: ModuleType, stream: OutputStream) -> None:
        self._main = main
        self._kept_stream = _KeptStream(stream)
        self._stdin = NoInput()
        self._builtins = _builtins_as_found()
        self._recursion_limit = self._raised_limit = _getrecursionlimit()

    def resume(self) -> None:
        """Give the model's code the recursion limit that it has set, unless that is lower than the REPL's own."""
        if self._raised_limit > self._recursion_limit:
            _setrecursionlimit(self._raised_limit)

    def straighten(self) -> None:
        """Undo what would hurt the REPL's own work. Called whenever model code has run."""
        limit = _getrecursionlimit()
        if limit != self._recursion_limit:
            _setrecursionlimit(self._recursion_limit)
            self._raised_limit = limit
        self._builtins.put_back()

    def begin_step(self) -> None:
        """Straighten, and give the step its module and its streams back; a step may rebind them for itself."""
        self.straighten()
        self._main.__dict__.update(__name__="__main__", __builtins__=builtins)
        sys.modules["__main__"] = self._main
        sys.stdin = sys.__stdin__ = self._stdin
        self._kept_stream.put_back()
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = self._kept_stream.stream
