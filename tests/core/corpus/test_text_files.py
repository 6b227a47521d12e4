from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.corpus import text_files
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError


def refused(context: object) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        Corpus.of(context)
    return str(caught.value)


def test_a_file_is_a_document_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    raw = "CR\r\nLF \ufeff é".encode() + b" \xff\xfe"
    Path("notes.txt").write_bytes(raw)
    Path("empty.txt").touch()
    corpus = Corpus.of([Path("notes.txt"), Path("empty.txt"), Path("notes.txt")])
    assert [document.id for document in corpus.documents] == ["notes.txt", "empty.txt", "notes.txt#2"]
    assert corpus.documents[0].text == raw.decode("utf-8", "surrogateescape")
    assert corpus.documents[0].text.encode("utf-8", "surrogateescape") == raw
    assert Corpus.of(Path("notes.txt")).kind == "documents"


@given(st.binary(max_size=60), st.integers(1, 5))
def test_a_file_that_is_read_in_pieces_is_the_same(raw: bytes, piece: int) -> None:
    with tempfile.NamedTemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
        file.write(b"x" + raw.replace(b"\0", b"x"))
        file.flush()
        patch.setattr(text_files, "_LEAST_BYTES", piece)
        patch.setattr(text_files, "_MOST_BYTES", piece)
        patch.setattr(text_files, "_SNIFFED_BYTES", piece)
        (document,) = Corpus.of(Path(file.name)).documents
    assert document.text == (b"x" + raw.replace(b"\0", b"x")).decode("utf-8", "surrogateescape")


def test_a_text_is_never_in_memory_twice_while_it_is_read(tmp_path: Path) -> None:
    size = 40 << 20
    (tmp_path / "large.txt").write_bytes(b"0123456789abcde\n" * (size // 16))

    def texts() -> Iterator[str]:
        for number in range(40):
            yield str(number % 10) * (size // 40)

    for context in (tmp_path / "large.txt", texts()):
        tracemalloc.start()
        corpus = Corpus.of(context)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert corpus.chars == size
        assert peak < 1.4 * size
        del corpus


def test_a_folder_stands_for_its_text_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in {
        "c/b.txt": b"b",
        "c/sub/a.md": b"a",
        "c/picture.png": b"\x89PNG\0\0",
        "c/.hidden": b"h",
        "c/.git/config": b"g",
        "c/__pycache__/x.pyc": b"x",
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)
    assert Corpus.of(Path("c")).documents == (Document("c/b.txt", "b"), Document("c/sub/a.md", "a"))


def test_a_folder_that_is_itself_hidden_may_be_passed(tmp_path: Path) -> None:
    folder = tmp_path / ".notes"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    assert Corpus.of(folder).chars == 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.txt")
    problem = "No such file or directory; pass a readable file"
    assert refused(Path(missing)) == f"context: cannot read {missing!r}: {problem}"
    assert "cannot read" in refused([Path("a\0b")])
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused(empty) == f"context: no text file in the folder {str(empty)!r}; pass one that holds some"
    binary = tmp_path / "report.pdf"
    binary.write_bytes(b"%PDF\0")
    assert refused(binary) == f"context: {str(binary)!r} is not a text file; pass its text, for instance as str"
    assert refused([binary]) == refused(binary)
