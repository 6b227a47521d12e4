from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import openai
import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.core.calls.missing_key import KEY_REMEDY
from rlm_integrations.core.errors import InvalidArgumentError, RLMError
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.usage import Usage
from rlm_integrations.openai import OpenAIModel

ASKED = [Message("system", "Be brief."), Message("user", "Well? \x00 {x} 😀")]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Any:
    """Asks a model once, by each of its two ways."""
    if request.param == "sync":
        return lambda model: model.complete_sync(ASKED)
    return lambda model: asyncio.run(model.complete(ASKED))


def test_a_conversation_goes_out_whole_and_the_reply_comes_back_with_its_usage(chat_server: Any, ask: Any) -> None:
    chat_server.will_answer(
        chat_server.completion(
            "Fine.",
            usage={
                "prompt_tokens": 1_000,
                "completion_tokens": 50,
                "total_tokens": 1_050,
                "prompt_tokens_details": {"cached_tokens": 600},
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
        )
    )
    model = OpenAIModel(
        "tiny",
        chat_server.url,
        "secret-key",
        temperature=0.5,
        extra_body={"reasoning_effort": "low"},
        extra_headers={"X-Team": "blue"},
        max_input_tokens=9_000,
    )
    usage = Usage(input_tokens=1_000, output_tokens=50, cached_tokens=600, reasoning_tokens=30)
    assert ask(model) == Completion("Fine.", usage, "tiny-2", "stop")
    assert chat_server.requests == [
        {
            "model": "tiny",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Well? \x00 {x} 😀"},
            ],
            "temperature": 0.5,
            "reasoning_effort": "low",
        }
    ]
    assert chat_server.headers[0]["authorization"] == "Bearer secret-key"
    assert chat_server.headers[0]["x-team"] == "blue"
    assert model.max_input_tokens == 9_000
    assert "secret" not in repr(model)


def test_prices_give_a_cost_with_cached_input_at_its_own_price(chat_server: Any, ask: Any) -> None:
    usage = {
        "prompt_tokens": 1_000_000,
        "completion_tokens": 100_000,
        "total_tokens": 1_100_000,
        "prompt_tokens_details": {"cached_tokens": 400_000},
    }
    chat_server.will_answer(chat_server.completion("x", usage=usage))
    assert ask(OpenAIModel("t", chat_server.url)).usage.cost_usd is None
    full = OpenAIModel("t", chat_server.url, input_price=2, output_price=10)
    assert ask(full).usage.cost_usd == pytest.approx(2.0 + 1.0)
    cached = OpenAIModel("t", chat_server.url, input_price=2, output_price=10, cached_input_price=0.5)
    assert ask(cached).usage.cost_usd == pytest.approx(1.2 + 0.2 + 1.0)


def test_tokens_that_the_server_does_not_count_have_a_price_too(chat_server: Any, ask: Any) -> None:
    chat_server.will_answer({"choices": [{"message": {"content": "x" * 400}}]})
    cost = ask(OpenAIModel("t", chat_server.url, input_price=0, output_price=10)).usage.cost_usd
    assert cost == pytest.approx(100 * 10 / 1e6)


def test_a_cost_that_the_server_reports_is_read(chat_server: Any, ask: Any) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11, "cost": 0.0125}
    chat_server.will_answer(chat_server.completion("x", usage=usage))
    assert ask(OpenAIModel("t", chat_server.url)).usage.cost_usd == 0.0125


@pytest.mark.parametrize("cost", [float("nan"), -1000.0])
def test_a_server_cannot_lift_the_limit_in_money_by_a_cost_that_is_no_amount(chat_server: Any, cost: float) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11, "cost": cost}
    chat_server.will_answer(*[chat_server.completion("```repl\nprint(1)\n```", usage=usage)] * 3)
    engine = RLMEngine(OpenAIModel("t", chat_server.url), prices={"llm": "reported"}, limits={"max_cost_usd": 1})
    with pytest.raises(RLMError, match="max_cost_usd is set, but the model does not report its cost"):
        engine.run("?", "text")
    assert len(chat_server.requests) == 1


def test_a_limit_in_money_needs_prices_before_anything_is_sent(chat_server: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="what a call of llm costs is unknown"):
        RLMEngine(OpenAIModel("t", chat_server.url), limits={"max_cost_usd": 1})
    RLMEngine(OpenAIModel("t", chat_server.url, input_price=1, output_price=2), limits={"max_cost_usd": 1})
    assert chat_server.requests == []


@pytest.mark.parametrize(
    ("message", "becomes"),
    [
        ({"content": None}, Completion("", finish="stop")),
        ({"content": ""}, Completion("", finish="stop")),
        ({}, Completion("", finish="stop")),
        ({"content": None, "refusal": "I will not."}, Completion("I will not.", finish="refusal")),
        ({"content": "No.", "reasoning_content": "Why?"}, Completion("No.", finish="stop", thoughts="Why?")),
        ({"content": None, "reasoning": "Why?"}, Completion("", finish="stop", thoughts="Why?")),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Why?"}]},
                    {"type": "text", "text": "an"},
                    {"text": "swer"},
                ]
            },
            Completion("answer", finish="stop", thoughts="Why?"),
        ),
    ],
)
def test_a_reply_without_plain_content_gives_what_text_it_has(
    chat_server: Any, ask: Any, message: dict[str, Any], becomes: Completion
) -> None:
    answer = chat_server.completion(None, usage=None)
    answer["choices"][0]["message"] = {"role": "assistant", **message}
    chat_server.will_answer(answer)
    assert ask(OpenAIModel("t", chat_server.url)) == replace(becomes, model="tiny-2")


@pytest.mark.parametrize(
    ("said", "finish"),
    [("length", "length"), ("tool_calls", "stop"), ("content_filter", "content_filter"), (None, None), ("new", None)],
)
def test_how_a_reply_ended(chat_server: Any, ask: Any, said: str | None, finish: str | None) -> None:
    answer = chat_server.completion("It is")
    answer["choices"][0]["finish_reason"] = said
    chat_server.will_answer(answer)
    assert ask(OpenAIModel("t", chat_server.url)).finish == finish


def test_a_busy_server_is_asked_again(chat_server: Any, ask: Any) -> None:
    chat_server.will_answer(
        chat_server.error(429, "slow down"), chat_server.error(503, "soon"), chat_server.completion("ok")
    )
    assert ask(OpenAIModel("t", chat_server.url, max_retries=2)).text == "ok"
    assert len(chat_server.requests) == 3


def test_the_sdks_errors_pass_through_unchanged(chat_server: Any, ask: Any) -> None:
    chat_server.will_answer(chat_server.error(500, "broken inside"))
    with pytest.raises(openai.InternalServerError, match="broken inside"):
        ask(OpenAIModel("t", chat_server.url, max_retries=1))
    assert len(chat_server.requests) == 2
    chat_server.will_answer(chat_server.error(401, "who are you"))
    with pytest.raises(openai.AuthenticationError, match="who are you"):
        ask(OpenAIModel("t", chat_server.url))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(openai.APIConnectionError):
            ask(OpenAIModel("t", nobody, max_retries=0))


@pytest.mark.parametrize(
    "body", ["<html>a proxy's page</html>", '{"error": {"message": "overloaded"}}', '{"choices": []}', '["list"]']
)
def test_a_reply_that_is_no_chat_completion_is_quoted_with_the_remedy(chat_server: Any, ask: Any, body: str) -> None:
    kind = "text/html" if body.startswith("<") else "application/json"
    chat_server.will_answer(lambda handler: chat_server.send(handler, 200, body, kind))
    with pytest.raises(RLMError, match=r"did not reply with a chat completion.*check base_url"):
        ask(OpenAIModel("t", chat_server.url))


def test_a_body_that_is_no_json_is_an_error_not_an_empty_reply(chat_server: Any, ask: Any) -> None:
    chat_server.will_answer(lambda handler: chat_server.send(handler, 200, '{"choices": [{"mess'))
    with pytest.raises((ValueError, openai.OpenAIError)):
        ask(OpenAIModel("t", chat_server.url, max_retries=0))


def test_a_request_that_takes_too_long_is_the_sdks_timeout(chat_server: Any, ask: Any) -> None:
    release = threading.Event()
    chat_server.will_answer(lambda handler: release.wait(10) and None)
    try:
        with pytest.raises(openai.APITimeoutError):
            ask(OpenAIModel("t", chat_server.url, timeout_s=0.1, max_retries=0))
    finally:
        release.set()


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


def test_without_a_key_the_error_names_both_ways_to_give_one() -> None:
    for base_url in (None, "https://api.example.com/v1"):
        with pytest.raises(InvalidArgumentError, match=r"api_key: none given, and OPENAI_API_KEY is not set") as raised:
            OpenAIModel("gpt-5", base_url)
        assert str(raised.value).endswith(f" needs one: pass api_key=..., {KEY_REMEDY}")


def test_the_environment_gives_key_and_server(chat_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chat_server.will_answer(chat_server.completion("ok"))
    monkeypatch.setenv("OPENAI_API_KEY", "from-env")
    monkeypatch.setenv("OPENAI_BASE_URL", chat_server.url)
    assert OpenAIModel("t").complete_sync(ASKED).text == "ok"
    assert chat_server.headers[0]["authorization"] == "Bearer from-env"


def test_white_space_around_key_and_url_is_no_part_of_them(chat_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chat_server.will_answer(chat_server.completion("ok"))
    given = OpenAIModel(
        "t", f" {chat_server.url}/chat/completions/\n", "\tsk-demo\r\n", extra_headers={"X-Team": "a\n"}
    )
    assert given.complete_sync(ASKED).text == "ok"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-demo\n")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{chat_server.url}\n")
    assert OpenAIModel("t", " ", "\n").complete_sync(ASKED).text == "ok"
    assert [headers["authorization"] for headers in chat_server.headers] == ["Bearer sk-demo"] * 2
    assert chat_server.headers[0]["x-team"] == "a"


def test_an_empty_url_in_the_environment_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", " ")
    model = OpenAIModel("t", api_key="sk-demo")
    assert model.base_url is None
    assert str(openai.OpenAI(**model._client).base_url) == "https://api.openai.com/v1/"


@pytest.mark.parametrize(
    ("arguments", "environment", "problem"),
    [
        ({"api_key": "sk-de\nmo"}, {}, "api_key: holds a line break at place 6 of 8"),
        ({"api_key": "\ufeffsk-demo"}, {}, r"api_key: holds the character U\+FEFF"),
        ({"api_key": "sk-dem\u043e"}, {}, r"api_key: holds the character U\+043E"),
        ({"api_key": 7}, {}, "api_key: int given"),
        ({}, {"OPENAI_API_KEY": "a\nb"}, "OPENAI_API_KEY: holds a line break"),
        ({"base_url": "http://local\nhost:1/v1"}, {}, "base_url: holds a line break"),
        ({"base_url": "http://localhost:1/v1\u200b"}, {}, r"base_url: holds the character U\+200B"),
        ({"base_url": "localhost:8000/v1"}, {}, "base_url: 'localhost:8000/v1' is no URL"),
        ({}, {"OPENAI_BASE_URL": "\x00http://localhost/v1"}, r"OPENAI_BASE_URL: holds the character U\+0000"),
        ({"extra_headers": {"X-Team": "a\nb"}}, {}, r"extra_headers\['X-Team'\]: holds a line break"),
    ],
)
def test_what_no_request_can_hold_is_named_and_a_key_not_shown(
    arguments: dict[str, Any], environment: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", environment)
    with pytest.raises(InvalidArgumentError, match=problem) as caught:
        OpenAIModel("t", **({"base_url": "http://localhost:1/v1"} | arguments if not environment else arguments))
    assert "sk-de" not in str(caught.value)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://localhost:8000/v1",
        "http://[::1]:1/v1",
        "http://192.168.1.7:11434/v1",
        "http://vllm:8000/v1",
        "http://nas.local/v1",
    ],
)
def test_a_server_nearby_needs_no_key(base_url: str) -> None:
    assert OpenAIModel("t", base_url).base_url == base_url


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"model": ""}, "model: is empty"),
        ({"model": "t", "input_price": 1.0}, "output_price: missing"),
        ({"model": "t", "output_price": 1.0}, "input_price: missing"),
        ({"model": "t", "input_price": -1.0, "output_price": 1.0}, "negative"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match=problem):
        OpenAIModel(**arguments, base_url="http://localhost:1/v1")


def test_without_the_sdk_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['openai'] = None\n"
        "from rlm_integrations.core.errors import MissingExtraError\n"
        "try: import rlm_integrations.openai\n"
        "except MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "rlm-integrations[openai]"' in done.stdout


def test_the_first_call_imports_nothing_of_the_sdk_on_the_callers_loop() -> None:
    code = "import sys, rlm_integrations.openai; print('openai.resources.chat.completions' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
