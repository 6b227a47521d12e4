from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.core.language_model import Message
from rlm_integrations.testing import ScriptedModel


class ModelServer:
    """A loopback OpenAI-compatible server whose models "root" and "sub" play scripts."""

    def __init__(self) -> None:
        self.url = ""
        self.models: dict[str, ScriptedModel] = {}
        self.asked = threading.Event()
        self.closing = threading.Event()

    def post(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        status, reply = self.reply(json.loads(body))
        data = json.dumps(reply).encode()
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        except OSError:  # the client hung up
            handler.close_connection = True

    def reply(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        messages = [Message(message["role"], message["content"]) for message in body["messages"]]
        self.asked.set()
        try:
            completion = self.models[body["model"]].complete_sync(messages)
        except Exception as error:
            return 400, {"error": {"message": str(error)}}
        usage = completion.usage
        return 200, {
            "model": body["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": completion.text}}],
            "usage": {
                "prompt_tokens": usage.input_tokens,
                "completion_tokens": usage.output_tokens,
                "total_tokens": usage.total_tokens,
            },
        }


@pytest.fixture
def model_server(serve_posts: Callable[..., str]) -> Iterator[ModelServer]:
    server = ModelServer()
    server.url = serve_posts(server.post)
    yield server
    server.closing.set()


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., tuple[list[str], dict[str, str]]]:
    """The command line of the console script, and the environment to run it in."""

    def build(*arguments: object, **environment: str) -> tuple[list[str], dict[str, str]]:
        script = "import sys; from rlm_integrations.cli import main; sys.argv[0] = 'rlm-integrations'; main()"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "RLM_"))}
        kept |= {"PYTHONPATH": os.getcwd(), "PYTHONWARNINGS": "error", "COLUMNS": "100", "TERM": "xterm-256color"}
        return [sys.executable, "-c", script, *map(str, arguments)], kept | environment

    return build


@pytest.fixture
def run_cli(
    command: Callable[..., tuple[list[str], dict[str, str]]], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the console script with no terminal, in tmp_path."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        argv, env = command(*arguments, **environment)
        return subprocess.run(
            argv, env=env, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False
        )

    return run


@pytest.fixture
def run_on_terminal(
    command: Callable[..., tuple[list[str], dict[str, str]]], tmp_path: Path
) -> Callable[..., tuple[int, str]]:
    """Runs the console script on a terminal of its own, in tmp_path: the exit code, and all that it wrote."""

    def run(*arguments: object, **environment: str) -> tuple[int, str]:
        argv, env = command(*arguments, **environment)
        screen, terminal = pty.openpty()
        process = subprocess.Popen(argv, env=env, cwd=tmp_path, stdin=terminal, stdout=terminal, stderr=terminal)
        os.close(terminal)
        try:
            written = read_all(screen)
            return process.wait(30), written
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
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("The red key opens the cellar.\n" * 40)
    (folder / "deep" / "b.md").write_text("Nobody found the blue key.\n" * 40)
    (folder / "picture.png").write_bytes(b"\x89PNG\0\0")
    return folder
