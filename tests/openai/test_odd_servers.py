"""How servers that speak OpenAI's API differ: in the pieces of streamed calls, in what they count, in how they fail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rlm_integrations.core.usage import Usage
from rlm_integrations.openai import OpenAIModel

ONE, TWO = '{"code": "print(1)"}', '{"code": "print(2)"}'


def function(arguments: object, name: str | None = "python") -> dict[str, object]:
    return {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}


def streamed(*choices: dict[str, Any], **of_the_last: Any) -> str:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "tiny"}
    chunks = [{**head, "choices": [{"index": 0, **choice}]} for choice in choices]
    chunks[-1] |= of_the_last
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


def asked(chat_server: Any, ask: Any, events: str) -> Any:
    chat_server.will_answer(lambda handler: chat_server.send(handler, 200, events, "text/event-stream"))
    return ask(OpenAIModel("tiny", chat_server.url, max_retries=0, extra_body={"stream": True}))


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        ([{"index": 0, "id": n, "function": function(code)} for n, code in (("a", ONE), ("b", TWO))], [ONE, TWO]),
        ([{"id": n, "function": function(code)} for n, code in (("a", ONE), ("b", TWO))], [ONE, TWO]),
        ([{"index": 0, "function": function(code)} for code in (ONE, TWO)], [ONE, TWO]),
        ([{"index": 0, "id": "a", "function": function(piece)} for piece in (ONE[:9], ONE[9:])], [ONE]),
        ([{"index": 0, "id": "a", "function": function(ONE[:9])}, {"index": 0, "function": function(ONE[9:])}], [ONE]),
        (
            [
                {"index": 0, "id": "a", "function": function(ONE[:9])},
                {"index": 0, "id": "b", "function": function(ONE[9:], None)},
            ],
            [ONE],
        ),
        ([{"index": 0, "id": "a", "function": function(json.loads(ONE))}], [ONE]),
    ],
    ids=[
        "all have one index",
        "none has an index",
        "one index and no ids",
        "the name with each piece",
        "the name with each piece, the id with the first",
        "an id of its own for each piece",
        "arguments as an object",
    ],
)
def test_streamed_calls_are_told_apart_and_put_together_whatever_numbers_them(
    chat_server: Any, ask: Any, pieces: list[dict[str, Any]], calls: list[str]
) -> None:
    choices = [{"delta": {"tool_calls": [piece]}} for piece in pieces]
    reply = asked(chat_server, ask, streamed(*choices, {"delta": {}, "finish_reason": "tool_calls"}))
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("python", code) for code in calls]
    assert len({call.id for call in reply.tool_calls}) == len(calls)


def test_a_stream_that_was_cut_stays_so_whatever_ends_it(chat_server: Any, ask: Any) -> None:
    cut = {"delta": {"content": "It is"}, "finish_reason": "length"}
    assert asked(chat_server, ask, streamed(cut, {"delta": {}, "finish_reason": "stop"})).finish == "length"


def test_usage_beside_a_stream_is_read(chat_server: Any, ask: Any) -> None:
    said = {"delta": {"content": "It is 5."}, "finish_reason": "stop"}
    reply = asked(chat_server, ask, streamed(said, x_groq={"usage": {"prompt_tokens": 9, "completion_tokens": 4}}))
    assert reply.usage == Usage(input_tokens=9, output_tokens=4)


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ({"input_tokens": 9, "output_tokens": 4}, Usage(input_tokens=9, output_tokens=4)),
        ({"prompt_tokens": 9.0, "completion_tokens": 4.0}, Usage(input_tokens=9, output_tokens=4)),
        (
            {"prompt_tokens": 9, "completion_tokens": 4, "prompt_cache_hit_tokens": 8},
            Usage(input_tokens=9, output_tokens=4, cached_tokens=8),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 4, "cached_tokens": 8},
            Usage(input_tokens=9, output_tokens=4, cached_tokens=8),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "total_tokens": 113,
                "completion_tokens_details": {"reasoning_tokens": 100},
            },
            Usage(input_tokens=9, output_tokens=104, reasoning_tokens=100),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 104,
                "total_tokens": 113,
                "completion_tokens_details": {"reasoning_tokens": 100},
            },
            Usage(input_tokens=9, output_tokens=104, reasoning_tokens=100),
        ),
    ],
)
def test_tokens_are_counted_wherever_a_server_says_them(
    chat_server: Any, ask: Any, said: dict[str, Any], usage: Usage
) -> None:
    chat_server.will_answer(chat_server.completion("It is 5.", usage=said))
    assert ask(OpenAIModel("tiny", chat_server.url)).usage == usage


def test_a_reply_with_an_error_of_its_provider_beside_it_broke_off(chat_server: Any, ask: Any) -> None:
    answer = chat_server.completion("It is")
    answer["choices"][0]["error"] = {"code": 502, "message": "the provider went away"}
    chat_server.will_answer(answer)
    assert ask(OpenAIModel("tiny", chat_server.url)).finish == "error"
