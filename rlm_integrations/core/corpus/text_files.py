"""Text files and folders of them, as documents."""

from __future__ import annotations

from codecs import getincrementaldecoder
from io import FileIO
from pathlib import Path

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError

_SNIFFED_BYTES = 8192
_LEAST_BYTES, _MOST_BYTES = 1 << 16, 1 << 24  # of a file that are read at once
_decoder = getincrementaldecoder("utf-8")


def read_path(path: Path) -> list[Document]:
    """A file's document, its id the path as given; a folder stands for the text files in it, at any depth.

    Raises InvalidArgumentError for a file that cannot be read or is not text, and for a folder without a text file.
    """
    if not path.is_dir():
        text = _text_of(path)
        if text is None:
            raise InvalidArgumentError(f"context: {str(path)!r} is not a text file; pass its text, for instance as str")
        return [Document(path.as_posix(), text)]
    files = sorted(file for file in path.rglob("*") if file.is_file() and not _hidden(file.relative_to(path)))
    documents = [Document(file.as_posix(), text) for file in files if (text := _text_of(file)) is not None]
    if not documents:
        raise InvalidArgumentError(f"context: no text file in the folder {str(path)!r}; pass one that holds some")
    return documents


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def _text_of(file: Path) -> str | None:
    """The text of a file, None for a binary one. Bytes that are not UTF-8 become lone surrogates, and none is lost."""
    try:
        with file.open("rb", buffering=0) as data:
            beginning = data.read(_SNIFFED_BYTES)
            return None if b"\0" in beginning else _decoded(beginning, data)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidArgumentError(f"context: cannot read {str(file)!r}: {reason}; pass a readable file") from error


def _decoded(beginning: bytes, rest: FileIO) -> str:
    decoder = _decoder(errors="surrogateescape")
    text = decoder.decode(beginning)
    # CPython grows a local str in place, once it knows this loop, so that it is never in memory twice.
    # Where something keeps it from that, pieces which grow along bound what is copied.
    while True:
        piece = rest.read(min(max(_LEAST_BYTES, len(text) // 16), _MOST_BYTES))
        if not piece:
            break
        text += decoder.decode(piece)
    text += decoder.decode(b"", final=True)
    return text
