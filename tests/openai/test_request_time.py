"""A request ends, also where the server never stops to send: after `timeout_s`, or else when the run says."""

from __future__ import annotations

import asyncio
import contextlib
from http.server import BaseHTTPRequestHandler
from typing import Any

import openai
import pytest

from rlm_integrations import RLMEngine, RootModelError
from rlm_integrations.openai import OpenAIModel, model
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
    llm = OpenAIModel("tiny", chat_server.url, extra_body={"stream": True}, timeout_s=0.2)
    words = r"not whole after 0\.2 s, though the server went on sending; for more pass OpenAIModel\(timeout_s=\.\.\.\)$"
    with pytest.raises(NotWholeError, match=words):
        ask(llm)


def test_a_body_that_never_begins(chat_server: Any, ask: Any) -> None:
    chat_server.will_answer(endless("application/json", b" " * 10))
    with pytest.raises(openai.APITimeoutError):
        ask(OpenAIModel("tiny", chat_server.url, timeout_s=0.2, max_retries=1))
    assert len(chat_server.requests) == 2


def silent(handler: BaseHTTPRequestHandler) -> None:
    """Says nothing until the client hangs up."""
    with contextlib.suppress(OSError):
        handler.connection.recv(1)
    handler.close_connection = True


ENDLESS = endless("text/event-stream", b": still thinking\n\n")


@pytest.mark.parametrize("by", ["sync", "async"])
@pytest.mark.parametrize("answer", [silent, ENDLESS], ids=["silent", "endless"])
def test_a_run_that_gives_a_call_more_time_than_the_sdk_has_is_the_one_that_ends_it(
    chat_server: Any, monkeypatch: pytest.MonkeyPatch, answer: Any, by: str
) -> None:
    monkeypatch.setattr(model, "_SDK_TIMEOUT_S", 0.1)
    chat_server.will_answer(answer)
    llm = OpenAIModel("tiny", chat_server.url, extra_body={"stream": True}, max_retries=0)
    engine = RLMEngine(llm, limits={"call_timeout_s": 0.5})
    with pytest.raises(RootModelError, match=r"no reply within 0\.5 s"):
        engine.run("?", "x" * 9_000) if by == "sync" else asyncio.run(engine.arun("?", "x" * 9_000))
    assert len(chat_server.requests) == 1


def test_a_time_of_the_models_own_holds_where_the_run_gives_more(chat_server: Any) -> None:
    chat_server.will_answer(ENDLESS)
    llm = OpenAIModel("tiny", chat_server.url, extra_body={"stream": True}, timeout_s=0.1)
    with pytest.raises(RootModelError, match=r"not whole after 0\.1 s"):
        RLMEngine(llm, limits={"call_timeout_s": 60}).run("?", "x" * 9_000)


def test_outside_of_runs_the_sdks_own_time_ends_an_endless_stream(
    chat_server: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "_SDK_TIMEOUT_S", 0.1)
    chat_server.will_answer(ENDLESS)
    with pytest.raises(NotWholeError, match=r"not whole after 0\.1 s"):
        ask(OpenAIModel("tiny", chat_server.url, extra_body={"stream": True}))
