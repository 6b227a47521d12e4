"""Strs that name a file or a page, where the text was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import InvalidArgumentError


@pytest.mark.parametrize(
    "name",
    [
        "reports/2024/q1.txt",
        "q1.PDF",
        "./notes",
        "../data/",
        "/srv/corpus",
        "~/papers",
        r"C:\data\a.docx",
        "a/b.tar.gz",
        "/home/me/My Papers/one.pdf",
    ],
)
def test_a_path_that_is_not_there_is_no_text(name: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Corpus.of(name)
    assert str(caught.value).startswith(f"context: the str {name!r} looks like a path, and there is no such file")
    assert f"or [{name!r}] to take it as text" in str(caught.value)
    assert [each.text for each in Corpus.of([name]).documents] == [name]


@pytest.mark.parametrize("url", ["https://example.com/page.html", "s3://bucket/key", "http://localhost:8000"])
def test_a_url_is_not_fetched_and_no_text(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is a URL, which is not fetched; pass the page's text"):
        Corpus.of(url)


@pytest.mark.parametrize(
    "text",
    [
        "one line of text",
        "see reports/2024/q1.txt",
        "https://example.com is down",
        "a/b",
        "1.5",
        "and/or",
        ".txt",
        "x" * 2_000 + ".txt",
        "notes.txt\nsays more",
    ],
)
def test_what_only_holds_a_name_is_text(text: str) -> None:
    assert Corpus.of(text).text == text


def test_a_list_of_names_as_glob_makes_it_is_refused(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    names = [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
    with pytest.raises(
        InvalidArgumentError, match=r"the 2 str name existing files .* pass \[Path\(name\) for name in names\]"
    ):
        Corpus.of(names)
    assert [each.text for each in Corpus.of([names[0]]).documents] == names[:1]
    assert [each.text for each in Corpus.of([*names, "a text"]).documents] == [*names, "a text"]
    assert [each.text for each in Corpus.of([{"text": name} for name in names]).documents] == names
