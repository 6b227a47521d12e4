"""Servers that reply in a stream alone."""

from __future__ import annotations

import contextlib
import json
from http.server import BaseHTTPRequestHandler
from typing import Any

import openai
import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.core.errors import RLMError
from rlm_integrations.core.language_model import Completion
from rlm_integrations.core.usage import Usage
from rlm_integrations.openai import OpenAIModel
from rlm_integrations.testing import ScriptedModel

COUNTS = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
PIECES = [{"role": "assistant", "content": ""}, {"reasoning_content": "hm"}, {"content": "Fi"}, {"content": "ne."}]
REFUSALS = [
    "only stream=true is supported",
    "This model only support stream mode, please enable the stream parameter to access the model.",
    "Stream must be set to true",
    "parameter.enable_thinking must be set to false for non-streaming calls",
    "Non-streaming requests are not supported by this model.",
    "Streaming is required for this model",
    "Streaming is strongly recommended for operations that may take longer than 10 minutes",
    "stream mode is mandatory",
    "stream=false is not allowed",
]


class StreamingServer:
    """Refuses what is not streamed in its own words, and `stream_options` where it knows none."""

    def __init__(self, chat_server: Any, refusal: str = REFUSALS[0], *, knows_options: bool = True) -> None:
        self.chat_server, self.refusal, self.knows_options = chat_server, refusal, knows_options
        self.pieces: list[dict[str, Any]] = PIECES
        chat_server.will_answer(self.answer)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = self.chat_server.requests[-1]
        if not asked.get("stream"):
            self.chat_server.error(400, self.refusal)(handler)
        elif "stream_options" in asked and not self.knows_options:
            self.chat_server.error(422, "extra fields not permitted: stream_options")(handler)
        else:
            self.chat_server.send(handler, 200, events(self.pieces, "stream_options" in asked), "text/event-stream")


def events(pieces: list[dict[str, Any]], with_usage: bool) -> str:
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "tiny-2"}
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": piece, "finish_reason": None}]} for piece in pieces
    ]
    chunks.append({**head, "choices": [{"index": 1, "delta": {"content": "another choice"}, "finish_reason": None}]})
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if with_usage:
        chunks.append({**head, "choices": [], "usage": COUNTS})
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_server_that_only_streams_is_asked_for_a_stream_and_so_from_then_on(
    chat_server: Any, ask: Any, refusal: str
) -> None:
    StreamingServer(chat_server, refusal)
    model = OpenAIModel("tiny", chat_server.url, temperature=0.5)
    whole = Completion("Fine.", Usage(input_tokens=100, output_tokens=20), "tiny-2", "stop", "hm")
    assert ask(model) == whole
    assert ask(model) == whole
    assert [request.get("stream") for request in chat_server.requests] == [None, True, True]
    assert all(request["temperature"] == 0.5 for request in chat_server.requests)


def test_a_server_that_knows_no_stream_options_is_asked_without(chat_server: Any, ask: Any) -> None:
    StreamingServer(chat_server, knows_options=False)
    model = OpenAIModel("tiny", chat_server.url)
    assert ask(model) == Completion("Fine.", Usage(), "tiny-2", "stop", "hm")
    assert ask(model).text == "Fine."
    sent = [(request.get("stream"), "stream_options" in request) for request in chat_server.requests]
    assert sent == [(None, False), (True, True), (True, False), (True, False)]


def test_a_stream_that_nobody_asked_for_is_asked_for(chat_server: Any, ask: Any) -> None:
    chat_server.will_answer(lambda handler: chat_server.send(handler, 200, events(PIECES, True), "text/event-stream"))
    assert ask(OpenAIModel("tiny", chat_server.url)).text == "Fine."
    assert [request.get("stream") for request in chat_server.requests] == [None, True]


def test_extra_body_may_ask_for_a_stream_from_the_start(chat_server: Any, ask: Any) -> None:
    StreamingServer(chat_server)
    assert ask(OpenAIModel("tiny", chat_server.url, extra_body={"stream": True})).text == "Fine."
    assert len(chat_server.requests) == 1


def test_content_in_parts_is_put_together(chat_server: Any, ask: Any) -> None:
    StreamingServer(chat_server).pieces = [
        {"content": "a"},
        {"content": [{"type": "text", "text": "nsw"}]},
        {"content": "er"},
    ]
    assert ask(OpenAIModel("tiny", chat_server.url)).text == "answer"


def test_a_stream_of_nothing_is_no_reply(chat_server: Any, ask: Any) -> None:
    chat_server.will_answer(lambda handler: chat_server.send(handler, 200, "data: [DONE]\n\n", "text/event-stream"))
    with pytest.raises(RLMError, match="did not reply with a chat completion"):
        ask(OpenAIModel("tiny", chat_server.url))


@pytest.mark.parametrize(
    "words", ["upstream only answers members", "no such model", "the downstream must be set", "stream closed"]
)
def test_other_refusals_are_not_asked_again(chat_server: Any, ask: Any, words: str) -> None:
    chat_server.will_answer(chat_server.error(400, words))
    with pytest.raises(openai.BadRequestError, match=words):
        ask(OpenAIModel("tiny", chat_server.url))
    assert len(chat_server.requests) == 1


def test_an_error_amid_a_stream_passes_through(chat_server: Any, ask: Any) -> None:
    broken = events(PIECES[:2], False).split("data: [DONE]")[0] + 'data: {"error": {"message": "overloaded"}}\n\n'
    chat_server.will_answer(lambda handler: chat_server.send(handler, 200, broken, "text/event-stream"))
    with pytest.raises(openai.APIError, match="overloaded"):
        ask(OpenAIModel("tiny", chat_server.url, extra_body={"stream": True}, max_retries=0))


def test_a_run_with_sub_calls_side_by_side_goes_on_as_with_any_server(chat_server: Any) -> None:
    server = StreamingServer(chat_server)
    sub, root = OpenAIModel("tiny", chat_server.url), OpenAIModel("tiny", chat_server.url)
    code = "FINAL(llm_query_batched(['a'] * 9))"
    server.pieces = [{"content": f"```repl\n{code}\n```"}]
    result = RLMEngine(root, sub_llm=sub).run("?", "line\n" * 9_000)
    assert json.loads(result.text) == [f"```repl\n{code}\n```"] * 9
    assert result.usage.input_tokens == 10 * 100
    assert result.trace.warnings == []


def test_calls_of_tools_are_put_together(chat_server: Any, ask: Any) -> None:
    server = StreamingServer(chat_server)
    calls = [
        {"index": 0, "id": "1", "type": "function", "function": {"name": "python", "arguments": '{"code": '}},
        {"index": 1, "id": "2", "type": "function", "function": {"name": "python", "arguments": ""}},
        {"index": 0, "function": {"arguments": '"FINAL(1)"}'}},
        {"index": 1, "function": {"arguments": '{"code": "x"}'}},
    ]
    server.pieces = [{"role": "assistant", "content": None}, *({"tool_calls": [call]} for call in calls)]
    reply = ask(OpenAIModel("m", chat_server.url))
    assert (reply.text, [(call.id, call.name, call.arguments) for call in reply.tool_calls]) == (
        "",
        [("1", "python", '{"code": "FINAL(1)"}'), ("2", "python", '{"code": "x"}')],
    )


def test_calls_that_are_streamed_are_answered_by_their_ids(chat_server: Any) -> None:
    def rent(plot: int) -> str:
        return f"{plot * 10} pounds"

    server, asked = StreamingServer(chat_server), chat_server.requests
    first = {"index": 0, "id": "a", "type": "function", "function": {"name": "rent", "arguments": '{"plo'}}
    calls = [{"tool_calls": [first]}, {"tool_calls": [{"index": 0, "function": {"arguments": 't": 7}'}}]}]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        *_, last = asked[-1]["messages"]
        server.pieces = [{"content": last["content"]}] if last["role"] == "tool" else calls
        server.answer(handler)

    chat_server.will_answer(answer)
    root = ScriptedModel(["```repl\nanswer['content'] = llm_query('?')\nanswer['ready'] = True\n```"])
    engine = RLMEngine(root, sub_llm=OpenAIModel("tiny", chat_server.url), sub_tools=[rent])
    assert engine.run("?", "t " * 9_000).answer == "70 pounds"
    *_, called, result = asked[-1]["messages"]
    assert (called["tool_calls"][0]["id"], result["tool_call_id"]) == ("a", "a")
    assert json.loads(called["tool_calls"][0]["function"]["arguments"]) == {"plot": 7}


@pytest.mark.parametrize("with_done", [True, False])
def test_a_stream_that_breaks_off_is_no_whole_reply(chat_server: Any, ask: Any, with_done: bool) -> None:
    whole = events(PIECES, with_usage=False).split("\n\n")
    broken = "\n\n".join([*whole[: len(PIECES)], *(["data: [DONE]"] if with_done else []), ""])
    chat_server.will_answer(lambda handler: chat_server.send(handler, 200, broken, "text/event-stream"))
    reply = ask(OpenAIModel("tiny", chat_server.url, max_retries=0, extra_body={"stream": True}))
    assert (reply.text, reply.finish) == ("Fine.", "error")


def test_a_stream_that_ends_with_the_whole_message_says_it_once(chat_server: Any, ask: Any) -> None:
    last = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "tiny-2"}
    last |= {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Fine."}, "finish_reason": "stop"}]}
    for pieces in (PIECES, []):
        said = events(pieces, with_usage=True).replace("data: [DONE]", f"data: {json.dumps(last)}\n\ndata: [DONE]")
        chat_server.will_answer(lambda handler, said=said: chat_server.send(handler, 200, said, "text/event-stream"))
        reply = ask(OpenAIModel("tiny", chat_server.url, max_retries=0, extra_body={"stream": True}))
        assert (reply.text, reply.finish) == ("Fine.", "stop")


def test_a_server_that_counts_its_choices_from_one_is_read(chat_server: Any, ask: Any) -> None:
    said = events(PIECES, with_usage=True).replace('"index": 1', '"index": 2').replace('"index": 0', '"index": 1')
    chat_server.will_answer(lambda handler: chat_server.send(handler, 200, said, "text/event-stream"))
    reply = ask(OpenAIModel("tiny", chat_server.url, max_retries=0, extra_body={"stream": True}))
    assert (reply.text, reply.finish) == ("Fine.", "stop")


def test_a_stream_without_an_end_is_ended(chat_server: Any, ask: Any) -> None:
    chunk = events([{"content": "again and " * 10_000}], with_usage=False).partition("\n\n")[0]
    sent = 0

    def answer(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        with contextlib.suppress(OSError):  # the client hangs up
            while sent < 1_000:
                sent += 1
                handler.wfile.write(f"{chunk}\n\n".encode())
        handler.close_connection = True

    chat_server.will_answer(answer)
    with pytest.raises(RLMError, match=r"the stream was ended at 10,\d{3},\d{3} characters, .* set max_tokens"):
        ask(OpenAIModel("tiny", chat_server.url, max_retries=0, extra_body={"stream": True}))
    assert sent < 1_000
