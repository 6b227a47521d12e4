"""Replies that servers cut, withheld, refused or left empty, in every face."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations import RunError
from rlm_integrations.openai import OpenAIModel

DONE = "```repl\nFINAL('settled')\n```"
SHORT = "branch 3 open, branch 9 open, branch 12 open"


async def test_a_plain_reply_that_was_cut_is_no_answer(server: Any, face: Any, reply: Any) -> None:
    cut = reply("The open entries are those of branch 3, branch 9 and", "length")
    server.respond = lambda messages, number: cut if number == 1 else DONE
    answered = await face.ask(context=SHORT)
    assert answered.text == "settled"
    assert "the reply was cut at the model's limit of output tokens" in server.requests[1][-1]["content"]
    assert [iteration.call.finish for iteration in answered.trace.iterations] == ["length", "stop"]


async def test_at_a_limit_a_reply_that_was_cut_is_none_either(server: Any, face: Any, reply: Any) -> None:
    server.respond = lambda messages, number: reply("The open entries are", "length")
    with pytest.raises(RunError, match=r"gave no answer .the reply was cut at the model's limit"):
        await face.ask(max_iterations=2)


async def test_closed_blocks_of_a_reply_that_was_cut_run(server: Any, face: Any, reply: Any) -> None:
    cut = reply("```repl\nprint(6 * 7)\n```\n```repl\nFINAL('half", "length")
    server.respond = lambda messages, number: cut if number == 1 else DONE
    answered = await face.ask()
    [first, _] = answered.trace.iterations
    assert first.execution.blocks == ["print(6 * 7)"]
    assert "42" in first.observation
    assert answered.text == "settled"


async def test_a_root_lm_whose_tokens_all_go_into_reasoning_fails_with_the_remedy(
    server: Any, face: Any, reply: Any
) -> None:
    thoughts = "First I consider " * 300
    server.respond = lambda messages, number: reply(None, "length", reasoning_content=thoughts)
    with pytest.raises(RunError, match=r"twice in a row with nothing: .*raise max_tokens") as failed:
        await face.ask()
    if face.name != "langchain":  # ChatOpenAI drops what was thought
        assert "reasoning" in str(failed.value)
        assert failed.value.result.trace.iterations[0].call.thoughts == thoughts


async def test_a_root_lm_that_refuses_fails_the_run_with_its_words(server: Any, face: Any, reply: Any) -> None:
    server.respond = lambda messages, number: reply(None, refusal="I cannot help with this document.")
    with pytest.raises(RunError, match=r"the model refused: 'I cannot help with this document\.'"):
        await face.ask(context=SHORT)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("ended", "message", "words", "requests"),
    [
        ("length", {"content": None, "reasoning_content": "hm " * 900}, "raise max_tokens", 1),
        ("length", {"content": "One of"}, "the reply was cut at the model's limit of output tokens", 1),
        ("content_filter", {"content": None}, "a content filter withheld the reply", 1),
        ("stop", {"content": None, "refusal": "No."}, "the model refused: 'No.'", 1),
        ("stop", {"content": ""}, "the reply is empty", 2),
    ],
)
async def test_a_sub_call_without_a_whole_reply_has_failed(
    server: Any, face: Any, reply: Any, ended: str, message: dict[str, Any], words: str, requests: int
) -> None:
    def respond(messages: list[dict[str, Any]], number: int) -> Any:
        if messages[-1]["content"] == "a":
            return reply(finish=ended, **message)
        return "whole" if messages[-1]["content"] == "b" else DONE if number > 2 else code

    code = "```repl\nprint(llm_query_batched(['a', 'b']))\n```"
    server.respond = respond
    answered = await face.ask(max_concurrency=1)
    shown = answered.trace.iterations[0].observation
    assert "1 of 2 sub-calls failed, at index 0 (" in shown
    assert words in shown
    assert "'whole'" in shown
    calls = [call for call in answered.trace.iterations[0].execution.sub_calls if call.prompt == "a"]
    assert [bool(call.error) for call in calls] == [True] * requests
    assert calls[0].reply == (message["content"] or message.get("refusal") or "")


async def test_an_empty_reply_of_the_root_lm_is_asked_for_again(server: Any, face: Any) -> None:
    server.respond = lambda messages, number: "" if number == 1 else DONE
    assert (await face.ask()).text == "settled"


async def test_a_completion_without_a_choice_fails_the_run_with_a_remedy(server: Any, face: Any, reply: Any) -> None:
    server.respond = lambda messages, number: {**reply("?"), "choices": []}
    with pytest.raises(RunError, match=r"(no choices|did not reply with a chat completion).*the base URL|base_url"):
        await face.ask()


@pytest.mark.parametrize("index", [0, 1])
async def test_whichever_choice_comes_is_the_reply(server: Any, face: Any, reply: Any, index: int) -> None:
    body = reply(DONE)
    body["choices"][0]["index"] = index
    server.respond = lambda messages, number: body
    assert (await face.ask()).text == "settled"


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def sync(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture(params=["openai", "langchain"])  # LlamaIndex's own `chat` never asks for a stream
def streaming_face(request: pytest.FixtureRequest, sync: bool, open_face: Any) -> Any:
    """A face that asks its server for streams."""
    face = open_face(request.param, sync)
    if request.param == "openai":
        face.model = OpenAIModel("m", face.model.base_url, max_retries=0, extra_body={"stream": True})
    else:
        face.model.streaming = True
    return face


@pytest.mark.parametrize("index", [0, 1])
async def test_a_streamed_reply_is_read(server: Any, streaming_face: Any, streamed: Any, index: int) -> None:
    server.respond = lambda messages, number: streamed((DONE[:20], DONE[20:]), index=index)
    assert (await streaming_face.ask()).text == "settled"


async def test_a_stream_that_breaks_off_is_no_whole_reply(server: Any, streaming_face: Any, streamed: Any) -> None:
    half = streamed(("The open entries are those of branch 3", " and"), finish=None)
    server.respond = lambda messages, number: half if number == 1 else streamed((DONE,))
    answered = await streaming_face.ask(context=SHORT)
    assert answered.text == "settled"
    assert [iteration.call.finish for iteration in answered.trace.iterations] == ["error", "stop"]
    assert "broke off" in server.requests[1][-1]["content"]


async def test_a_server_whose_streams_never_say_how_they_end_fails_the_run_with_the_remedy(
    server: Any, streaming_face: Any, streamed: Any
) -> None:
    server.respond = lambda messages, number: streamed(("Branch 3.",), finish=None)
    with pytest.raises(RunError, match=r"ended its stream with no finish_reason and no usage .*without streaming"):
        await streaming_face.ask(context=SHORT)


async def test_a_stream_without_a_choice_fails_the_run_with_the_cause(
    server: Any, streaming_face: Any, streamed: Any
) -> None:
    server.respond = lambda messages, number: streamed((), finish=None, hollow=3)
    with pytest.raises(RunError, match=r"ended its stream with no finish_reason|check base_url"):
        await streaming_face.ask()


async def test_a_stream_of_nothing_fails_the_run_with_a_remedy(server: Any, streaming_face: Any, streamed: Any) -> None:
    server.respond = lambda messages, number: streamed((), finish=None)
    with pytest.raises(RunError, match=r"the base URL, which|check base_url"):
        await streaming_face.ask()
