from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.files.report import FilesError, FilesReport
from rlm_integrations.files.selection import Globs, IgnoreRules, Selection

Here = Callable[[dict[str, str | bytes]], None]
Read = Callable[..., Any]


def kinds(report: FilesReport) -> dict[str, int]:
    return dict(Counter(each.kind for each in report.skipped))


def test_a_file_is_read_once_whatever_way_leads_to_it(here: Here, read: Read, tmp_path: Path) -> None:
    here({"n/a.txt": "a", "n/deep/b.txt": "b", "outside.txt": "o"})
    os.link("n/a.txt", "n/hard.txt")
    Path("n/0-first.txt").symlink_to("a.txt")
    Path("n/to-outside.txt").symlink_to("../outside.txt")
    texts, report = read("n", "./n/a.txt", tmp_path / "n", "n/deep", "outside.txt")
    assert [text.id for text in texts] == ["n/a.txt", "n/deep/b.txt", "n/to-outside.txt"]
    assert kinds(report) == {"given or linked twice": 10}
    assert report.line == "3 documents; skipped 10 given or linked twice"
    assert report.missed == ""


def test_what_could_keep_a_reader_is_left_out_of_a_walk_and_said(here: Here, read: Read) -> None:
    here({"n/a.txt": "a", "n/empty.txt": "", "n/deep/b.txt": "b"})
    os.mkfifo("n/fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("n/socket")
    Path("n/loop").symlink_to("loop")
    Path("n/dangling").symlink_to("nowhere")
    Path("n/deep/up").symlink_to("..")
    Path("n/zero").symlink_to("/dev/zero")
    texts, report = read("n")
    assert [text.id for text in texts] == ["n/a.txt", "n/deep/b.txt"]
    assert kinds(report) == {"empty": 1, "FIFO, socket or device": 3, "unreadable": 2, "link to a folder": 1}
    assert "2 unreadable ('n/dangling': No such file or directory, 'n/loop': Too many" in report.line


def test_a_tree_that_is_deeper_than_paths_may_be_long(here: Here, read: Read) -> None:
    here({"n/a.txt": "a", "n/z.txt": "z"})
    folder = os.open("n", os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=folder)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    texts, report = read("n")
    assert [text.id for text in texts] == ["n/a.txt", "n/z.txt"]
    assert kinds(report) == {"unreadable": 1}
    assert "File name too long" in report.missed


def test_what_vanishes_or_may_not_be_read_ends_nothing(here: Here, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    here({"n/a.txt": "a", "n/gone.txt": "g", "n/locked.txt": "l", "n/folder/c.txt": "c", "n/fifo.txt": "f"})
    real_open, real_scandir, path_of = os.open, os.scandir, os.fspath

    def open_(path: Any, *more: Any, **named: Any) -> int:  # root may read everything
        if path == "n/gone.txt":
            os.unlink(path)
        if path == "n/fifo.txt":
            os.unlink(path)
            os.mkfifo(path)
        if path == "n/locked.txt":
            raise PermissionError(13, "Permission denied", path)
        return real_open(path, *more, **named)

    def scandir(path: Any) -> Any:
        if path_of(path) == "n/folder":
            raise PermissionError(13, "Permission denied", path)
        return real_scandir(path)

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "scandir", scandir)
    texts, report = read("n")
    assert [text.id for text in texts] == ["n/a.txt"]
    assert [(each.path, each.detail) for each in report.skipped] == [
        ("n/folder", "Permission denied"),
        ("n/fifo.txt", "it is no file any more"),
        ("n/gone.txt", "No such file or directory"),
        ("n/locked.txt", "Permission denied"),
    ]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "the path is empty, as an unset variable is; pass . for the current folder"),
        ("missing.txt", "cannot read 'missing.txt': No such file or directory; pass files and folders that exist"),
        ("a.txt/b", "cannot read 'a.txt/b': Not a directory; pass files and folders that exist"),
        ("a\0b", "cannot read 'a\\x00b': "),
        ("fifo", "'fifo' is a FIFO; pass files and folders"),
        ("/dev/zero", "'/dev/zero' is a device or a socket; pass files and folders"),
        ("https://example.org/a.txt", "'https://example.org/a.txt' is a URL; download it, and pass the file"),
        ("s3://bucket/a", "'s3://bucket/a' is a URL"),
        ("~nobody-of-that-name/a", "cannot read"),
        ("a\nb", "cannot read 'a\\nb': "),
    ],
)
def test_a_path_that_cannot_be_read_is_refused_at_once(here: Here, read: Read, path: str, problem: str) -> None:
    here({"a.txt": "a"})
    os.mkfifo("fifo")
    with pytest.raises(FilesError) as caught:
        read(path)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_home_and_the_pipes_of_a_shell(here: Here, read: Read, tmp_path: Path, monkeypatch: Any) -> None:
    here({"notes.txt": "at home"})
    monkeypatch.setenv("HOME", str(tmp_path))
    out, into = os.pipe()
    os.write(into, "from a command: Größe".encode())
    os.close(into)
    texts, _ = read("~/notes.txt", f"/dev/fd/{out}")
    os.close(out)
    assert [text.text for text in texts] == ["at home", "from a command: Größe"]


def test_gitignore_files_are_honoured_each_below_its_folder(here: Here, read: Read) -> None:
    here(
        {
            "repo/.git/info/exclude": "*.local\n",
            "repo/.gitignore": "*.log\n/dist/\nnode_modules\nsecrets.*\n",
            "repo/a.py": "a",
            "repo/a.log": "l",
            "repo/a.local": "l",
            "repo/secrets.pem": "s",
            "repo/dist/x.js": "x",
            "repo/src/dist/kept.py": "k",
            "repo/src/.gitignore": "!important.log\n/generated\n",
            "repo/src/important.log": "i",
            "repo/src/generated/g.py": "g",
            "repo/src/node_modules/m/index.js": "m",
            "loose/.gitignore": "b.txt\n",
            "loose/a.txt": "a",
            "loose/b.txt": "b",
        }
    )
    texts, report = read("repo", "loose")
    assert [text.id for text in texts] == [
        "repo/a.py",
        "repo/src/dist/kept.py",
        "repo/src/important.log",
        "loose/a.txt",
    ]
    assert kinds(report) == {"hidden": 4, "ignored by .gitignore": 7}
    assert [text.id for text in read("repo/src")[0]] == ["repo/src/dist/kept.py", "repo/src/important.log"]
    assert [text.id for text in read("repo/dist")[0]] == ["repo/dist/x.js"]  # named, so it is meant
    assert [text.id for text in read("repo/a.log")[0]] == ["repo/a.log"]
    everything, _ = read("repo", gitignore=False)
    assert len(everything) == 10 - 1


def test_globs_as_ripgrep_has_them(here: Here, read: Read) -> None:
    here(dict.fromkeys(("n/a.md", "n/b.txt", "n/.c.md", "n/drafts/d.md", "n/.hidden/e.md", "n/sub/f.md"), "x"))

    def ids(*globs: str, **more: Any) -> list[str]:
        return [text.id for text in read("n", globs=globs, **more)[0]]

    assert ids() == ["n/a.md", "n/b.txt", "n/drafts/d.md", "n/sub/f.md"]
    assert ids("*.md") == ["n/.c.md", "n/a.md", "n/drafts/d.md", "n/sub/f.md"]
    assert ids("!*.md") == ["n/b.txt"]
    assert ids("*.md", "!drafts") == ["n/.c.md", "n/a.md", "n/sub/f.md"]
    assert ids("!*.md", "f.md") == ["n/sub/f.md"]
    assert ids("n/sub/*") == ["n/sub/f.md"]
    assert ids(hidden=True) == ["n/.c.md", "n/.hidden/e.md", "n/a.md", "n/b.txt", "n/drafts/d.md", "n/sub/f.md"]


@pytest.mark.parametrize("glob", ["", "!", "*a*b*c*d*", "**/a/**/b/**/c/**/d"])
def test_globs_that_are_none_or_could_take_for_ever(glob: str) -> None:
    with pytest.raises(FilesError, match="the glob"):
        Globs([glob])


def test_a_gitignore_file_cannot_hold_up_the_walk(here: Here, read: Read) -> None:
    here({"n/.gitignore": "*a" * 60 + "b\nskip.txt\n", "n/" + "a" * 250: "x", "n/skip.txt": "s"})
    texts, report = read("n")
    assert [text.text for text in texts] == ["x"]
    assert "1 rules honoured in part ('" in report.missed


def test_without_pathspec_rules_are_not_honoured_and_that_is_said(
    here: Here, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    here({"n/.gitignore": "b.txt\n", "n/a.txt": "a", "n/b.txt": "b"})
    monkeypatch.setitem(__import__("sys").modules, "pathspec", None)
    texts, report = read("n")
    assert [text.id for text in texts] == ["n/a.txt", "n/b.txt"]
    assert "rules not honoured" in report.missed
    assert 'pip install "rlm-integrations[files]"' in report.missed
    with pytest.raises(FilesError, match="globs need pathspec"):
        read("n", globs=("*.txt",))


def test_files_of_proc_end_and_what_has_no_size_is_bounded(read: Read) -> None:
    texts, _ = read("/proc/self/status")
    assert texts[0].text.startswith("Name:")
    assert IgnoreRules().ignores("/proc", folder=True) is False
    assert Selection().gitignore
