"""The files that `ask` reads: what they are, what is said of them, and how they are cited."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from rlm_integrations.testing import ScriptedModel

IDS = "```repl\nFINAL([d['id'] for d in context])\n```"
ASK = ("ask", "-q", "?", "-m", "root", "--base-url")

RunCli = Callable[..., Any]


@pytest.fixture
def ask_with(start_command: Any, model_server: Any) -> Callable[..., Any]:
    """Runs `ask`, given what it has on standard input; the answer is the ids of its documents, as JSON."""

    def run(*arguments: object, stdin: bytes | None = None, reply: str = IDS) -> Any:
        model_server.models["root"] = ScriptedModel([reply])
        with tempfile.TemporaryFile() as given:
            given.write(stdin or b"")
            given.seek(0)
            return start_command([*ASK, model_server.url, *arguments], stdin=given.fileno()).end()

    return run


def ids(ended: Any) -> list[str]:
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "p"
    for name in ("a.md", "b.txt", ".env", "build/out.txt", "docs/c.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"This is {name}.\n" * 9)
    (folder / ".gitignore").write_text("build/\n")
    return folder


def test_folders_are_narrowed_and_widened_by_options(ask_with: RunCli, project: Path) -> None:
    done = ask_with("p")
    assert ids(done) == ["p/a.md", "p/b.txt", "p/docs/c.md"]
    assert done.stderr.splitlines()[0] == "read: 3 documents; skipped 2 hidden, 1 ignored by .gitignore"
    assert ids(ask_with("p", "-g", "*.md", "--glob", "!docs")) == ["p/a.md"]
    widened = ["p/.env", "p/.gitignore", "p/a.md", "p/b.txt", "p/build/out.txt", "p/docs/c.md"]
    assert ids(ask_with("p", "--hidden", "--no-ignore")) == widened


def test_a_table_that_was_named_is_told_with_its_columns(ask_with: RunCli, project: Path, model_server: Any) -> None:
    parquet.write_table(pa.table({"city": ["Rome", "Oslo"], "n": [1, 2]}), project / "a.parquet")
    total = "```repl\nFINAL(sum(d['metadata']['n'] for d in context))\n```"
    assert ask_with("p/a.parquet", reply=total).stdout == "3\n"
    (request,) = model_server.models["root"].requests
    assert "Columns: city str ('Oslo', 'Rome'); n int (1, 2)." in request[-1].content


def test_standard_input_is_a_corpus_whatever_its_format(ask_with: RunCli, project: Path) -> None:
    assert ids(ask_with("-", "p/a.md", stdin=b"from a pipe")) == ["stdin", "p/a.md"]
    said = ask_with("-", stdin="Größe".encode("utf-16"), reply='```repl\nFINAL(context[0]["text"])\n```')
    assert said.stdout == "Größe\n"
    refused = ask_with("-", stdin=b"PK\x03\x04 a zip")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "'/dev/stdin' is not read as text: .zip files are not opened" in refused.stderr
    empty = ask_with("-", stdin=b"")
    assert (empty.returncode, empty.stderr) == (2, "Error: PATH: nothing to read (skipped 1 empty)\n")


@pytest.mark.parametrize("separator", [b"\n", b"\0"])
def test_paths_come_from_a_list(ask_with: RunCli, project: Path, separator: bytes) -> None:
    listed = separator.join([b"p/a.md", b"p/gone.txt", b"p/docs", b"p/a.md", b""])
    done = ask_with("p/b.txt", "--files-from", "-", stdin=listed)
    assert ids(done) == ["p/b.txt", "p/a.md", "p/docs/c.md"]
    assert "skipped 1 unreadable ('p/gone.txt': cannot read 'p/gone.txt': No such file" in done.stderr
    (project / "list").write_bytes(listed)
    assert ids(ask_with("--files-from", "p/list")) == ["p/a.md", "p/docs/c.md"]
    nothing = ask_with()
    assert (nothing.returncode, nothing.stderr.count("\n")) == (2, 1)
    assert "PATH: none is given" in nothing.stderr


def test_what_is_refused_is_one_line_and_asks_no_model(ask_with: RunCli, model_server: Any, project: Path) -> None:
    os.mkfifo(project / "fifo")
    (project / "report.bin").write_bytes(b"\0\1")
    (project / "zipped").mkdir()
    (project / "zipped" / "a.zip").write_bytes(b"PK\x03\x04")
    for path, problem in {
        "p/fifo": "'p/fifo' is a FIFO; pass files and folders",
        "p/report.bin": "'p/report.bin' is not read as text: binary",
        "p/zipped": "no text file in the folder 'p/zipped' (skipped 1 .zip)",
        "p/a\nb": "cannot read 'p/a\\nb': No such file or directory",
    }.items():
        done = ask_with("p/a.md", path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert done.stderr.startswith("Error: PATH: ")
        assert problem in done.stderr
    assert not model_server.asked.is_set()


def test_citations_of_files_have_a_line_and_those_of_parts_their_part(ask_with: RunCli, project: Path) -> None:
    (project / "notes.txt").write_text("one\r\ntwo\rthree\nthe fourth line\n")
    (project / "table.csv").write_text("name,size\nAnn,12\nBo,the largest of all\n")
    (project / "odd\nname.txt").write_text("an odd name\n")
    reply = '```repl\ncite("the fourth line")\ncite("the largest of all")\ncite("an odd name")\nFINAL("Here.")\n```'
    files = ("p/notes.txt", "p/table.csv", "p/odd\nname.txt")
    assert ask_with(*files, reply=reply).stdout.splitlines() == [
        "Here.",
        "",
        "Citations:",
        "  [1] p/notes.txt:4: “the fourth line”",
        "  [2] p/table.csv#row=2: “the largest of all”",
        "  [3] p/odd\\nname.txt:1: “an odd name”",
    ]
    told = json.loads(ask_with(*files, "--json", reply=reply).stdout)
    assert [cited.get("line") for cited in told["citations"]] == [4, None, 1]
    assert told["files"] == {"read": 3, "documents": 4, "skipped": {}}


MANY = """
import sys
from rlm_integrations.cli import file_corpus, main
file_corpus.MANY_FILES = 3
sys.argv[0] = "rlm-integrations"
main()
"""


def test_a_person_is_asked_whether_so_many_files_are_meant_and_a_program_is_not(
    run_code: Callable[..., tuple[int, str]], model_server: Any, project: Path
) -> None:
    model_server.models["root"] = ScriptedModel(always=lambda _: IDS)
    arguments = [*ASK, model_server.url, "p"]
    code, written = run_code(MANY, b"n\n", *arguments)
    assert code == 1
    assert "3 files, 1 MB, are to be read. Go on? [y/N]" in written
    assert "Nothing was read or asked." in written
    assert not model_server.asked.is_set()
    for typed, more in ((b"y\n", ()), (b"", ("--yes",)), (None, ())):
        code, written = run_code(MANY, typed, *arguments, *more)
        assert (code, "p/docs/c.md" in written) == (0, True)
        assert ("Go on?" in written) == (typed == b"y\n")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_list_of_paths_is_read_in_the_encodings_that_shells_write(
    ask_with: RunCli, project: Path, encoding: str
) -> None:
    listed = "p/a.md\r\np/docs/c.md\r\n".encode(encoding)  # its zero bytes part no paths: "/" would be one
    assert ids(ask_with("--files-from", "-", stdin=listed)) == ["p/a.md", "p/docs/c.md"]


def test_a_list_that_breaks_off_within_a_character_is_refused(ask_with: RunCli, project: Path) -> None:
    done = ask_with("--files-from", "-", stdin="p/a.md\n".encode("utf-16")[:-1])
    assert (done.returncode, done.stderr) == (2, "Error: --files-from: '-' is damaged UTF-16\n")
