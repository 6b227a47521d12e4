"""The child process: a request a line on standard input, the parts of the file as lines of JSON on standard output."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import warnings
from collections.abc import Iterator
from typing import IO, Any

from rlm_integrations.files.conversion.formats import convert
from rlm_integrations.files.conversion.parts import Part, Parts, TableHead, UnreadableError
from rlm_integrations.files.report import INSTALL, INSTALL_PARQUET

_DETAIL_CHARS = 200
_BATCH, _BATCH_CHARS = 1_000, 1 << 18  # parts that are told at once, and where they are long, characters of them
_as_json = json.JSONEncoder(ensure_ascii=False, default=str).encode  # `json.dumps` would make one for each line


def main(memory_bytes: int) -> None:
    """Serve until the host closes the pipe."""
    _bound_memory(memory_bytes)
    warnings.simplefilter("ignore")
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "r+b") as null:  # a library may print
        os.dup2(null.fileno(), 0)
        os.dup2(null.fileno(), 1)
    for line in requests:
        request: dict[str, str] = json.loads(line)
        _answer(request["path"], request["kind"], replies)
        replies.flush()


def _answer(path: str, kind: str, replies: IO[bytes]) -> None:
    def tell(**fields: Any) -> None:
        replies.write(_as_json(fields).encode("utf-8", "surrogatepass") + b"\n")

    try:
        with open(path, "rb") as file:
            data = file.read(os.fstat(file.fileno()).st_size)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            for told in _told(convert(kind, data, lambda note: tell(note=note))):
                tell(**told)
    except UnreadableError as error:
        tell(problem=error.kind, detail=error.detail)
    except ImportError as error:
        tell(problem=f".{kind}", detail=f"it needs {error.name}: {INSTALL_PARQUET if kind == 'parquet' else INSTALL}")
    except MemoryError:
        tell(problem="not converted", detail="it needs too much memory")
    except Exception as error:  # whatever a parser makes of foreign bytes
        tell(problem="damaged", detail=f"{type(error).__name__}: {error}"[:_DETAIL_CHARS])
    else:
        tell(done=True)


def _told(parts: Parts) -> Iterator[dict[str, Any]]:
    """Many in a line, for each line of its own takes the host and the child as long as what stands in it."""
    batch: list[tuple[str, str, dict[str, Any]]] = []
    chars = 0
    for part in parts:
        if isinstance(part, Part):
            batch.append((part.place, part.text, part.metadata))
            chars += len(part.text)
            if len(batch) < _BATCH and chars < _BATCH_CHARS:
                continue
        if batch:
            yield {"parts": batch}
            batch, chars = [], 0
        if isinstance(part, TableHead):
            columns = [[column.name, column.dtype] for column in part.table.columns]
            yield {"columns": columns, "text_column": part.table.text_column, "forms": part.forms}
        elif not isinstance(part, Part):
            yield {"rows": part.rows}
    if batch:
        yield {"parts": batch}


def _bound_memory(size: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_AS)
    bound = size if most == resource.RLIM_INFINITY else min(size, most)
    with contextlib.suppress(ValueError, OSError):  # where the system does not bound it
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
