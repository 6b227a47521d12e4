"""One model serves loops and threads, and its clients are closed with them."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import openai
import pytest

from rlm_integrations.core.language_model import Message
from rlm_integrations.openai import OpenAIModel

ASKED = [Message("system", "Be brief."), Message("user", "Well? \x00 {x} 😀")]


async def test_a_cancelled_call_hangs_up_and_the_model_stays_usable(chat_server: Any) -> None:
    arrived, hung_up = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def never(handler: BaseHTTPRequestHandler) -> None:
        loop.call_soon_threadsafe(arrived.set)
        handler.connection.settimeout(10)
        if handler.rfile.read(1) == b"":  # the client closed the connection
            hung_up.set()
        handler.close_connection = True

    chat_server.will_answer(never, chat_server.completion("still here"))
    model = OpenAIModel("t", chat_server.url)
    task = asyncio.create_task(model.complete(ASKED))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(hung_up.wait, 10)
    assert (await model.complete(ASKED)).text == "still here"


def test_one_model_serves_loop_after_loop_and_loops_side_by_side(chat_server: Any) -> None:
    chat_server.will_answer(chat_server.completion("ok"))
    model = OpenAIModel("t", chat_server.url, max_retries=0)

    async def batch(_: int) -> list[str]:
        replies = await asyncio.gather(*(model.complete(ASKED) for _ in range(5)))
        return [reply.text for reply in replies]

    for n in range(3):
        assert asyncio.run(batch(n)) == ["ok"] * 5
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda n: asyncio.run(batch(n)), range(8))) == [["ok"] * 5] * 8
    gc.collect()  # a connection left open would be a ResourceWarning here, and so an error


def test_a_client_is_closed_with_its_loop_and_ended_loops_are_let_go(chat_server: Any) -> None:
    chat_server.will_answer(chat_server.completion("ok"))
    model = OpenAIModel("t", chat_server.url)
    clients: list[openai.AsyncOpenAI] = []

    async def once() -> None:
        await model.complete(ASKED)
        clients.append(await model._async_clients.of_this_loop())
        assert clients[-1] is await model._async_clients.of_this_loop()
        assert not clients[-1].is_closed()

    for _ in range(3):
        asyncio.run(once())
        assert clients[-1].is_closed()
    assert len({id(client) for client in clients}) == 3
    assert len(model._async_clients._open) == 1


async def test_a_dropped_model_closes_its_client_on_the_loop_that_goes_on(chat_server: Any) -> None:
    chat_server.will_answer(chat_server.completion("ok"))
    model = OpenAIModel("t", chat_server.url)
    await model.complete(ASKED)
    client = await model._async_clients.of_this_loop()
    del model
    gc.collect()
    for _ in range(100):
        if client.is_closed():
            break
        await asyncio.sleep(0)
    assert client.is_closed()


def test_threads_share_the_sync_client(chat_server: Any) -> None:
    chat_server.will_answer(chat_server.completion("ok"))
    model = OpenAIModel("t", chat_server.url, max_retries=0)
    with ThreadPoolExecutor(8) as pool:
        assert [reply.text for reply in pool.map(lambda _: model.complete_sync(ASKED), range(40))] == ["ok"] * 40
