"""Reading files that were found: each becomes one text or several, or is skipped and reported."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Any

from rlm_integrations.files.converter import Converter, NotConvertedError, Part
from rlm_integrations.files.decoding import Bytes, Decoded, decode
from rlm_integrations.files.finding import STDIN, FoundFile
from rlm_integrations.files.kinds import BY_NAME, SNIFFED_BYTES, ZIPPED, kind_of
from rlm_integrations.files.report import BINARY, EMPTY, UNREADABLE, FilesError, FilesReport, quoted
from rlm_integrations.files.unpacking import PackedError, unpacked
from rlm_integrations.frozen import frozen

_AS_TEXT_TOO = frozenset(BY_NAME.values()) - ZIPPED
"""Formats that are text as they stand, where they cannot be converted."""
_LARGEST_TEXT = 128 << 20  # bytes of such a file; a larger one is read as it stands
_TAR_AT = 257  # where a tar file says that it is one
_UNSIZED_BYTES = 1 << 20  # of a file whose size is told as 0, as those of /proc
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)


@frozen
class FileText:
    """A text of a file. `id` is the file's name, and where the file has several texts "#page=3" and the like."""

    id: str
    text: str
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


class _SkippedError(Exception):
    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = detail


def read_files(found: Iterable[FoundFile], report: FilesReport, converter: Converter) -> Iterator[FileText]:
    """The texts of the files, in order. What is skipped is reported.

    Raises FilesError for a file that was given by name and cannot be read, and where the memory does not suffice.
    """
    for file in found:
        try:
            texts = _read(file, report, converter)
        except _SkippedError as skip:
            if file.given and skip.kind != EMPTY:
                raise _refused(file, skip) from None
            report.skip(file.path, skip.kind, skip.detail)
        except MemoryError:
            raise FilesError(
                f"{quoted(file.path)} needs more memory than there is; pass less, or fewer files"
            ) from None
        else:
            report.files += 1
            report.documents += len(texts)
            yield from texts


def _read(file: FoundFile, report: FilesReport, converter: Converter) -> list[FileText]:
    try:
        if file.path == STDIN or (file.given and not file.size and not os.path.isfile(file.path)):
            return _read_pipe(file, report, converter)
        with _opened(file) as data:
            size = os.fstat(data.fileno()).st_size
            if not size and file.given:
                size = _UNSIZED_BYTES
            return _texts(file, file.name, file.path, data, size, report, converter)
    except (OSError, ValueError) as error:
        raise _SkippedError(
            UNREADABLE, (error.strerror if isinstance(error, OSError) else None) or str(error)
        ) from error


def _read_pipe(file: FoundFile, report: FilesReport, converter: Converter) -> list[FileText]:
    """Standard input, or another pipe whose end somebody holds: it is read to its end, then as a file."""
    with open(os.dup(0) if file.path == STDIN else os.open(file.path, os.O_RDONLY), "rb") as pipe:
        data = pipe.read()
    return _texts(file, file.name, "", io.BytesIO(data), len(data), report, converter)


def _opened(file: FoundFile) -> io.FileIO:
    data = io.FileIO(os.open(file.path, _OPEN))  # not to wait for whoever writes, if it is a FIFO by now
    if not stat.S_ISREG(os.fstat(data.fileno()).st_mode):
        data.close()
        raise OSError(0, "it is no file any more")
    return data


def _texts(
    file: FoundFile, name: str, path: str, data: Bytes, size: int, report: FilesReport, converter: Converter
) -> list[FileText]:
    """The texts of bytes that are the file, or what was packed in it. `path` is "" where they stand in no file."""
    data.seek(0)
    beginning = data.read(min(SNIFFED_BYTES, size)) or b""
    if not beginning:
        raise _SkippedError(EMPTY)
    kind = kind_of(name, beginning)
    if kind == "gz" and name is file.name:
        return _unpacked(file, data, size, report, converter)
    if kind == "binary":
        raise _SkippedError(BINARY)
    if kind.startswith(".") or kind == "gz":
        raise _SkippedError(kind if kind.startswith(".") else ".gz")
    if kind != "text" and not (kind in _AS_TEXT_TOO and size > _LARGEST_TEXT):
        try:
            return _converted(file, path, data, kind, report, converter)
        except NotConvertedError as problem:
            if kind not in _AS_TEXT_TOO:
                raise _SkippedError(problem.kind, problem.detail) from None
            report.note(file.path, f"read as plain text, not as {kind}", problem.detail)
    elif kind != "text":
        report.note(file.path, f"read as plain text, not as {kind}", f"more than {_LARGEST_TEXT >> 20} MB")
    decoded = decode(data, size)
    if decoded is None:
        raise _SkippedError(BINARY)
    return [_plain(file, decoded, report)]


def _unpacked(file: FoundFile, data: Bytes, size: int, report: FilesReport, converter: Converter) -> list[FileText]:
    data.seek(0)
    try:
        inner, left_over = unpacked(data.read(size) or b"")
    except PackedError as problem:
        raise _SkippedError(problem.kind, problem.detail) from None
    name = file.name[:-3] if file.name.lower().endswith(".gz") else f"{file.name} unpacked"
    if inner[_TAR_AT:].startswith(b"ustar"):
        raise _SkippedError(".tar.gz")
    if left_over:
        report.note(file.path, "read in part, for it is damaged", f"its last {left_over:,} bytes are no gzip")
    return _texts(file, name, "", io.BytesIO(inner), len(inner), report, converter)


def _plain(file: FoundFile, decoded: Decoded, report: FilesReport) -> FileText:
    if not decoded.text:
        raise _SkippedError(EMPTY)
    if decoded.note:
        report.note(file.path, decoded.note)
    report.plain.add(file.name)
    return FileText(file.name, decoded.text)


def _converted(
    file: FoundFile, path: str, data: Bytes, kind: str, report: FilesReport, converter: Converter
) -> list[FileText]:
    notes: list[str] = []
    if path:
        converted = converter.convert(path, kind, notes)
    else:
        with tempfile.NamedTemporaryFile() as copy:
            data.seek(0)
            copy.write(data.read() or b"")
            copy.flush()
            converted = converter.convert(copy.name, kind, notes)
    parts = converted.parts
    if not any(part.text.strip() for part in parts):
        raise _SkippedError("without text", "scanned pages are not recognised" if kind == "pdf" else "")
    for note in notes:
        what, _, detail = note.partition(": ")
        report.note(file.path, what, detail)
    if converted.table is not None:
        report.tables.append(converted.table)
        report.rows += len(parts)
    if len(parts) == 1 and not parts[0].place:
        return [FileText(file.name, parts[0].text, {"file": file.name, **parts[0].metadata})]
    return [_of_part(file, part) for part in parts]


def _of_part(file: FoundFile, part: Part) -> FileText:
    return FileText(f"{file.name}#{part.place}", part.text, {"file": file.name, **part.metadata})


def _refused(file: FoundFile, skip: _SkippedError) -> FilesError:
    kind = f"{skip.kind} files are not opened" if skip.kind.startswith(".") and not skip.detail else skip.kind
    reason = kind + (f" ({skip.detail})" if skip.detail else "")
    if skip.kind == UNREADABLE:
        return FilesError(f"cannot read {quoted(file.path)}: {skip.detail}; pass a readable file")
    return FilesError(f"{quoted(file.path)} is not read as text: {reason}; pass its text, or leave it out")
