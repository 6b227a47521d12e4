from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.files import decoding
from rlm_integrations.files.decoding import decode
from rlm_integrations.files.kinds import kind_of
from rlm_integrations.files.report import FilesError

Here = Callable[[dict[str, str | bytes]], None]
Read = Callable[..., Any]

GERMAN = "Die Größe der Straße beträgt fünf Meter.\n"
JAPANESE = "契約は六月に終わる。これは日本語の文章です。\n"
CHINESE = "合同于六月到期。这是一份中文合同的正文。\n"
RUSSIAN = "Договор заканчивается в июне. Это русский текст.\n"


def decoded(raw: bytes, **more: Any) -> tuple[str, str] | None:
    found = decode(io.BytesIO(raw), len(raw), **more)
    return None if found is None else (found.text, found.note)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("text", [GERMAN, "plain ASCII text\r\n" * 700])
def test_unicode_with_and_without_its_mark_is_read_without_a_word(encoding: str, text: str) -> None:
    raw = text.encode(encoding)
    assert kind_of("a.txt", raw[:8192]) == "text"
    assert decoded(raw) == (text, "")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("latin-1", GERMAN),
        ("cp1252", "He said “no” – again.\n"),
        ("shift_jis", JAPANESE),
        ("euc_jp", JAPANESE),
        ("gb18030", CHINESE),
        ("koi8_r", RUSSIAN),
        ("cp1251", RUSSIAN),
        ("big5", "合約於六月到期。這是一份中文合約的正文。\n"),
    ],
)
@pytest.mark.parametrize("times", [1, 3_000])
def test_old_encodings_are_guessed_and_the_guess_is_told(encoding: str, text: str, times: int) -> None:
    raw = (text * times).encode(encoding)
    found = decoded(raw)
    assert found is not None
    assert found[0] == text * times
    assert found[1].startswith("read as ")
    assert found[1].endswith(", a guess")


def test_letters_far_into_a_file_decide() -> None:
    raw = ("ASCII only here.\n" * 100_000 + RUSSIAN * 20).encode("koi8_r")
    assert (decoded(raw) or ("",))[0].endswith(RUSSIAN)


def test_utf_8_that_is_damaged_is_not_taken_for_another_encoding() -> None:
    raw = JAPANESE.encode() * 30 + b"\xff\xfe cut \xe3\x81\n" + JAPANESE.encode()
    found = decoded(raw)
    assert found is not None
    assert found[0].encode("utf-8", "surrogateescape") == raw
    assert "damaged" in found[1]


def test_what_an_encoding_is_declared_to_be_is_tried_first() -> None:
    assert decoded("шесть".encode("cp1251"), declared="windows-1251") == ("шесть", "read as windows-1251, a guess")
    assert decoded("Größe".encode("cp1252"), declared="no-such")[0] == "Größe"  # type: ignore[index]


def test_without_charset_normalizer_nothing_is_lost_and_the_remedy_is_told(monkeypatch: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "charset_normalizer", None)
    raw = RUSSIAN.encode("koi8_r")
    found = decoded(raw)
    assert found is not None
    assert found[0].encode("utf-8", "surrogateescape") == raw
    assert 'pip install "rlm-integrations[files]"' in found[1]


@pytest.mark.parametrize(
    ("name", "beginning", "kind"),
    [
        ("a.pdf", b"%PDF-1.7\nno zero byte", "pdf"),
        ("a.txt", b"%PDF-1.7\n", "pdf"),
        ("a.pdf", b"junk first %PDF-1.4", "pdf"),
        ("a.docx", b"PK\x03\x04 abc", "docx"),
        ("a.zip", b"PK\x03\x04 abc", ".zip"),
        ("a.jar", b"PK\x03\x04 abc", ".jar"),
        ("a", b"PK\x03\x04 abc", ".zip"),
        ("a.docx", b"plain words", "text"),
        ("a.png", b"\x89PNG\r\n", "binary"),
        ("a.jpg", b"\xff\xd8\xff\xe0 JFIF", "binary"),
        ("a.txt", b"BM is a word", "text"),
        ("a.bmp", b"BM\x8a\x10", "binary"),
        ("a.txt", b"one \0 zero", "binary"),
        ("a.txt", b"\x1b[31mred\x1b[0m\n", "text"),
        ("a.html", GERMAN.encode("utf-16"), "html"),
        ("random", bytes(random.Random(3).choices(range(1, 256), k=8192)), "binary"),
    ],
)
def test_what_a_file_is(name: str, beginning: bytes, kind: str) -> None:
    assert kind_of(name, beginning) == kind


@given(st.binary(max_size=60), st.integers(1, 5))
def test_a_file_that_is_read_in_pieces_is_the_same(raw: bytes, piece: int) -> None:
    whole = decoded(b"x" + raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_LEAST_BYTES", piece)
        patch.setattr(decoding, "_MOST_BYTES", piece)
        assert decoded(b"x" + raw) == whole


class Growing(io.RawIOBase):
    """A log whose writer is faster than its reader."""

    def read(self, size: int = -1, /) -> bytes:
        return b"x" * (size if size > 0 else 1 << 20)

    def seek(self, place: int, whence: int = 0, /) -> int:
        return place


def test_a_file_that_grows_is_read_as_it_was() -> None:
    found = decode(Growing(), 200_000)
    assert found is not None
    assert found.text == "x" * 200_000


def test_a_file_beyond_memory_is_an_error_that_names_it(here: Here, read: Read, monkeypatch: Any) -> None:
    here({"n/large.txt": "x"})

    def too_large(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("rlm_integrations.files.reading.decode", too_large)
    with pytest.raises(FilesError, match=r"'n/large.txt' needs more memory than there is"):
        read("n")


def test_guesses_and_binary_files_of_a_folder_are_told(here: Here, read: Read, tmp_path: Path) -> None:
    here({"n/a.txt": "a", "n/jp.txt": (JAPANESE * 3).encode("euc_jp"), "n/x.bin": b"\0\1", "n/y.png": b"\x89PNG\r\n"})
    texts, report = read("n")
    assert [text.text for text in texts] == ["a", JAPANESE * 3]
    assert report.line == "2 documents; skipped 2 binary; 1 read as euc_jp, a guess ('n/jp.txt')"
    assert report.plain == {"n/a.txt", "n/jp.txt"}
    with pytest.raises(FilesError, match=r"'n/x\.bin' is not read as text: binary; pass its text, or leave it out"):
        read("n/x.bin")
