"""Calls of an OpenAI-compatible server: what goes out, what comes back, and what fails."""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import replace
from typing import Any

import openai
import pytest

from rlm_integrations import RLMEngine
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
