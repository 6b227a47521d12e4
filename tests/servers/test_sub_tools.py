"""Tools of the sub-LMs over a server that is strict about calls, by all three faces."""

from __future__ import annotations

import asyncio
import json
from typing import Any

ROOT = '```repl\nanswer["content"] = llm_query("What is the rent of plots 7 and 8?")\nanswer["ready"] = True\n```'


def rent(plot: int, year: int = 2020) -> dict[str, int]:
    """The rent of a plot, in pounds."""
    return {"plot": plot, "pounds": plot * 10}


async def read_page(page: int) -> str:
    """Reads a page."""
    await asyncio.sleep(0)
    return "word " * 20_000


def call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def wrong_in(body: dict[str, Any]) -> str:
    """What a strict server has against a request: each call is answered at once, and its arguments can be read."""
    waited_for: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waited_for:
                return f"no call {message.get('tool_call_id')!r} waits for a result"
            if not message["content"]:
                return "the result is empty"
            waited_for.remove(message["tool_call_id"])
            continue
        if waited_for:
            return f"the calls {waited_for} have no results"
        for made in message.get("tool_calls") or ():
            if not isinstance(json.loads(made["function"]["arguments"]), dict):
                return "the arguments are no object"
            waited_for.append(made["id"])
    if any(message["role"] == "tool" for message in body["messages"]) and not body.get("tools"):
        return "there are results of tools, and no tools"
    return ""


def serve(server: Any, reply: Any, refused: Any, replies: list[Any]) -> None:
    """The first request is the root LM's; the replies are those of the sub-LM."""

    def respond(messages: list[dict[str, Any]], number: int) -> Any:
        if wrong := wrong_in(server.bodies[number - 1]):
            return refused(wrong)
        if number == 1:
            return ROOT
        said = replies[min(number - 2, len(replies) - 1)]
        return reply(None, "tool_calls", tool_calls=said) if isinstance(said, list) else said

    server.respond = respond


async def test_calls_and_results_are_sent_as_the_api_has_them(server: Any, face: Any, reply: Any, refused: Any) -> None:
    both = [call("a", "rent", '{"plot": 7}'), call("b", "rent", '{"plot": 8}')]
    serve(server, reply, refused, [both, [call("c", "rent", '{"plot": 9}')], "150 pounds"])
    answered = await face.ask(sub_tools=[rent])
    assert answered.text == "150 pounds"
    root, first, second, third = server.bodies
    assert "tools" not in root
    for body in (first, second, third):
        [offered] = body["tools"]
        assert (offered["function"]["name"], offered["function"]["description"]) == (
            "rent",
            "The rent of a plot, in pounds.",
        )
        assert offered["function"]["parameters"]["required"] == ["plot"]
    *_, asked, one, other = second["messages"]
    assert [(made["id"], made["function"]["name"]) for made in asked["tool_calls"]] == [("a", "rent"), ("b", "rent")]
    assert (one["tool_call_id"], one["content"]) == ("a", '{"plot": 7, "pounds": 70}')
    assert (other["tool_call_id"], other["content"]) == ("b", '{"plot": 8, "pounds": 80}')
    assert third["messages"][: len(second["messages"])] == second["messages"]
    trace = answered.trace
    [sub_call] = trace.executions[0].sub_calls
    assert (sub_call.requests, len(sub_call.tool_calls), trace.sub_call_count) == (3, 3, 3)
    assert trace.usage.total_tokens == 4 * 110
    assert "  - `rent`: The rent of a plot, in pounds.\n" in root["messages"][0]["content"]


async def test_arguments_that_cannot_be_read_are_told_and_not_sent_again(
    server: Any, face: Any, reply: Any, refused: Any
) -> None:
    serve(server, reply, refused, [[call("a", "rent", '{"plot": ')], "sorry"])
    assert (await face.ask(sub_tools=[rent])).text == "sorry"
    told = server.requests[-1][-1]
    assert told["tool_call_id"] == "a"
    assert "the arguments are no JSON object" in told["content"]


async def test_calls_without_an_id_are_given_one(server: Any, face: Any, reply: Any, refused: Any) -> None:
    serve(server, reply, refused, [[call("", "rent", '{"plot": 7}')], "70"])
    assert (await face.ask(sub_tools=[rent])).text == "70"
    assert server.requests[-1][-1]["tool_call_id"]


async def test_a_sub_lm_that_calls_for_ever_is_asked_without_tools_in_the_end(
    server: Any, face: Any, reply: Any, refused: Any
) -> None:
    calls = [[call(f"c{n}", "read_page", '{"page": 1}')] for n in range(2)]
    serve(server, reply, refused, [*calls, "enough"])
    answered = await face.ask(sub_tools=[read_page], max_tool_rounds=2)
    assert answered.text == "enough"
    last = server.bodies[-1]
    assert "tools" not in last
    assert not any(message["role"] == "tool" for message in last["messages"])
    content = last["messages"][-1]["content"]
    assert content.startswith("What is the rent of plots 7 and 8?")
    assert content.endswith(
        "No tool can be called any more: you had 2 rounds of calls, and no more are given. "
        "Reply to the task now, with what you have."
    )
    assert content.count("word word") > 1_000
    assert len(answered.trace.model_dump_json()) < 100_000


async def test_a_server_whose_model_takes_no_tools_fails_the_call_with_its_words(
    server: Any, face: Any, refused: Any
) -> None:
    code = 'try:\n    llm_query("?")\nexcept Exception as e:\n    answer["content"] = str(e)\nanswer["ready"] = True'
    server.respond = lambda messages, number: (
        f"```repl\n{code}\n```" if number == 1 else refused("m does not support tools")
    )
    assert "m does not support tools" in (await face.ask(sub_tools=[rent])).text
