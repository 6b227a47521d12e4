"""What a step prints, held within a bound while it is produced."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Callable
from io import RawIOBase, TextIOBase, UnsupportedOperation
from threading import RLock
from typing import Any, NoReturn

from rlm_integrations.repl.matches import Matches, PrintedMatches
from rlm_integrations.repl.shown_passages import ShownPassages
from rlm_integrations.repl.terminal_lines import TerminalLines

_LINES_AT_ONCE = 64
_PIECE_CHARS = 1024
_COMPACT_CHARS = 65_536


class StepOutput:
    """The first 3/5 of `max_chars` are handed on as they come, the last 2/5 kept, and the middle counted.

    All of it is what a terminal would show in the end: of a line that was redrawn, the last drawing.
    Of a giant text only slices are ever copied. Threads may write at any time: what they write between two
    steps belongs to the next one. The lock is re-entrant because a `__del__` that prints can run inside `write`.
    """

    def __init__(self, max_chars: int, hand_on: Callable[[str], None]) -> None:
        """`hand_on` gets the head piece by piece: lines at once, and later pieces of at least 1 KB."""
        self._head_chars = max_chars * 3 // 5
        self._tail_chars = max_chars - self._head_chars
        self._compact_at = max(4 * self._tail_chars, _COMPACT_CHARS)
        self._hand_on = hand_on
        self._lines = TerminalLines(self._store)
        self._shown = ShownPassages()
        self._lock = RLock()
        self._in_step = False
        self._reset()

    def _reset(self) -> None:
        self._head_left = self._head_chars
        self._unsent: list[str] = []
        self._unsent_chars = 0
        self._handed_on = 0
        self._tail: list[str] = []
        self._tail_held = 0
        self._cut_chars = 0

    def begin_step(self) -> None:
        with self._lock:
            self._in_step = True
            self._shown.begin_step()
            self._hand_on_unsent()

    def end_step(self) -> tuple[str, int]:
        """Hand on the rest of the head; the tail, and how many characters are gone between head and tail."""
        with self._lock:
            self._lines.end()
            self._hand_on_unsent()
            self._compact_tail()
            tail, cut = "".join(self._tail), self._cut_chars
            self._in_step = False
            self._reset()
            return tail, cut

    def write(self, text: str, *, is_text: bool = False) -> int:
        """How many characters were written: all. Where it `is_text`, a lone carriage return ends a line."""
        if text:
            with self._lock:
                self._lines.write(text, is_text=is_text)
        return len(text)

    def write_matches(self, matches: Matches) -> None:
        """Without the passages that stand in the head of this step already: they will not be cut."""
        with self._lock:
            self._lines.settle()
            self.write(self._shown.printed(matches, self._head_left))

    def flush(self) -> None:
        with self._lock:
            self._lines.settle()
            if self._handed_on < _LINES_AT_ONCE:
                self._hand_on_unsent()

    def _store(self, text: str, length: int) -> None:
        """The first `length` characters of the text."""
        if not length:
            return
        taken = self._write_head(text, length) if self._head_left else 0
        if taken < length:
            begin = max(taken, length - self._tail_chars)
            self._tail.append(text[begin:length])
            self._tail_held += length - begin
            self._cut_chars += begin - taken
            if begin > taken or self._tail_held > self._compact_at:
                self._compact_tail()

    def _write_head(self, text: str, length: int) -> int:
        """How many characters of the text went into the head."""
        taken = min(self._head_left, length)
        self._unsent.append(text[:taken])
        self._unsent_chars += taken
        self._head_left -= taken
        ends_line = text[taken - 1] == "\n" and self._handed_on < _LINES_AT_ONCE
        if ends_line or self._unsent_chars >= _PIECE_CHARS:
            self._hand_on_unsent()
        return taken

    def _hand_on_unsent(self) -> None:
        if self._unsent and self._in_step:
            text = "".join(self._unsent)
            self._unsent.clear()
            self._unsent_chars = 0
            self._handed_on += 1
            self._hand_on(text)

    def _compact_tail(self) -> None:
        text = "".join(self._tail)
        kept = text[max(0, len(text) - self._tail_chars) :]
        self._cut_chars += len(text) - len(kept)
        self._tail = [kept]
        self._tail_held = len(kept)


class OutputStream(TextIOBase):
    """`sys.stdout` and `sys.stderr` of a REPL: one text stream over its output, which cannot be closed."""

    def __init__(self, output: StepOutput) -> None:
        super().__init__()
        self._write = output.write
        self._write_matches = output.write_matches
        self._flush = output.flush

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return "utf-8"

    @property
    def errors(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return "surrogatepass"

    @property
    def name(self) -> str:
        return "<output>"

    def write(self, s: str, /) -> int:
        if type(s) is str:
            return self._write(s)
        if type(s) is PrintedMatches:
            self._write_matches(s.matches)
            return len(s)
        if not isinstance(s, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"write() argument must be str, not {type(s).__name__}")
        return self._write(str.__str__(s))

    @property
    def buffer(self) -> OutputBytes:
        """For code that prints bytes, or wraps them in a text stream of its own."""
        return OutputBytes(self)

    def reconfigure(self, **options: object) -> None:
        """Takes what a terminal's stream takes; all of Unicode can be printed as it is."""

    def flush(self) -> None:
        self._flush()

    def writable(self) -> bool:
        return True

    def fileno(self) -> NoReturn:
        raise UnsupportedOperation("the output of this session is no file")

    def close(self) -> None:
        """Stays open for the next step."""


class OutputBytes(RawIOBase):
    """Bytes of UTF-8 on their way to the output."""

    def __init__(self, stream: OutputStream) -> None:
        super().__init__()
        self._stream = stream
        self._decoder = getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        view = memoryview(data)
        self._stream.write(self._decoder.decode(view.tobytes()))
        return view.nbytes

    def flush(self) -> None:
        self._stream.flush()
