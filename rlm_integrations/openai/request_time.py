"""The time that one request may take, from sending it to the last byte of its reply.

httpx counts each wait for bytes for itself, and a server may send some for ever: comments of a stream that are to keep
the connection open, or white space ahead of a body. Here a request has for all of them what it has for one wait.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import openai

if TYPE_CHECKING:
    import httpx
else:  # the one that the SDK is built on: httpx, or httpx2 from version 3 on
    [_client] = [each for each in openai.DefaultHttpxClient.__mro__ if each.__name__ == "Client"]
    httpx = importlib.import_module(_client.__module__.partition(".")[0])

_BEGAN = "rlm_began"


class NotWholeError(httpx.ReadTimeout):
    """The reply was not whole in time, though the server went on sending."""


def bounded_client() -> httpx.Client:
    """A client of the SDK's kind, whose requests end after their read timeout. They raise NotWholeError."""

    def watch(response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Watched(response.stream, response.request)

    return openai.DefaultHttpxClient(event_hooks={"request": [_begin], "response": [watch]})


def bounded_async_client() -> httpx.AsyncClient:
    """The same for an event loop."""

    async def begin(request: httpx.Request) -> None:
        _begin(request)

    async def watch(response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _AsyncWatched(response.stream, response.request)

    return openai.DefaultAsyncHttpxClient(event_hooks={"request": [begin], "response": [watch]})


def _begin(request: httpx.Request) -> None:
    request.extensions = {**request.extensions, _BEGAN: time.monotonic()}


class _Time:
    def __init__(self, stream: Any, request: httpx.Request) -> None:
        self._stream, self._request = stream, request
        self._seconds: float = request.extensions["timeout"]["read"]
        self._last_moment = request.extensions[_BEGAN] + self._seconds

    def check(self) -> None:
        if time.monotonic() > self._last_moment:
            raise NotWholeError(
                f"the reply was not whole after {self._seconds:g} s, though the server went on sending; for more pass "
                "OpenAIModel(timeout_s=...)",
                request=self._request,
            )


class _Watched(_Time, httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            self.check()
            yield part

    def close(self) -> None:
        self._stream.close()


class _AsyncWatched(_Time, httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self.check()
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
