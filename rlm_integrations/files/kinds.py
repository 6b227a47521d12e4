"""What a file is, by its first bytes and its name."""

from __future__ import annotations

import os

SNIFFED_BYTES = 8192

BY_NAME = {
    ".csv": "csv",
    ".docx": "docx",
    ".docm": "docx",
    ".eml": "eml",
    ".epub": "epub",
    ".htm": "html",
    ".html": "html",
    ".ipynb": "ipynb",
    ".jsonl": "jsonl",
    ".mbox": "mbox",
    ".ndjson": "jsonl",
    ".pptx": "pptx",
    ".pptm": "pptx",
    ".rtf": "rtf",
    ".tsv": "csv",
    ".xhtml": "html",
    ".xlsm": "xlsx",
    ".xlsx": "xlsx",
}
"""Formats that are converted, by the end of a file's name."""

ZIPPED = frozenset({"docx", "epub", "pptx", "xlsx"})

_MAGIC = {
    b"%PDF-": "pdf",
    b"PAR1": "parquet",
    b"\x1f\x8b": "gz",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
_BINARY = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"OggS", b"ID3", b"fLaC", b"\x7fELF",
    b"MZ", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\0asm", b"SQLite format 3\0",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"\x28\xb5\x2f\xfd",
    b"Rar!", b"!<arch>\n", b"wOFF", b"wOF2", b"Obj\x01", b"\x89HDF", b"\x93NUMPY", b"glTF", b"LZIP",
    b"\x04\x22\x4d\x18",
)  # fmt: skip
_BOMS = (
    (b"\xff\xfe\0\0", "utf-32"),  # before UTF-16's, which begins alike
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_TEXT_CONTROLS = b"\t\n\v\f\r\b\a\x1b\x1a"  # terminals' logs, and the end of a DOS file
_CONTROLS = bytes(code for code in range(32) if code not in _TEXT_CONTROLS) + b"\x7f"
_CONTROL_SHARE = 100
_PDF_WITHIN = 1024  # readers take a PDF whose head stands that far in
_OFTEN = 4


def kind_of(name: str, beginning: bytes) -> str:
    """ "text", "binary", a format that is converted, or the end of the name of an archive, as ".zip"."""
    end = os.path.splitext(name)[1].lower()
    named = BY_NAME.get(end, "")
    if wide_encoding(beginning):
        return "text" if named in ZIPPED else named or "text"
    for magic, kind in _MAGIC.items():
        if beginning.startswith(magic):
            if kind == "parquet" and _plain_ascii(beginning):
                break
            if kind == "zip":
                return named if named in ZIPPED else _archive(end)
            return kind
    if end == ".pdf" and b"%PDF-" in beginning[:_PDF_WITHIN]:
        return "pdf"
    if _is_binary(beginning):
        return "binary"
    return "text" if named in ZIPPED else named or "text"


def wide_encoding(beginning: bytes) -> str | None:
    """UTF-16 or UTF-32, by its mark, or by where its zero bytes stand."""
    for mark, encoding in _BOMS:
        if beginning.startswith(mark):
            return encoding
    zeros = [beginning[place::4].count(0) * _OFTEN for place in range(4)]
    quarter = len(beginning) // 4
    if quarter < 2 or not sum(zeros):
        return None
    often = [count > 2 * quarter for count in zeros]
    wide = {
        (False, True, True, True): "utf-32-le",
        (True, True, True, False): "utf-32-be",
        (False, True, False, True): "utf-16-le",
        (True, False, True, False): "utf-16-be",
    }.get((often[0], often[1], often[2], often[3]))
    whole = beginning[: len(beginning) // 4 * 4]
    if wide is None or not _readable(whole, wide):
        return None
    return wide


def _readable(beginning: bytes, encoding: str) -> bool:
    """Whether it is text in that encoding, as far as it goes: letters, not numbers of few bytes each."""
    text = beginning.decode(encoding, "replace")
    odd = sum(char == "\ufffd" or (char < " " and char not in "\t\n\r\f") for char in text)
    return odd * _CONTROL_SHARE <= len(text)


def _is_binary(beginning: bytes) -> bool:
    if beginning.startswith(_BINARY) and not _plain_ascii(beginning):
        return True
    if b"\0" in beginning:
        return True
    controls = len(beginning) - len(beginning.translate(None, _CONTROLS))
    return controls * _CONTROL_SHARE > len(beginning)


def _plain_ascii(beginning: bytes) -> bool:
    """Some magics are words too: "BM", "MZ", "RIFF"."""
    return beginning.isascii() and not beginning.translate(None, bytes(range(32, 127)) + _TEXT_CONTROLS)


def _archive(end: str) -> str:
    return end if 1 < len(end) <= 8 and end[1:].isalnum() else ".zip"
