from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import IO, Any

import pytest

from rlm_integrations.core.language_model import Completion, Message, ToolSpec
from rlm_integrations.testing import ScriptedModel
from tests.programs import COMMAND_LINE

from .questions import QUESTION


class ModelServer:
    """A loopback OpenAI-compatible server whose models "root" and "sub" play scripts."""

    def __init__(self) -> None:
        self.url = ""
        self.models: dict[str, ScriptedModel] = {}
        self.refusals: list[int] = []
        """Status codes that the next requests are answered with."""
        self.asked = threading.Event()
        self.closing = threading.Event()

    def post(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        status, reply = self.reply(json.loads(body))
        data = json.dumps(reply).encode()
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(data)))
            handler.send_header("Retry-After-Ms", "1")
            handler.end_headers()
            handler.wfile.write(data)
        except OSError:  # the client hung up
            handler.close_connection = True

    def reply(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        messages = [Message(message["role"], message["content"] or "") for message in body["messages"]]
        self.asked.set()
        if self.refusals:
            return self.refusals.pop(), {"error": {"message": "not now"}}
        try:
            offered = [ToolSpec(**tool["function"]) for tool in body.get("tools", ())]
            completion = self.models[body["model"]].reply(messages, offered)
        except Exception as error:
            return 400, {"error": {"message": str(error)}}
        usage = completion.usage
        return 200, {
            "model": body["model"],
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": completion.text, **_calls(completion)}}
            ],
            "usage": {
                "prompt_tokens": usage.input_tokens,
                "completion_tokens": usage.output_tokens,
                "total_tokens": usage.total_tokens,
            },
        }


def _calls(completion: Completion) -> dict[str, Any]:
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in completion.tool_calls
    ]
    return {"tool_calls": calls} if calls else {}


@pytest.fixture(autouse=True, scope="session")
def made_once() -> Iterator[None]:
    """Typer's runner takes the commands that the program takes, and does not make them anew for each call."""
    from rlm_integrations.cli.app import command

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", lambda _: command)
        yield


@pytest.fixture
def model_server(serve_posts: Callable[..., str]) -> Iterator[ModelServer]:
    server = ModelServer()
    server.url = serve_posts(server.post)
    yield server
    server.closing.set()


MAIN = "from rlm_integrations.cli import main; main()"
SMALL_DEMO = """
from functools import partial
from rlm_integrations.demo import run
run.make_log = partial(run.make_log, crates_a_day=20, messages_a_day=10)
"""
"""Before the command: to make, read and search the log of `demo` takes two seconds else."""
NOTHING_IMPORTED = """
from rlm_integrations.cli import doctor
from rlm_integrations.cli.installed import PARTS, Finding
doctor.find_installed = lambda: [Finding(part, "1.0") for part in PARTS]
"""
"""Likewise: all is installed, and `doctor` takes three seconds to import it else."""


def command_environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "RLM_"))}
    kept |= {"PYTHONPATH": os.getcwd(), "PYTHONWARNINGS": "error", "COLUMNS": "100", "TERM": "xterm-256color"}
    return kept | changes


@pytest.fixture
def start_main(program_parent: Callable[..., Any]) -> Callable[..., Any]:
    """Starts the console script, given its arguments, streams, environment, folder, and code to run `before`."""

    def start(arguments: Sequence[object], *streams: Any, before: str = "", **options: Any) -> Any:
        code = f"{before}\n{MAIN}"
        return program_parent(*COMMAND_LINE).start(code, ["rlm-integrations", *arguments], *streams, **options)

    return start


@dataclass
class Ended:
    """A command that has run."""

    returncode: int
    stdout: str
    stderr: str


StartCommand = Callable[..., "RunningCommand"]


@dataclass
class RunningCommand:
    """A command whose output is caught in files."""

    process: Any
    files: tuple[IO[bytes], IO[bytes]]

    def end(self, seconds: float = 60) -> Ended:
        """Waits for it."""
        code = self.process.wait(seconds)
        texts: list[str] = []
        for file in self.files:
            file.seek(0)
            texts.append(file.read().decode("utf-8"))
        return Ended(code, *texts)


@pytest.fixture
def start_command(start_main: Callable[..., Any], tmp_path: Path) -> Iterator[StartCommand]:
    """Starts the console script with no terminal, in tmp_path."""
    with ExitStack() as files:

        def start(
            arguments: Sequence[object],
            stdout: int | None = None,
            stderr: int | None = None,
            stdin: int | None = None,
            environment: Mapping[str, str] | None = None,
            **more: Any,
        ) -> RunningCommand:
            """With other streams than those that are caught, where some are given."""
            caught = files.enter_context(tempfile.TemporaryFile()), files.enter_context(tempfile.TemporaryFile())
            null = files.enter_context(open(os.devnull, "rb"))
            given = [
                null.fileno() if stdin is None else stdin,
                caught[0].fileno() if stdout is None else stdout,
                caught[1].fileno() if stderr is None else stderr,
            ]
            env = command_environment(**environment or {})
            return RunningCommand(start_main(arguments, given, env=env, cwd=tmp_path, **more), caught)

        yield start


@pytest.fixture
def run_cli(start_command: StartCommand) -> Callable[..., Ended]:
    """Runs the console script with no terminal, in tmp_path. The environment has these variables besides, and
    `warnings` are what an interpreter gets as -W.
    """

    def run(*arguments: object, warnings: Sequence[str] | None = None, **environment: str) -> Ended:
        return start_command(arguments, environment=environment, warnings=warnings).end()

    return run


FRESH_MAIN = f"import sys; sys.argv[0] = 'rlm-integrations'; {MAIN}"


@pytest.fixture
def run_on_terminal(start_main: Callable[..., Any], tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs the console script on a terminal of its own, in tmp_path: the exit code, and all that it wrote."""

    def run(*arguments: object, before: str = "", **environment: str) -> tuple[int, str]:
        screen, terminal = pty.openpty()
        env = command_environment(**environment)
        try:
            # for an interpreter that starts, but for the encoding, which the parent of programs reads as it does
            if any(name.startswith("PYTHON") for name in environment.keys() - {"PYTHONIOENCODING"}):
                assert not before
                argv = [sys.executable, "-c", FRESH_MAIN, *map(str, arguments)]
                own = subprocess.Popen(argv, env=env, cwd=tmp_path, stdin=terminal, stdout=terminal, stderr=terminal)
                os.close(terminal)
                written = read_all(screen)
                return own.wait(30), written
            command = start_main(arguments, [terminal] * 3, env=env, cwd=tmp_path, before=before)
            os.close(terminal)
            written = read_all(screen)
            return command.wait(30), written
        finally:
            os.close(screen)

    def read_all(screen: int) -> str:
        pieces: list[bytes] = []
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if select.select([screen], [], [], 1)[0]:
                try:
                    piece = os.read(screen, 65_536)
                except OSError:  # the other side is closed
                    break
                if not piece:
                    break
                pieces.append(piece)
        return b"".join(pieces).decode("utf-8", "replace")

    return run


@pytest.fixture
def run_code(program_parent: Callable[..., Any], tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs code that calls the command, on a terminal where something is typed, or with None on none: its exit code,
    and all that it wrote.
    """

    def run(code: str, typed: bytes | None, *arguments: object) -> tuple[int, str]:
        near, far = os.pipe() if typed is None else pty.openpty()
        with open(os.devnull, "rb") as null:
            streams = [null.fileno() if typed is None else far, far, far]
            parent = program_parent(*COMMAND_LINE)
            started = parent.start(code, ["-c", *arguments], streams, env=command_environment(), cwd=tmp_path)
        os.close(far)
        if typed:
            os.write(near, typed)
        written = b""
        with suppress(OSError):  # the other side is closed
            while piece := os.read(near, 65_536):
                written += piece
        os.close(near)
        return started.wait(30), written.decode()

    return run


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("The red key opens the cellar.\n" * 40)
    (folder / "deep" / "b.md").write_text("Nobody found the blue key.\n" * 40)
    (folder / "picture.png").write_bytes(b"\x89PNG\0\0")
    return folder


@pytest.fixture
def ask(model_server: Any, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs `ask` over the corpus in this process, at the server's models, with some more arguments."""
    monkeypatch.chdir(corpus.parent)
    model_server.models["sub"] = ScriptedModel(always=lambda messages: "the cellar")

    from typer.testing import CliRunner

    from rlm_integrations.cli.app import app

    def run(*more: str) -> Any:
        arguments = [*QUESTION, model_server.url, *more]
        return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"}, catch_exceptions=False)

    return run
