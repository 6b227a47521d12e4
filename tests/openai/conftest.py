from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from rlm_integrations.core.language_model import Message

Answer = dict[str, Any] | Callable[[BaseHTTPRequestHandler], None]


class ChatServer:
    """A loopback server that answers POST /v1/chat/completions with what it was told to, in order."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._answers: list[Answer] = []
        self._lock = threading.Lock()

    def post(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        with self._lock:
            self.requests.append(json.loads(body))
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if callable(answer):
            answer(handler)
        else:
            self.send(handler, 200, json.dumps(answer))

    def will_answer(self, *answers: Answer) -> None:
        """Bodies of chat completions or functions of the handler. The last one is repeated."""
        self._answers = list(answers)

    @staticmethod
    def completion(content: object, **fields: Any) -> dict[str, Any]:
        return {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": "tiny-2",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        } | fields

    @staticmethod
    def send(handler: BaseHTTPRequestHandler, status: int, body: str, content_type: str = "application/json") -> None:
        data = body.encode()
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(data)))
        handler.send_header("retry-after-ms", "1")
        handler.end_headers()
        handler.wfile.write(data)

    def error(self, status: int, message: str) -> Answer:
        return lambda handler: self.send(handler, status, json.dumps({"error": {"message": message}}))


@pytest.fixture
def chat_server(serve_posts: Callable[..., str]) -> ChatServer:
    server = ChatServer()
    server.url = serve_posts(server.post)
    return server


@pytest.fixture(autouse=True)
def no_keys_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Any:
    """Asks a model once, by each of its two ways."""
    messages = [Message("user", "Well?")]
    if request.param == "sync":
        return lambda model: model.complete_sync(messages)
    return lambda model: asyncio.run(model.complete(messages))
