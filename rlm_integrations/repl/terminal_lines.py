"""Printed text as a terminal shows it in the end: progress bars that redraw their line, colours, erased words."""

from __future__ import annotations

import re
from collections.abc import Callable

_WIDTH = 4_096  # the beginning of a longer line is settled, as what has left a terminal's last row
_SLICE = 65_536
_TEXT_CHARS = 2_000
_ESCAPE_CHARS = 64

_TOKEN = re.compile(
    r"[^\n\r\x08\x1b]++|[\n\r\x08]"
    r"|\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b\n]*+(?:\x07|\x1b\\)|[ -/]*+[0-Z\\^-~])|\x1b"
)
_UNENDED = re.compile(r"\x1b(?:\[[0-?]*+[ -/]*+|[ -/]*+)")
_ERASES_OR_MOVES = re.compile(r"\x1b\[(\d{0,4}+)([KGCD])")


class TerminalLines:
    """Hands lines on as soon as they are ended. Of the last line nothing is told until it is, but for a long one.

    A carriage return goes back to the line's begin, a backspace one place, and what is printed then stands in place
    of what was there. Of escape sequences, those that erase or move within the line do, and no other is kept. In a
    write of more than 2,000 characters a lone carriage return ends a line: that is a text, and no progress bar.
    """

    def __init__(self, hand_on: Callable[[str, int], None]) -> None:
        """`hand_on` takes a text, and how many of its characters count."""
        self._hand_on = hand_on
        self._plain: list[str] = []
        """The last line, as long as nothing went back in it."""
        self._plain_chars = 0
        self._cells: list[str] | None = None
        """The last line, by its places."""
        self._cursor = 0
        self._begun = False
        """Whether the beginning of the last line was handed on."""
        self._went_back = False
        """Whether a carriage return came after that: then what follows stands on a line of its own."""
        self._escape = ""

    def write(self, text: str, *, is_text: bool = False) -> None:
        """Take more. Where it `is_text`, a lone carriage return ends a line."""
        redraws = "\r" in text or "\x1b" in text or "\b" in text
        if not redraws and self._cells is None and not self._escape:
            self._write_plain(text)
            return
        is_text = is_text or len(text) > _TEXT_CHARS
        begin = 0
        while begin < len(text):
            end = begin + _SLICE
            end += text.startswith("\n", end) and text[end - 1] == "\r"
            piece = self._escape + text[begin:end]
            self._escape = ""
            if is_text:
                piece = piece.replace("\r\n", "\n").replace("\r", "\n")
            self._write_tokens(piece)
            begin = end

    def settle(self) -> None:
        """Hand on the last line too, unless it is one that is being redrawn."""
        if self._cells is None and self._plain:
            self._hand_on_plain()
            self._begun = True

    def end(self) -> None:
        """Hand on all there is; what comes next is on a line of its own."""
        if self._cells is None:
            self._hand_on_plain()
        else:
            self._hand_on_cells()
        self._cells, self._cursor, self._begun, self._went_back, self._escape = None, 0, False, False, ""

    def _write_plain(self, text: str) -> None:
        rest = text.rfind("\n") + 1
        if rest:
            self._hand_on_plain()
            self._hand_on(text, rest)
            self._begun = False
        if self._plain_chars + len(text) - rest > _WIDTH:
            self._hand_on_plain()
            self._hand_on(text[rest:] if rest else text, len(text) - rest)
            self._begun = True
        elif rest < len(text):
            self._plain.append(text[rest:])
            self._plain_chars += len(text) - rest

    def _hand_on_plain(self) -> None:
        if self._plain:
            text = "".join(self._plain)
            self._plain.clear()
            self._plain_chars = 0
            self._hand_on(text, len(text))

    def _write_tokens(self, text: str) -> None:
        last = text.rfind("\x1b", max(0, len(text) - _ESCAPE_CHARS))
        if last >= 0 and _UNENDED.fullmatch(text, last):  # the rest of it comes with the next write
            text, self._escape = text[:last], text[last:]
        for match in _TOKEN.finditer(text):
            token = match.group()
            if token == "\n":
                self._end_line()
            elif token == "\r":
                self._move_to(0)
                self._went_back = self._begun
            elif token == "\b":
                self._move_to(self._column() - 1)
            elif token[0] == "\x1b":
                self._obey(token)
            elif self._cells is None:
                self._write_plain(token)
            else:
                self._overwrite(self._cells, token)

    def _end_line(self) -> None:
        if self._cells is None:
            self._write_plain("\n")
            return
        self._hand_on_cells()
        self._hand_on("\n", 1)
        self._cells, self._cursor, self._begun, self._went_back = None, 0, False, False

    def _hand_on_cells(self) -> None:
        text = "".join(self._cells or ()).rstrip(" ")
        if text and self._went_back:
            text = f"\n{text}"
        self._went_back = False
        self._hand_on(text, len(text))

    def _column(self) -> int:
        return self._plain_chars if self._cells is None else self._cursor

    def _move_to(self, column: int) -> None:
        if self._cells is None:
            self._cells = list("".join(self._plain))
            self._plain.clear()
            self._plain_chars = 0
        self._cursor = min(max(0, column), _WIDTH)

    def _obey(self, escape: str) -> None:
        told = _ERASES_OR_MOVES.fullmatch(escape)
        if told is None:
            return
        number = int(told[1]) if told[1] else None
        column = self._column()
        match told[2]:
            case "G":
                self._move_to((number or 1) - 1)
            case "C":
                self._move_to(column + (number or 1))
            case "D":
                self._move_to(column - (number or 1))
            case _:
                self._move_to(column)
                self._erase(self._cells or [], number or 0)

    def _erase(self, cells: list[str], what: int) -> None:
        """0: from the cursor on, 1: up to it, 2: all of the line."""
        if what in (0, 2):
            del cells[self._cursor :]
        if what in (1, 2):
            upto = min(self._cursor + (what == 1), len(cells))
            cells[:upto] = " " * upto

    def _overwrite(self, cells: list[str], text: str) -> None:
        if self._cursor + len(text) <= _WIDTH:
            cells += " " * (self._cursor - len(cells))
            cells[self._cursor : self._cursor + len(text)] = text
            self._cursor += len(text)
            return
        del cells[self._cursor :]
        cells += " " * (self._cursor - len(cells))
        whole = "".join(cells)
        if self._went_back:
            whole = f"\n{whole}"
        self._hand_on(whole, len(whole))
        self._hand_on(text, len(text))
        self._cells, self._cursor, self._begun, self._went_back = None, 0, True, False
