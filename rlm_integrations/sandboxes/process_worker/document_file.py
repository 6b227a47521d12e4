"""Documents and settings on their way into a worker: a memory file that the host writes and the worker reads.

A file is a row of records, each eight bytes of length and a marshalled value, which may be a few documents. Marshal
keeps every str as it is (CRLF, NUL, lone surrogates), and one record at a time is in memory. Long texts for a holder
stand in a TextFile beside it. Only the host writes such files, so reading one trusts it. Standard library only: the
helper imports it.
"""

from __future__ import annotations

import marshal
import numbers
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from rlm_integrations.repl.table import Table
from rlm_integrations.sandboxes.process_worker.text_file import SHARED_MIN_CHARS, Place, TextFile
from rlm_integrations.wire.images import IMAGES

PIECE_CHARS = 128 << 20
"""A longer text is written in pieces: marshal takes at most 2 GiB, and needs a copy of what it writes."""

_length = struct.Struct("<Q")
TOGETHER, TOGETHER_CHARS = 100, 1 << 20
"""Documents in a record, and characters of their texts, at most about: one by one, each takes twice as long."""

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
        together: list[tuple[Any, ...]] = []
        chars = 0
        for id_, text, metadata, images in documents:
            id_, text = str.__str__(id_), str.__str__(text)
            held, pieces = self._held(text)
            plain: Any = dict(metadata)
            if not (_STR.issuperset(map(type, plain)) and _EXACT.issuperset(map(type, plain.values()))):
                plain = _exact(plain, id_)
            together.append((id_, plain, held, pieces, _exact(images, id_) if images else None))
            chars += len(text)
            if pieces > 1 or chars >= TOGETHER_CHARS or len(together) == TOGETHER:
                self.value(together)
                together, chars = [], 0
            for piece in range(1, pieces):
                self.value(text[piece * PIECE_CHARS : (piece + 1) * PIECE_CHARS])
        if together:
            self.value(together)

    def _held(self, text: str) -> tuple[str | Place, int]:
        """What stands for the text in its record, and in how many pieces it is written."""
        if self._texts is not None and len(text) >= SHARED_MIN_CHARS:
            return self._texts.add(text), 1
        return text[:PIECE_CHARS], -(-len(text) // PIECE_CHARS) or 1

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
        return Table(self._documents(count)) if rows else list(self._documents(count))

    def _documents(self, count: int) -> Iterator[PlainDocument]:
        while count:
            for id_, metadata, text, pieces, images in self.value():
                if pieces > 1:  # then it is the last one of its record
                    text = "".join([text, *(self.value() for _ in range(pieces - 1))])
                elif self._long_text is not None and not isinstance(text, str):
                    text = self._long_text(text)
                document = {"id": id_, "text": text, "metadata": metadata}
                yield document | {IMAGES: images} if images else document
                count -= 1

    def close(self) -> None:
        self._file.close()


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
