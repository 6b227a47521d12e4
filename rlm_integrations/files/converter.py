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
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

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


@dataclass(frozen=True, slots=True)
class Part:
    """A text out of a file. `place` tells it from the others, as "page=3"; the only one may have none."""

    place: str
    text: str
    metadata: dict[str, Any]


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

    def convert(self, path: str, kind: str, notes: list[str]) -> list[Part]:
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
            return list(self._parts(process, {"path": os.path.abspath(path), "kind": kind}, notes))
        except (OSError, ValueError) as error:  # the child has ended, or does not keep to the form
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

    def _parts(self, process: subprocess.Popen[bytes], request: dict[str, str], notes: list[str]) -> Iterator[Part]:
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
            if "text" in fields:
                yield _part(fields)
            elif "note" in fields:
                notes.append(str(fields["note"]))
            elif "problem" in fields:
                raise NotConvertedError(str(fields["problem"]), str(fields.get("detail", "")))
            else:
                return

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


def _part(fields: dict[str, object]) -> Part:
    place, text, metadata = fields.get("place"), fields["text"], fields.get("metadata")
    if not (isinstance(place, str) and isinstance(text, str) and isinstance(metadata, dict)):
        raise ValueError("its words are not in form")
    return Part(place, text, cast("dict[str, Any]", metadata))
