"""The host's side of the child process that reads formats other than text.

Their parsers meet foreign bytes, and can be made to run for hours or to fill the memory: so the child has a bound on
both, and is ended where it meets one. One child converts any number of files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from rlm_integrations.files.rows import Column, Table
from rlm_integrations.frozen import frozen

SECONDS = 120.0
"""For one file."""
MEMORY_BYTES = 2 << 30
"""Of the child's address space."""
OUTPUT_BYTES = 1 << 29
"""Of text that one file may become."""

_BOOT = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from rlm_integrations.files.conversion.worker import main
main(int(sys.argv[2]))
"""


@frozen
class Part:
    """A text out of a file. `place` tells it from the others, as "page=3"; the only one may have none."""

    place: str
    text: str
    metadata: dict[str, Any]


@frozen
class Converted:
    """What a file became. `table`: all of its parts are the rows of one."""

    parts: list[Part]
    table: Table | None = None


class NotConvertedError(Exception):
    """The file is not what its name says, or takes too long or too much memory. `kind` is for counting."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
        self.detail = detail


class Converter:
    """Use as a context manager: leaving it ends the child. Not for several threads at once."""

    def __init__(self, seconds: float = SECONDS, memory_bytes: int = MEMORY_BYTES) -> None:
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Converter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child, if there is one. A later call starts another."""
        self._end()

    def convert(self, path: str, kind: str, notes: list[str]) -> Converted:
        """The texts of the file. What is to be said of how they were read is added to the notes.

        Raises NotConvertedError.
        """
        process = self._running()
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            reading = _Reading(notes)
            for told in self._told(process, {"path": os.path.abspath(path), "kind": kind}):
                reading.take(told)
            return Converted(reading.parts, reading.table)
        except (OSError, ValueError, TypeError, LookupError) as error:  # it has ended, or does not keep to the form
            self._end()
            if late.is_set():
                raise NotConvertedError("not converted", f"it took more than {self._seconds:g} s") from error
            raise NotConvertedError("not converted", f"its parser ended: {error}") from error
        except BaseException as error:
            if not isinstance(error, NotConvertedError):
                self._end()  # what it still writes belongs to this file
            raise
        finally:
            timer.cancel()

    def _told(self, process: subprocess.Popen[bytes], request: dict[str, str]) -> Iterator[dict[str, object]]:
        """What the child says of the file, until it is done."""
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        left = OUTPUT_BYTES
        while True:
            line = process.stdout.readline(left + 1)
            left -= len(line)
            if left < 0:
                self._end()
                raise NotConvertedError("not converted", f"it becomes more than {OUTPUT_BYTES >> 20} MB of text")
            if not line.endswith(b"\n"):
                raise ValueError("out of memory, or it crashed")
            told: object = json.loads(line.decode("utf-8", "surrogatepass"))
            if not isinstance(told, dict):
                raise ValueError("its words are not in form")
            fields = cast("dict[str, object]", told)
            if "problem" in fields:
                raise NotConvertedError(str(fields["problem"]), str(fields.get("detail", "")))
            if "done" in fields:
                return
            yield fields

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            package = str(Path(__file__).resolve().parents[2])
            search = json.dumps([package, *(each for each in sys.path if each)])
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, search, str(self._memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the host, which ends the child
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with suppress(OSError):  # what it never read
                pipe.close()


class _Reading:
    """What a file has become so far. The child read foreign bytes: its words may be in no form, which raises."""

    def __init__(self, notes: list[str]) -> None:
        self.parts: list[Part] = []
        self.table: Table | None = None
        self._notes = notes
        self._read_cell: list[Callable[[str], Any] | None] | None = None

    def take(self, told: dict[str, Any]) -> None:
        if "note" in told:
            self._notes.append(str(told["note"]))
        elif "parts" in told:
            self.parts += [_part(*part) for part in told["parts"]]
        elif "rows" in told:
            for row in told["rows"]:
                self._add_row(row)
        else:
            columns = [Column(str(name), str(dtype)) for name, dtype in told["columns"]]
            self.table = Table(tuple(columns), str(told["text_column"]))
            forms: list[str] | None = told["forms"]
            self._read_cell = None if forms is None else [_FORMS[form] for form in forms]

    def _add_row(self, row: list[Any]) -> None:
        table = self.table
        if table is None or len(row) > len(table.columns):
            raise ValueError("a row fits no table")
        number = len(self.parts) + 1
        cells = {column.name: cell for column, cell in zip(table.columns, row, strict=False) if cell is not None}
        fields: dict[str, Any] = {"row": number}
        if self._read_cell is None:
            fields |= cells
            text, metadata = table.row(fields, cells)
        else:
            for column, cell, read in zip(table.columns, row, self._read_cell, strict=False):
                if read is None:
                    fields[column.name] = cell
                elif cell and not cell.isspace():
                    fields[column.name] = read(cell)
            text, metadata = table.row(fields, cells)
        self.parts.append(Part(f"row={number}", text, metadata))


_FORMS: dict[str, Callable[[str], Any] | None] = {"": None, "int": int, "float": float}


def _part(place: object, text: object, metadata: object) -> Part:
    if not (isinstance(place, str) and isinstance(text, str) and isinstance(metadata, dict)):
        raise ValueError("its words are not in form")
    return Part(place, text, cast("dict[str, Any]", metadata))
