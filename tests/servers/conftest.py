"""All three faces over one loopback server that behaves as real ones do."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest
from langchain_openai import ChatOpenAI
from llama_index.core import Document
from llama_index.llms.openai_like import OpenAILike

from rlm_integrations import RLMEngine, RLMTrace
from rlm_integrations.core.language_model import CodeProtocol
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.openai import OpenAIModel

Body = dict[str, Any]
Respond = Callable[[list[dict[str, Any]], int], "str | Body | Refused | Streamed"]
"""(messages of the request, its number from 1) -> a reply's text, a whole body, a stream, or a refusal."""


@dataclass(frozen=True)
class Refused:
    """An error of the server."""

    words: str
    status: int = 400


@dataclass(frozen=True)
class Streamed:
    """A reply in pieces, as events."""

    pieces: Sequence[str]
    finish: str | None = "stop"
    """None for a stream that breaks off, or that never says so."""
    index: int = 0
    hollow: int = 0
    """How many chunks without a choice come first."""

    def events(self) -> str:
        head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "served"}
        choices: list[Body] = [{"index": self.index, "delta": {"content": piece}} for piece in self.pieces]
        choices += [{"index": self.index, "delta": {}, "finish_reason": self.finish}] if self.finish else []
        of_chunks = [*([[]] * self.hollow), *([choice] for choice in choices)]
        chunks = [json.dumps({**head, "choices": each}) for each in of_chunks]
        return "".join(f"data: {chunk}\n\n" for chunk in [*chunks, "[DONE]"])


@dataclass
class Server:
    """Speaks OpenAI's API as `respond` has it, and keeps the messages of each request."""

    respond: Respond = lambda messages, number: "?"
    url: str = ""
    requests: list[list[dict[str, Any]]] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    """Each request whole."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def post(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        request = json.loads(body)
        messages = request["messages"]
        with self._lock:
            self.requests.append(messages)
            self.bodies.append(request)
            number = len(self.requests)
        said = self.respond(messages, number)
        status = 200
        if isinstance(said, Refused):
            status, said = said.status, {"error": {"message": said.words, "type": "invalid_request_error"}}
        elif isinstance(said, str):
            said = completion(said)
        streamed = isinstance(said, Streamed)
        data = (said.events() if isinstance(said, Streamed) else json.dumps(said)).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "text/event-stream" if streamed else "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


def completion(content: str | None, finish: str | None = "stop", **message: Any) -> Body:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "served",
        "choices": [choice],
        "usage": usage,
    }


@dataclass(frozen=True)
class Answered:
    text: str
    trace: RLMTrace


@dataclass
class Face:
    """One framework's way to ask, by its sync or its async methods. One model object for all that it is asked."""

    name: str
    sync: bool
    model: Any

    async def ask(
        self,
        question: Any = "How many?",
        context: str = "a line\n" * 2_000,
        *,
        sub_tools: Sequence[Any] = (),
        protocol: CodeProtocol = "fence",
        **limits: Any,
    ) -> Answered:
        """The answer to a question over a text: a str, or messages as the framework has them."""
        if self.name == "openai":
            engine = RLMEngine(self.model, limits=limits, sub_tools=sub_tools, protocol=protocol)
            result = await self._call(engine.run, engine.arun, question, context)
            return Answered(result.answer, result.trace)
        if self.name == "langchain":
            rlm = RLMRunnable(
                llm=self.model, context=context, limits=limits, trace="full", sub_tools=sub_tools, protocol=protocol
            )
            message = await self._call(rlm.invoke, rlm.ainvoke, question)
            return Answered(message.text, RLMTrace.of(message))
        documents = [Document(text=context)]
        queries = RLMQueryEngine.from_documents(
            documents, llm=self.model, limits=limits, trace="full", sub_tools=sub_tools, protocol=protocol
        )
        response = await self._call(queries.query, queries.aquery, question)
        return Answered(response.response, RLMTrace.of(response))

    async def _call(self, sync: Callable[..., Any], asynchronous: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return await asyncio.to_thread(sync, *args) if self.sync else await asynchronous(*args)


@pytest.fixture
def server(serve_posts: Callable[..., str]) -> Server:
    server = Server()
    server.url = serve_posts(server.post)
    return server


@pytest.fixture
async def open_face(
    server: Server, http_clients: tuple[httpx.Client, httpx.AsyncClient]
) -> Callable[[str, bool], Face]:
    """Makes a face over the server."""
    client, async_client = http_clients
    given = {"http_client": client, "api_key": "none", "max_retries": 0}

    def make(name: str, sync: bool) -> Face:
        if name == "openai":
            model: Any = OpenAIModel("m", server.url, max_retries=0)
        elif name == "langchain":
            model = ChatOpenAI(model="m", base_url=server.url, http_async_client=async_client, **given)
        else:
            own: Any = {"api_base": server.url, "async_http_client": async_client, "is_chat_model": True}
            model = OpenAILike(model="m", is_function_calling_model=True, **own, **given)
        return Face(name, sync, model)

    return make


@pytest.fixture(params=["openai", "langchain", "llama_index"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def face(request: pytest.FixtureRequest, name: str, open_face: Callable[[str, bool], Face]) -> Face:
    """Each face, by its sync and by its async methods."""
    return open_face(name, request.param)


@pytest.fixture
def reply() -> Callable[..., Body]:
    """Makes the body of a chat completion."""
    return completion


@pytest.fixture
def streamed() -> type[Streamed]:
    """A reply that comes in pieces."""
    return Streamed


@pytest.fixture
def refused() -> type[Refused]:
    """What a server answers that takes no such request."""
    return Refused
