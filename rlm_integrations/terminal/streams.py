"""The standard streams, for a program that has paid for what it prints: one that fails is noticed and ends nothing."""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from rlm_integrations.terminal.printable import one_sentence, printable


class ReaderGoneError(BrokenPipeError):
    """Whoever read what a command prints reads no further, as `head` does: no fault, and nothing is left to do."""


class UnfailingStream(io.TextIOBase):
    """A stream that nothing may depend on, such as the one for progress: what it cannot take is let go."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str, /) -> int:
        if self._stream is not None:
            with suppress(OSError, ValueError):  # ValueError: closed
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._stream is not None and not self._stream.closed and self._stream.isatty()

    def fileno(self) -> int:
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return getattr(self._stream, "encoding", None) or "utf-8"


class PrintableStream(UnfailingStream):
    """stderr for whoever writes there, warnings and tracebacks too: all of it is made printable."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream)
        self.print_above: Callable[[str], None] | None = None
        """Prints a line for them while others are redrawn at the bottom of the terminal."""
        self._begun = ""

    def write(self, text: str, /) -> int:
        if self.print_above is None:
            super().write(printable(self._begun + text))
            self._begun = ""
        else:
            *lines, self._begun = (self._begun + text).split("\n")
            for line in lines:
                self.print_above(printable(line))
        return len(text)

    @property
    def unguarded(self) -> UnfailingStream:
        """The same stream for whoever steers the terminal and sees to the words itself."""
        return UnfailingStream(self._stream)


def guard_standard_streams() -> None:
    """For a program's start. What an encoding lacks is escaped, stderr becomes a PrintableStream, and a stream that is
    closed stays so: no file that is opened later gets its number, and with it what was meant for the stream.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stderr = PrintableStream(sys.stderr)
    warnings.showwarning = _show_warning


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Without the line of source that Python adds."""
    say(f"Warning: {message}")


def progress_stream() -> UnfailingStream:
    """stderr for a console that steers the terminal."""
    stream = sys.stderr
    return stream.unguarded if isinstance(stream, PrintableStream) else UnfailingStream(stream)


@contextmanager
def lines_above(print_above: Callable[[str], None]) -> Generator[None]:
    """While it lasts, what is written on stderr is printed by this function, a line at a time."""
    stream = sys.stderr
    if not isinstance(stream, PrintableStream):
        yield
        return
    stream.print_above = print_above
    try:
        yield
    finally:
        stream.print_above = None
        stream.write("")  # what had no line break


def say(sentence: str) -> None:
    """One line on stderr. Where it cannot be written it is let go."""
    _write_on(one_sentence(sentence))


def say_whole(text: str) -> None:
    """A text of several lines on stderr, printable. Where it cannot be written it is let go."""
    _write_on(printable(text))


def _write_on(text: str) -> None:
    stream = UnfailingStream(sys.stderr)
    stream.write(text + "\n")
    stream.flush()


def write_out(text: str) -> None:
    """A text and a line break on stdout; on a terminal, printable.

    Raises OSError where it cannot be written; stdout is an UnfailingStream then.
    """
    _write_whole((printable(text) if stdout_is_terminal() else text) + "\n")


def write_out_drawn(text: str) -> None:
    """What a TerminalConsole has drawn, on stdout. Raises OSError as `write_out` does."""
    _write_whole(text)


def stdout_is_screen() -> bool:
    """Whether stdout is a terminal that knows more than lines of plain text, and more than ASCII."""
    if not stdout_is_terminal() or os.environ.get("TERM") in ("dumb", "unknown"):
        return False
    return stdout_encoding().lower().startswith("utf")


def stdout_is_terminal() -> bool:
    """Of any kind."""
    return sys.stdout is not None and _is_terminal(sys.stdout)


def _is_terminal(stream: TextIO) -> bool:
    return not stream.closed and stream.isatty()


def _write_whole(text: str) -> None:
    stream: TextIO | None = sys.stdout
    if stream is None:
        raise OSError(errno.EBADF, "stdout is closed")
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError) as error:
        abandon_stdout()
        raise error if isinstance(error, OSError) else OSError(errno.EBADF, str(error)) from error


def stdout_encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "utf-8"


def flush_stdout() -> None:
    """For a program's end: what cannot be written by now is let go."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        abandon_stdout()


def abandon_stdout() -> None:
    """After it failed: what it has not written is let go, or the interpreter would fail at its exit as well."""
    if not isinstance(sys.stdout, UnfailingStream):
        sys.stdout = UnfailingStream(sys.stdout)
