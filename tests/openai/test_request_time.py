"""A request ends after `timeout_s`, also where the server never stops to send."""

from __future__ import annotations

import contextlib
from http.server import BaseHTTPRequestHandler
from typing import Any

import openai
import pytest

from rlm_integrations.openai import OpenAIModel
from rlm_integrations.openai.request_time import NotWholeError


def endless(content_type: str, part: bytes) -> Any:
    """Sends that part until the client hangs up."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", content_type)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(part)
        handler.close_connection = True

    return answer


@pytest.mark.parametrize("part", [b": still thinking\n\n", b'data: {"choices": []}\n\n'], ids=["comments", "chunks"])
def test_a_stream_that_never_ends(chat_server: Any, ask: Any, part: bytes) -> None:
    chat_server.will_answer(endless("text/event-stream", part))
    model = OpenAIModel("tiny", chat_server.url, extra_body={"stream": True}, timeout_s=0.2)
    words = r"not whole after 0\.2 s, though the server went on sending; for more pass OpenAIModel\(timeout_s=\.\.\.\)$"
    with pytest.raises(NotWholeError, match=words):
        ask(model)


def test_a_body_that_never_begins(chat_server: Any, ask: Any) -> None:
    chat_server.will_answer(endless("application/json", b" " * 10))
    with pytest.raises(openai.APITimeoutError):
        ask(OpenAIModel("tiny", chat_server.url, timeout_s=0.2, max_retries=1))
    assert len(chat_server.requests) == 2
