"""Files that are packed with gzip."""

from __future__ import annotations

import gzip

import pytest

from rlm_integrations.files import unpacking

from .written_files import Here, Read, by_id, pdf


def test_gzip_is_unpacked_and_read_as_what_is_in_it(here: Here, read: Read) -> None:
    here({
        "n/a.log.gz": gzip.compress(b"first\n") + gzip.compress("Größe\n".encode()),
        "n/b.csv.gz": gzip.compress(b"x,y\n1,2\n"),
        "n/c.pdf.gz": gzip.compress(pdf("Page one.")),
        "n/d.gz": gzip.compress(b"cut off" * 1000)[:40],
        "n/e.gz": gzip.compress(b"\0\1\2"),
        "n/f.gz": gzip.compress(gzip.compress(b"twice")),
    })  # fmt: skip
    texts, report = read("n")
    assert by_id(texts) == {
        "n/a.log.gz": "first\nGröße\n",
        "n/b.csv.gz#row=1": "x: 1\ny: 2",
        "n/c.pdf.gz#page=1": "Page one.",
    }
    assert report.plain == {"n/a.log.gz"}
    assert report.missed == "skipped 1 damaged ('n/d.gz': it is cut off), 1 binary, 1 .gz"


def test_what_follows_in_a_gzip_file_and_is_none_is_said(here: Here, read: Read) -> None:
    here({"n/a.log.gz": gzip.compress(b"first") + b"second", "n/b.log.gz": gzip.compress(b"padded") + b"\0" * 512})
    texts, report = read("n")
    assert by_id(texts) == {"n/a.log.gz": "first", "n/b.log.gz": "padded"}
    assert report.missed == "1 read in part, for it is damaged ('n/a.log.gz': its last 6 bytes are no gzip)"


def test_gzip_is_bounded(here: Here, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "UNPACKED_BYTES", 100_000)
    here({"n/a.gz": gzip.compress(b"x" * 100_000), "n/bomb.gz": gzip.compress(b"x" * 50_000) * 3})
    texts, report = read("n")
    assert [text.id for text in texts] == ["n/a.gz"]
    assert report.missed == "skipped 1 not unpacked ('n/bomb.gz': it is too large when it is)"
