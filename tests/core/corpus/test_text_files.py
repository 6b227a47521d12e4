from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.description import corpus_line
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.testing import ScriptedModel

from .refusals import refused


def test_a_file_is_a_document_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    raw = "CR\r\nLF \ufeff é\r".encode()
    Path("notes.txt").write_bytes(raw)
    corpus = Corpus.of([Path("notes.txt"), Document("d", "beside it"), Path("./notes.txt")])
    assert [document.id for document in corpus.documents] == ["notes.txt", "d"]
    assert corpus.documents[0] == Document("notes.txt", raw.decode())
    assert corpus.files is not None
    assert corpus.files.line == "1 document; skipped 1 given or linked twice"
    assert Corpus.of(Path("notes.txt")).kind == "documents"


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


def test_a_folder_stands_for_its_text_files_and_what_is_missed_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in {
        "c/b.txt": b"b",
        "c/sub/a.md": b"a",
        "c/picture.png": b"\x89PNG\0\0",
        "c/empty.txt": b"",
        "c/.hidden": b"h",
        "c/.git/config": b"g",
        "c/__pycache__/x.pyc": b"x",
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)
    said = "2 documents; skipped 3 hidden, 1 empty, 1 binary"
    with pytest.warns(UserWarning, match=f"^context: {said}$"):
        corpus = Corpus.of(Path("c"))
    assert corpus.documents == (Document("c/b.txt", "b"), Document("c/sub/a.md", "a"))
    assert corpus.files is not None
    assert [(each.path, each.kind) for each in corpus.files.skipped if each.kind == "binary"] == [
        ("c/picture.png", "binary")
    ]
    assert corpus_line(corpus) == "2 documents, 2 characters; skipped 3 hidden, 1 empty, 1 binary"
    assert corpus.preceded_by([Document("d", "")]).files is corpus.files


def test_what_is_left_out_on_purpose_is_no_warning(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("b.txt\n")
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    corpus = Corpus.of(tmp_path)
    assert corpus.chars == 1
    assert corpus.files is not None
    assert corpus.files.all_skipped == "skipped 1 ignored by .gitignore, 1 hidden"


async def test_a_run_over_a_folder_tells_its_user_and_its_trace(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.csv").write_text("x,y\n1,2\n3,4\n")
    (tmp_path / "c.bin").write_bytes(b"\0")
    engine = RLMEngine(ScriptedModel(["```repl\nFINAL([d['id'].rpartition('/')[2] for d in context])\n```"]))
    with pytest.warns(UserWarning, match="3 documents of 2 files; skipped 1 binary"):
        result = await engine.arun("Which?", tmp_path)
    assert json.loads(result.answer) == ["a.txt", "b.csv#row=1", "b.csv#row=2"]
    assert result.trace.context.endswith("; skipped 1 binary")


def test_a_folder_that_is_itself_hidden_may_be_passed(tmp_path: Path) -> None:
    folder = tmp_path / ".notes"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    assert Corpus.of(folder).chars == 1


def test_a_folder_that_was_read_already_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    assert len(Corpus.of([tmp_path, tmp_path]).documents) == 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.txt")
    problem = "No such file or directory; pass files and folders that exist"
    assert refused(Path(missing)) == f"context: cannot read {missing!r}: {problem}"
    assert "cannot read" in refused([Path("a\0b")])
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused(empty) == f"context: no text file in the folder {str(empty)!r}; pass one that holds some"
    (empty / "a.zip").write_bytes(b"PK\x03\x04")
    (empty / "b.txt").touch()
    assert "(skipped 1 .zip, 1 empty)" in refused(empty)
    assert "is empty (skipped 1 empty)" in refused(empty / "b.txt")
    binary = tmp_path / "report.bin"
    binary.write_bytes(b"x\0")
    problem = "is not read as text: binary; pass its text, or leave it out"
    assert refused(binary) == f"context: {str(binary)!r} {problem}"
    assert refused([binary]) == refused(binary)
    assert "is a URL; download it" in refused(Path("https://example.org/a.txt"))
