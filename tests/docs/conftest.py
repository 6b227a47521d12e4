"""A loopback server that speaks OpenAI's API, and plays the models of every snippet in the documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

COUNT = """```repl
found = search(r"(Contract \\d+) ends on 2027-0[1-5]", limit=None)
names = list(dict.fromkeys(match.groups[0] for match in found))
"""
CITE = "for match in found[:3]:\n    cite(match.text, match.id)\n"
SAY = 'answer["content"] = llm_query(f"Say this: {len(names)} contracts end before June.")\nanswer["ready"] = True\n```'
FILL = 'answer["content"] = {"count": len(names), "first": names[0]}\nanswer["ready"] = True\n```'
COMPUTE = 'answer["content"] = f"{len(names)} contracts end before June."\nanswer["ready"] = True\n```'


def play(body: dict[str, Any]) -> dict[str, Any]:
    """The message that answers a request: as a root LM, as a sub-LM, or as a model of an agent, a chat or a router."""
    messages = body["messages"]
    said = [message["content"] if isinstance(message["content"], str) else "" for message in messages]
    if "```repl" in said[0]:
        told = " ".join(said)
        if "Count by code" in told:
            return text(COUNT + COMPUTE)
        return text(COUNT + CITE + (FILL if '"count"' in told else SAY))
    if any("Say this: " in words for words in said):
        return text(said[-1].rpartition("Say this: ")[2])
    if messages[-1]["role"] == "tool":
        return text(said[-1])
    if body.get("tools"):
        return calling(body["tools"][0]["function"])
    if "<execute>" in said[0]:  # LlamaIndex's CodeActAgent
        printed = re.search(r"\d+ contracts", said[-1])
        return text(f"{printed[0]} end." if printed else "<execute>\nprint(6 * 7, 'contracts')\n</execute>")
    return text("How many contracts end before June?")  # a question condensed from a conversation


def text(content: str) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def calling(function: dict[str, Any]) -> dict[str, Any]:
    arguments = dict.fromkeys(function["parameters"]["properties"], "How many contracts end before June?")
    if "index" in arguments:  # of a router's choices
        arguments["index"] = 2
    called = {"name": function["name"], "arguments": json.dumps(arguments)}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": called}],
    }


def play_without_citing(body: dict[str, Any]) -> dict[str, Any]:
    """The same of models whose answer is as right, and which cite nothing."""
    message = play(body)
    return {**message, "content": message["content"] and message["content"].replace(CITE, "")}


def answer(play: Callable[[dict[str, Any]], dict[str, Any]], handler: BaseHTTPRequestHandler, data: bytes) -> None:
    body = json.loads(data)
    message = play(body)
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    ended = "tool_calls" if message.get("tool_calls") else "stop"
    head = {"id": "1", "created": 1, "model": body["model"]}
    if body.get("stream"):
        delta = {**message, "tool_calls": [{"index": 0, **call} for call in message.get("tool_calls", [])] or None}
        choice = {"index": 0, "finish_reason": ended, "delta": {key: held for key, held in delta.items() if held}}
        whole = {**head, "object": "chat.completion.chunk", "choices": [choice], "usage": usage}
        kind, sent = "text/event-stream", f"data: {json.dumps(whole)}\n\ndata: [DONE]\n\n".encode()
    else:
        choice = {"index": 0, "finish_reason": ended, "message": message}
        kind = "application/json"
        sent = json.dumps({**head, "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(sent)))
    handler.end_headers()
    handler.wfile.write(sent)


@pytest.fixture
def openai_server(serve_posts: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The server, found by the environment alone: snippets name hosted models, and are run as they stand."""
    return found_by_the_environment(serve_posts(partial(answer, play)), monkeypatch)


@pytest.fixture
def server_that_cites_nothing(serve_posts: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> str:
    return found_by_the_environment(serve_posts(partial(answer, play_without_citing)), monkeypatch)


def found_by_the_environment(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):  # LlamaIndex reads the second
        monkeypatch.setenv(name, url)
    return url
