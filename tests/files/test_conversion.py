"""The process that reads foreign formats: its bounds, its end, and libraries that are not there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rlm_integrations.files import converter as converting
from rlm_integrations.files import reading
from rlm_integrations.files.converter import Converter, NotConvertedError
from rlm_integrations.files.report import FilesError

from .written_files import Here, pdf, zipped


def test_a_parser_that_does_not_end_is_ended(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")  # nobody writes: whoever opens it waits for ever
    (tmp_path / "a.html").write_text("<p>a")
    with Converter(seconds=0.3) as converter:
        with pytest.raises(NotConvertedError, match=r"it took more than 0\.3 s"):
            converter.convert(str(tmp_path / "fifo"), "html", [])
        converter._seconds = 60
        assert [part.text for part in converter.convert(str(tmp_path / "a.html"), "html", []).parts] == ["a"]


def test_a_bomb_meets_the_bound_of_memory(tmp_path: Path) -> None:
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    bomb = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument'
        '.wordprocessingml.document.main+xml"/></Types>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        'officeDocument" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{word}"><w:body>{" " * (100 << 20)}</w:body></w:document>',
    }
    (tmp_path / "bomb.docx").write_bytes(zipped(bomb))
    with Converter(memory_bytes=220 << 20) as converter, pytest.raises(NotConvertedError, match="memory"):
        converter.convert(str(tmp_path / "bomb.docx"), "docx", [])


def test_what_a_file_becomes_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converting, "OUTPUT_BYTES", 10_000)
    (tmp_path / "a.html").write_text("word " * 10_000)
    with Converter() as converter, pytest.raises(NotConvertedError, match="MB of text"):
        converter.convert(str(tmp_path / "a.html"), "html", [])


def test_a_converter_leaves_no_process_behind(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>a")
    with Converter() as converter:
        converter.convert(str(tmp_path / "a.html"), "html", [])
        process = converter._process
        assert process is not None
    assert process.returncode is not None


def test_without_its_library_a_format_is_refused_by_name_with_the_remedy(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here({"missing/pypdf.py": "raise ImportError('gone', name='pypdf')", "n/a.pdf": pdf("a"), "n/b.pdf": pdf("b")})
    monkeypatch.setattr(sys, "path", [str(tmp_path / "missing"), *sys.path])
    from rlm_integrations.files.finding import Finder
    from rlm_integrations.files.report import FilesReport

    remedy = 'it needs pypdf: pip install "rlm-integrations[files]"'
    with Converter() as converter:
        report = FilesReport()
        assert list(reading.read_files(Finder(report).find("n"), report, converter)) == []
        assert report.missed == f"skipped 2 .pdf ({remedy})"
        with pytest.raises(FilesError, match=r"'n/a.pdf' is not read as text: .pdf \(it needs pypdf: pip install"):
            list(reading.read_files(Finder(report).find("n/a.pdf"), report, converter))
