"""Keys, URLs and other arguments of `OpenAIModel`, and what it imports."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import openai
import pytest

from rlm_integrations.core.calls.missing_key import KEY_REMEDY
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Message
from rlm_integrations.openai import OpenAIModel

ASKED = [Message("system", "Be brief."), Message("user", "Well? \x00 {x} 😀")]


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
        ({"model": 5}, "model: int given; pass the name"),
        ({"model": "t", "base_url": 8000}, "base_url: int given; pass a str"),
        ({"model": "t", "max_retries": -1}, "max_retries: -1 given; pass an int of 0 or more"),
        ({"model": "t", "max_retries": None}, "max_retries: None given"),
        ({"model": "t", "timeout_s": 0}, "timeout_s: 0 given; pass seconds above 0, or leave it out"),
        ({"model": "t", "timeout_s": "30"}, "timeout_s: '30' given"),
        ({"model": "t", "timeout_s": math.nan}, "timeout_s: nan given"),
        ({"model": "t", "temperature": "low"}, "temperature: 'low' given; pass a number"),
        ({"model": "t", "max_input_tokens": "32k"}, "max_input_tokens: '32k' given; pass an int of 1 or more"),
        ({"model": "t", "sees_images": "no"}, "sees_images: 'no' given; pass True or False"),
        ({"model": "t", "extra_body": "x"}, "extra_body: str given; pass a dict"),
        ({"model": "t", "extra_headers": ["x"]}, "extra_headers: list given; pass a dict"),
        ({"model": "t", "extra_headers": {"x": 5}}, r"extra_headers\['x'\]: int given; pass a str"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match=problem):
        OpenAIModel(**{"base_url": "http://localhost:1/v1", **arguments})


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
