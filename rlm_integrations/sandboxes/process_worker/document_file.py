"""Documents and settings on their way into a worker: a memory file that the host writes and the worker reads.

A file is a row of records, each eight bytes of length and a marshalled value. Documents as model code sees them stand
in lists of some, one with a long text in records of its own. Marshal keeps every str as it is (CRLF, NUL, lone
surrogates), and one record at a time is in memory. Long texts for a holder stand in a TextFile beside it. Only the host
writes such files, so reading one trusts it. Standard library only: the helper imports it.
"""

from __future__ import annotations

import marshal
import numbers
import os
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO, cast

from rlm_integrations.repl.table import Table
from rlm_integrations.sandboxes.process_worker.text_file import SHARED_MIN_CHARS, Place, TextFile
from rlm_integrations.wire.images import IMAGES

PIECE_CHARS = 128 << 20
"""A longer text is written in pieces: marshal takes at most 2 GiB, and needs a copy of what it writes."""

_length = struct.Struct("<Q")
TOGETHER, TOGETHER_CHARS = 100, 1 << 20
"""Documents in a record, and characters of their texts, at most about: one by one, each takes twice as long."""
_VALUE_CHARS = 50
"""To write a value of metadata takes as long as to write so many characters; the interpreter's lock is held for all."""

_STR = frozenset({str})
_EXACT = frozenset({type(None), bool, int, float, str})
"""What marshal writes as it is. Of their subclasses it refuses some (enums), and writes others as bytes (numpy's)."""

PlainDocument = dict[str, Any]
"""A document as model code sees it: {"id": str, "text": str, "metadata": dict}, and "images" where it has some."""


class UnreadableMetadataError(ValueError):
    """The metadata of a document is no plain data. The message names the document."""


class RecordWriter:
    """Writes records to a new memory file, and long texts to `texts` where there is one."""

    def __init__(self, name: str, texts: TextFile | None = None) -> None:
        self._texts = texts
        self._file: BinaryIO = os.fdopen(os.memfd_create(name, os.MFD_CLOEXEC), "wb")

    def value(self, value: Any) -> None:
        """One plain value: None, bool, int, float, str, and lists, tuples and dicts of them."""
        record = marshal.dumps(value)
        self._file.write(_length.pack(len(record)))
        self._file.write(record)

    def documents(
        self,
        count: int,
        documents: Iterable[tuple[str, str, Mapping[str, Any], Sequence[Mapping[str, Any]]]],
        *,
        rows: bool = False,
    ) -> None:
        """`count` documents as (id, text, metadata, handles of images), which are read as a Table if they are rows.

        Raises UnreadableMetadataError.
        """
        self.value((count, rows))
        together: list[PlainDocument] = []
        chars = 0
        for id_, text, metadata, images in documents:
            id_, text = str.__str__(id_), str.__str__(text)
            plain: Any = dict(metadata)
            if not (_STR.issuperset(map(type, plain)) and _EXACT.issuperset(map(type, plain.values()))):
                plain = _exact(plain, id_)
                chars += sum(map(_chars, plain.values()))
            document = {"id": id_, "text": text, "metadata": plain}
            if images:
                document[IMAGES] = _exact(images, id_)
            together.append(document)
            chars += (
                len(text) + _VALUE_CHARS * len(plain) + sum([len(each) for each in plain.values() if type(each) is str])
            )
            if chars >= TOGETHER_CHARS or len(together) == TOGETHER:
                self._documents(together)
                together, chars = [], 0
        if together:
            self._documents(together)

    def _documents(self, documents: list[PlainDocument]) -> None:
        """Of which the last alone may have a long text."""
        text: str = documents[-1]["text"]
        if len(text) < SHARED_MIN_CHARS:
            self.value(documents)
            return
        long = documents.pop()
        if documents:
            self.value(documents)
        place = None if self._texts is None else self._texts.add(text)
        pieces = range(0, len(text), PIECE_CHARS) if place is None else range(0)
        self.value((long | {"text": ""}, place, len(pieces)))
        for start in pieces:
            self.value(text[start : start + PIECE_CHARS])

    def finish(self) -> int:
        """A descriptor of the whole file, at its beginning. The caller closes it."""
        self._file.flush()
        descriptor = os.dup(self._file.fileno())
        self._file.close()
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def discard(self) -> None:
        self._file.close()


class RecordReader:
    """Reads the records of a descriptor, which it takes over. `long_text` gives what the writer put into a TextFile."""

    def __init__(self, descriptor: int, long_text: Callable[[Place], str] | None = None) -> None:
        self._long_text = long_text
        self._file: BinaryIO = os.fdopen(descriptor, "rb")

    def value(self) -> Any:
        (length,) = _length.unpack(self._file.read(_length.size))
        return marshal.loads(self._file.read(length))

    def documents(self) -> list[PlainDocument]:
        count, rows = self.value()
        documents: list[PlainDocument] = []
        while len(documents) < count:
            record = self.value()
            if isinstance(record, list):
                documents += cast("list[PlainDocument]", record)
            else:
                document, place, pieces = record
                documents.append(document)
                document["text"] = self._text(place, pieces)
        return Table(documents) if rows else documents

    def _text(self, place: Place | None, pieces: int) -> str:
        if place is None:
            return "".join([self.value() for _ in range(pieces)])
        assert self._long_text is not None, "a file with a TextFile beside it is read together with that"
        return self._long_text(place)

    def close(self) -> None:
        self._file.close()


def _chars(value: Any) -> int:
    """How many characters it takes as long to write, beside a value in metadata itself."""
    if type(value) is list:
        return _VALUE_CHARS * len(value) + sum(map(_chars, value))  # pyright: ignore[reportUnknownArgumentType]
    if type(value) is dict:
        return _VALUE_CHARS * len(value) + sum(map(_chars, value.values()))  # pyright: ignore[reportUnknownArgumentType]
    return len(value) if type(value) is str else 0


def _exact(value: Any, document: str) -> Any:
    """The value in exact built-in types, anything else as its str."""
    try:
        return _exact_value(value)
    except RecursionError:
        raise UnreadableMetadataError(f"the metadata of document {document!r} is nested too deeply") from None


def _exact_value(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): _exact_value(inner) for key, inner in value.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_exact_value(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]
    return str(value)
