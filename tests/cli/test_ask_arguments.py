"""What `ask` is given: wrong arguments, files, folders, modules, models and keys."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.cli.file_corpus import FileCorpus
from rlm_integrations.testing import ScriptedModel

from .questions import Ask, RunCli


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--limit", "max_iteration=3"), "did you mean 'max_iterations'?"),
        (("--limit", "max_iterations"), "is not NAME=VALUE"),
        (("--limit", "max_iterations=3", "--max-iterations", "4"), "max_iterations is given twice"),
        (("--max-iterations", "0"), "max_iterations=0: "),
        (("--timeout", "soon"), "Invalid value for '--timeout'"),
        (("--limit", "max_cost_usd=1"), "add --price IN,OUT"),
        (("--limit", "max_cost_usd=1", "--price", "1,2"), "add --sub-price IN,OUT"),
        (("--price", "cheap"), "'cheap' is not two numbers"),
        (("--price", "1,-2"), "negative"),
        (("--trace", "nowhere/run.json"), "cannot be written (No such file or directory); pass a file in an existing"),
        (("--sandbox", "moon"), "sandbox"),
        (("--protocol", "json"), "--protocol: 'json' is unknown; pass fence or tool"),
        (("--import", "nmupy"), "--import: cannot import nmupy: it is not installed"),
        (("--import", "numpy", "--sandbox", "docker"), "--import: the sandbox 'docker' cannot import modules"),
        (("-q", ""), "--question: is empty"),
        (("--base-url", "localhost:8000/v1"), "--base-url: 'localhost:8000/v1' is no URL; pass one as http://"),
        (("no-such-file.txt",), "'no-such-file.txt': No such file or directory"),
        (("",), "PATH: the path is empty, as an unset variable is; pass . for the current folder"),
        (("-", "--files-from", "-"), "--files-from: standard input is the list, and cannot be the corpus too"),
        (("--files-from", "no-such-list"), "--files-from: cannot read 'no-such-list': No such file or directory"),
        (("-g", "!"), "PATH: the glob '!' is empty"),
        (("https://example.org/a.md",), "PATH: 'https://example.org/a.md' is a URL; download it, and pass the file"),
        (("/dev/null",), "is a device or a socket"),
        (("a\0b",), "null"),
        (("--trace", "-"), "'-' cannot be written"),
        (("--trace", "notes"), "'notes' cannot be written"),
        (("--no-such-option",), "--no-such-option"),
        (("--sub-model", ""), "--sub-model: is empty"),
        (("--max-input-tokens", "0"), "--max-input-tokens"),
    ],
)
def test_wrong_arguments_are_named_and_end_with_2_before_any_call(
    ask: Ask, model_server: Any, arguments: tuple[str, ...], problem: str
) -> None:
    done = ask(*arguments)
    assert done.exit_code == 2, done.output
    assert problem in done.stderr
    assert not model_server.asked.is_set()


@pytest.mark.parametrize("question", ["", " \n"])
def test_an_empty_question_is_refused_before_any_file_is_read(
    ask: Ask, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[FileCorpus] = []
    monkeypatch.setattr(FileCorpus, "read", read.append)
    done = ask("-q", question)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: --question: is empty")
    assert read == []


def test_a_file_that_is_given_twice_is_read_once(ask: Ask, model_server: Any, corpus: Path) -> None:
    (corpus / ".hidden.txt").write_text("A hidden file is not in the folder's documents.\n" * 30)
    model_server.models["root"] = ScriptedModel(["```repl\nFINAL(sorted(d['id'] for d in context))\n```"])
    (corpus.parent / "elsewhere").mkdir()
    (corpus.parent / "elsewhere" / "c.txt").write_text("A folder's walk does not follow links to folders.\n" * 30)
    (corpus / "link").symlink_to(corpus.parent / "elsewhere")
    given = ("./notes/a.txt", str(corpus.absolute()), "notes/.hidden.txt", "notes/link/c.txt", "notes/deep/../a.txt")
    done = ask(*given)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == ["notes/.hidden.txt", "notes/a.txt", "notes/deep/b.md", "notes/link/c.txt"]
    assert "read: 4 documents; skipped 5 given or linked twice, 2 hidden, 2 link to a folder, 1 binary" in done.stderr


def test_folders_that_cannot_be_walked_are_said(ask: Ask, model_server: Any, corpus: Path) -> None:
    folder = os.open(corpus, os.O_RDONLY)
    for _ in range(25):  # a path that is longer than the system takes
        os.mkdir("d" * 200, dir_fd=folder)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    model_server.models["root"] = ScriptedModel(['```repl\nFINAL("read")\n```'])
    done = ask()
    assert done.exit_code == 0, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("read: 2 documents; skipped ")]
    assert "1 unreadable ('notes/ddd" in line
    assert ": File name too long)" in line


def test_without_openai_the_extra_is_named(start_command: Callable[..., Any], corpus: Path, tmp_path: Path) -> None:
    forgets = """
import sys
for name in list(sys.modules):
    if name.startswith(("openai", "rlm_integrations.openai", "rlm_integrations.cli")):
        del sys.modules[name]
"""

    def ask() -> Any:
        return start_command(["ask", corpus, "-q", "?", "-m", "m"], before=forgets).end()

    (tmp_path / "openai.py").write_text("raise ModuleNotFoundError('No such module', name='openai')")
    done = ask()
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert 'pip install "rlm-integrations[openai]"' in done.stderr
    (tmp_path / "openai.py").write_text("raise ImportError('half installed')")
    done = ask()
    assert (done.returncode, done.stderr) == (1, "Error: ImportError('half installed')\n")


def test_named_modules_can_be_imported_and_the_root_lm_is_told(ask: Ask, model_server: Any) -> None:
    code = "```repl\nimport idna, colorsys\nFINAL(idna.encode('k\u00f6nig.de').decode())\n```"
    model_server.models["root"] = root = ScriptedModel([code])
    done = ask("--import", "idna", "--import", "colorsys")
    assert (done.exit_code, done.stdout) == (0, "xn--knig-5qa.de\n"), done.stderr
    assert "the standard library, idna and colorsys:" in root.requests[0][0].content


def test_a_model_and_a_key_are_asked_for_by_name(run_cli: RunCli, corpus: Path) -> None:
    done = run_cli("ask", corpus, "-q", "?")
    assert done.returncode == 2
    assert "--model" in done.stderr
    done = run_cli("ask", corpus, "-q", "?", RLM_MODEL="gpt-5")
    assert done.returncode == 2
    assert done.stderr == (
        "Error: OPENAI_API_KEY is not set; https://api.openai.com needs one: set OPENAI_API_KEY, or ask a server of "
        "your own by its --base-url, with any word as the key; the README shows both, and a run without a model: "
        '"No key?"\n'
    )


def test_a_folder_without_text_is_an_error_that_names_it(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run_cli("ask", "empty", "-q", "?", "--model", "m", "--base-url", "http://localhost:1/v1")
    assert done.returncode == 2
    assert "no text file in the folder 'empty'" in done.stderr


@pytest.mark.parametrize("way", ["notes/a.txt", "link.json"])
def test_a_trace_never_takes_the_place_of_a_file_that_is_read(
    ask: Ask, model_server: Any, corpus: Path, way: str
) -> None:
    (corpus.parent / "link.json").symlink_to("notes/a.txt")
    text = (corpus / "a.txt").read_text()
    done = ask("--trace", way)
    assert (done.exit_code, (corpus / "a.txt").read_text()) == (2, text)
    assert f"--trace: '{way}' is read, as part of the corpus; pass a file that is not in it" in done.stderr
