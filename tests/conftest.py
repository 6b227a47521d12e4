"""What tests of several parts share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Post = Callable[[BaseHTTPRequestHandler, bytes], None]
"""Answers one POST through its handler, given the body."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # the default of 5 resets connections that come at once


@pytest.fixture
def serve_posts() -> Iterator[Callable[[Post], str]]:
    """Starts a loopback HTTP server for the time of a test. Returns the base URL that an OpenAI client takes."""
    servers: list[tuple[_Server, threading.Thread]] = []

    def serve(post: Post) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                post(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = _Server(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()
