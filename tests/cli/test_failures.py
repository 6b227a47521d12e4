"""What `ask` says where it cannot answer: on stderr in one line, on stdout as JSON, and by its exit code."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlm_integrations import RLMTrace
from rlm_integrations.cli import app as commands
from rlm_integrations.cli.exit_codes import exit_codes
from rlm_integrations.cli.shell_words import in_shell_words
from rlm_integrations.cli.trace_file import TraceFile
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.testing import ScriptedModel

LOOKS = "```repl\nanswer['content'] = 'perhaps'\nprint(len(context))\n```"
Ask = Callable[..., Any]


@pytest.fixture
def ask(model_server: Any, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.chdir(corpus.parent)
    monkeypatch.setenv("OPENAI_API_KEY", "k")

    def run(*more: str, url: str = "") -> Any:
        arguments = ["ask", "notes", "-q", "?", "-m", "root", "--base-url", url or model_server.url, *more]
        return CliRunner().invoke(commands.app, arguments, catch_exceptions=False)

    return run


@pytest.fixture
def hangs_up() -> Iterator[int]:
    """The port of a server that closes each connection after its first bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        client.recv(1000)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def failure(done: Any) -> str:
    assert done.exit_code == 1, done.output
    [line] = [line for line in done.stderr.splitlines() if line.startswith("The run failed: ")]
    return line


def test_a_server_that_is_not_there(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
    assert f"({url}/chat/completions cannot be reached: nothing listens there (connection refused); " in failure(
        ask(url=url)
    )


def test_tls_where_there_is_none_and_none_where_there_is(ask: Ask, model_server: Any, hangs_up: int) -> None:
    url = model_server.url.replace("http:", "https:")
    assert f"({url}/chat/completions cannot be reached: it speaks no TLS there (" in failure(ask(url=url))
    assert "is it https:// instead of http://?" in failure(ask(url=f"http://127.0.0.1:{hangs_up}/v1"))


def test_a_host_that_there_is_not(ask: Ask) -> None:
    assert "there is no host 'nowhere.invalid' (" in failure(ask(url="http://nowhere.invalid/v1"))


@pytest.mark.parametrize(
    ("status", "path", "said"),
    [
        (404, "", "has no such page; most servers have theirs below /v1: --base-url http://127.0.0.1:"),
        (404, "/v1", "knows no such model or page; see --model, --sub-model and --base-url"),
        (401, "/v1", "does not accept the key; set OPENAI_API_KEY to one of its own"),
        (400, "/v1", ""),
    ],
)
def test_a_server_that_refuses(ask: Ask, model_server: Any, status: int, path: str, said: str) -> None:
    model_server.refusals += [status] * 3
    line = failure(ask(url=model_server.url.removesuffix("/v1") + path))
    assert f"Error code: {status}" in line
    assert said in line
    assert line.endswith(")") == bool(said)


def test_json_has_the_error_and_what_was_paid_for(ask: Ask, model_server: Any, tmp_path: Path) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS, ValueError("out of order")])
    done = ask("--json", "--trace", "run.json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert "out of order" in told["error"]
    assert (told["draft"], told["iterations"], told["trace"]) == ("perhaps", 2, "run.json")
    assert told["usage"]["input_tokens"] > 0
    assert "answer" not in told
    assert RLMTrace.model_validate_json((tmp_path / "run.json").read_text("utf-8")).iterations[0].reply == LOOKS


def test_json_has_errors_of_arguments_too(ask: Ask) -> None:
    done = ask("--json", "--limit", "max_iteration=3")
    assert done.exit_code == 2
    assert "did you mean 'max_iterations'?" in json.loads(done.stdout)["error"]


@pytest.mark.parametrize("wrong", [("--max-iterations", "many"), ("--modle", "root"), ("--trace",)])
def test_json_has_what_the_command_line_cannot_read_too(ask: Ask, wrong: tuple[str, ...]) -> None:
    done = ask("--json", *wrong)
    assert done.exit_code == 2
    assert wrong[0] in json.loads(done.stdout)["error"]
    assert wrong[0] in done.stderr


def test_a_limit_without_an_answer_is_3_too(ask: Ask, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel(always=lambda _: "```repl\nprint(1)\n```")
    done = ask("--limit", "max_total_tokens=10", "--json")
    assert done.exit_code == 3, done.output
    assert "max_total_tokens" in json.dumps(json.loads(done.stdout))


def test_a_trace_is_opened_at_once_and_written_at_the_end(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text("what stood there, which is longer")
    old.chmod(0o644)
    with TraceFile(old):
        pass
    assert old.read_text() == "what stood there, which is longer"
    with TraceFile(old) as file:
        file.write("{}")
    assert (old.read_text(), old.stat().st_mode & 0o777) == ("{}", 0o600)
    with TraceFile(tmp_path / "new.json") as file:
        assert (tmp_path / "new.json").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "new.json").exists()  # there was nothing to write
    with TraceFile(tmp_path / "gone.json") as file:
        (tmp_path / "gone.json").unlink()
        with pytest.raises(FileNotFoundError, match="deleted"):
            file.write("{}")
    with pytest.raises(InvalidArgumentError, match="File name too long"):
        TraceFile(tmp_path / ("n" * 300))


@pytest.fixture
def small_files() -> Iterator[None]:
    """Files end after 4 KB, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("old", ["the trace of yesterday", None])
@pytest.mark.usefixtures("small_files")
def test_a_trace_that_cannot_be_written_whole_leaves_what_stood_there(tmp_path: Path, old: str | None) -> None:
    path = tmp_path / "run.json"
    if old is not None:
        path.write_text(old)
    with TraceFile(path) as file, pytest.raises(OSError, match="File too large"):
        file.write("x" * 100_000)
    assert [each.read_text() for each in tmp_path.iterdir()] == ([] if old is None else [old])


@pytest.mark.parametrize("way", ["symbolic link", "hard link", "folder that takes no file", "renamed meanwhile"])
def test_a_trace_whose_file_cannot_be_replaced_is_written_into_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    path, real = tmp_path / "run.json", tmp_path / "real.json"
    real.write_text("what stood there, which is longer")
    if way == "symbolic link":
        path.symlink_to(real)
    else:
        path.hardlink_to(real)
    if way == "folder that takes no file":
        real.unlink()
        real = path
        monkeypatch.setattr(tempfile, "mkstemp", refused)
    with TraceFile(path) as file:
        if way == "renamed meanwhile":
            path.unlink()
            path.write_text("another's")
        file.write("{}")
    assert real.read_text() == "{}"
    assert path.is_symlink() == (way == "symbolic link")
    assert path.read_text() == ("another's" if way == "renamed meanwhile" else "{}")
    assert {*tmp_path.iterdir()} == {path, real}


def refused(*_: object) -> Any:
    raise PermissionError(13, "Permission denied")


def test_a_trace_is_written_to_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    with TraceFile(tmp_path / "pipe") as file:
        file.write("{}")
    reader.join(20)
    assert read == ["{}"]


def test_a_fault_of_the_program_is_one_line_that_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(commands.typer.Exit) as ended, exit_codes(as_json=True):
        {}["x"]
    assert ended.value.exit_code == 1
    said = capsys.readouterr()
    assert said.err.startswith("Error: KeyError: 'x' (")
    assert len(said.err.splitlines()) == 1
    assert json.loads(said.out)["error"] in said.err


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("question: is empty; pass one", "--question: is empty; pass one"),
        ("no sandbox; pass sandbox='wasi' or sandbox=\"x\"", 'no sandbox; pass --sandbox wasi or sandbox="x"'),
        ("limits: max_iterations=0: too few", "--limit: max_iterations=0: too few"),
        ("journal: 'x' cannot be opened", "--journal: 'x' cannot be opened"),
        ("max_iterations=0: too few", "max_iterations=0: too few"),
        ("max_input_tokens=32_000 is it", "--max-input-tokens 32_000 is it"),
    ],
)
def test_arguments_of_python_are_options_in_a_shell(message: str, shown: str) -> None:
    assert in_shell_words(message) == shown


def test_python_m_is_the_command_line(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "rlm_integrations", "ask", "-h"]
    shown = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    assert "rlm-integrations ask" in shown
