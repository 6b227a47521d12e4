"""What model code may bend in the interpreter and the next step needs straight."""

from __future__ import annotations

import builtins
import io
import sys
from types import ModuleType
from typing import Any, NoReturn

from rlm_integrations.repl.output import OutputStream

_builtins: dict[str, Any] = builtins.__dict__
_setrecursionlimit = sys.setrecursionlimit
_getrecursionlimit = sys.getrecursionlimit


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


class InterpreterState:
    """Builtins, the recursion limit and standard streams, as a session found or set them.

    Nothing in `straighten` looks up a builtin: it must work while they are broken.
    """

    def __init__(self, main: ModuleType, stream: OutputStream) -> None:
        self._main = main
        self._stream = stream
        self._stdin = NoInput()
        self._builtins = tuple(_builtins.items())
        self._recursion_limit = _getrecursionlimit()

    def straighten(self) -> None:
        """Undo what would hurt the session's own work. Called whenever model code has run."""
        if _getrecursionlimit() != self._recursion_limit:
            _setrecursionlimit(self._recursion_limit)
        for name, value in self._builtins:
            if _builtins.get(name) is not value:
                _builtins[name] = value

    def begin_step(self) -> None:
        """Straighten, and give the step its module and its streams back; a step may rebind them for itself."""
        self.straighten()
        self._main.__dict__.update(__name__="__main__", __builtins__=builtins)
        sys.modules["__main__"] = self._main
        sys.stdin = sys.__stdin__ = self._stdin
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = self._stream
