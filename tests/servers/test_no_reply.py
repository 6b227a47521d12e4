"""What is said of a server that gives no reply at all, or a page, through all three faces: where it was asked, and why
not."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from rlm_integrations import RLMError

SHORT = "branch 3 open, branch 9 open, branch 12 open"


async def failure(open_face: Any, name: str, sync: bool) -> str:
    with pytest.raises(RLMError) as raised:
        await open_face(name, sync).ask(context=SHORT)
    return str(raised.value)


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_a_server_that_is_not_there_is_named_with_the_reason(
    server: Any, open_face: Any, name: str, sync: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server.url = f"http://me:secret@127.0.0.1:{listening.getsockname()[1]}/v1"
    told = await failure(open_face, name, sync)
    assert re.search(r"\(http://127\.0\.0\.1:\d+/v1/chat/completions cannot be reached: nothing listens there", told)
    assert "secret" not in told


async def test_a_host_that_there_is_not_is_named(
    server: Any, open_face: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")  # that of a server on this machine may be left out
    server.url = "http://nowhere.invalid/v1"
    assert "cannot be reached: there is no host 'nowhere.invalid' (" in await failure(open_face, name, True)


async def test_tls_where_the_server_speaks_none_is_told_from_no_server(server: Any, open_face: Any, name: str) -> None:
    server.url = server.url.replace("http:", "https:")
    assert "is it http:// instead of https://?" in await failure(open_face, name, True)


async def test_a_page_in_place_of_a_reply_is_shown_with_what_to_check(
    server: Any, open_face: Any, name: str, serve_posts: Callable[..., str]
) -> None:
    def page(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", "19")
        handler.end_headers()
        handler.wfile.write(b"<html>a page</html>")

    server.url = serve_posts(page)
    told = await failure(open_face, name, True)
    assert "<html>a page</html>" in told
    assert re.search(r"; check (the base URL|base_url)", told)
