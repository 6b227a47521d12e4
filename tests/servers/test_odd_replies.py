"""What servers and models are known to send besides plain text, through all three faces."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from rlm_integrations import RLMError

DONE = "```repl\nFINAL('settled')\n```"
GUESS = "```repl\nFINAL('a guess')\n```"
SHORT = "branch 3 open, branch 9 open, branch 12 open"
PYTHON = {"name": "python", "arguments": json.dumps({"code": "FINAL(search('a line', limit=None).total)"})}
TOOL_CALLS = {"tool_calls": [{"id": "1", "type": "function", "function": PYTHON}]}


@pytest.mark.parametrize(
    "thought",
    [
        f"<|channel>thought\n{GUESS}\n<channel|>",
        f"{GUESS}\n<channel|>",
        f"<|START_THINKING|>{GUESS}<|END_THINKING|>",
        f"<THINKING>\n{GUESS}\n</THINKING>\n",
        f"<M2_7think>\n{GUESS}\n</M2_7think>\n",
        f"<think>\n{GUESS}</think>\n",
    ],
)
async def test_what_more_models_think_is_never_run(server: Any, face: Any, thought: str) -> None:
    server.respond = lambda messages, number: thought + DONE
    answered = await face.ask()
    assert answered.text == "settled"
    assert answered.trace.iterations[0].call.thoughts == GUESS


async def test_a_page_that_there_is_not_is_named_without_its_password(
    server: Any, open_face: Any, name: str, refused: Any
) -> None:
    server.respond = lambda messages, number: refused("no such page", 404)
    server.url = server.url.replace("http://", "http://me:secret@").removesuffix("/v1") + "/v2"
    with pytest.raises(RLMError) as raised:
        await open_face(name, True).ask(context=SHORT)
    told = str(raised.value)
    assert re.search(r"404.*\(http://127\.0\.0\.1:\d+/v2/chat/completions\); check the base URL", told)
    assert "secret" not in told


async def test_an_invented_turn_is_no_part_of_an_answer(server: Any, face: Any) -> None:
    beyond = "<|im_end|>\n<|im_start|>user\nAnd the next?<|im_end|>\n<|im_start|>assistant\nIt is 6."
    server.respond = lambda messages, number: f"It is branch 3.{beyond}"
    assert (await face.ask(context=SHORT)).text == "It is branch 3."


@pytest.mark.parametrize("word", ["maxPredictedTokensReached", "max_new_tokens", "upstream_error", "contentFilter"])
async def test_a_reply_that_was_cut_in_other_words_is_no_answer(server: Any, face: Any, reply: Any, word: str) -> None:
    server.respond = lambda messages, number: reply("The branches are 3 and", word) if number == 1 else DONE
    assert (await face.ask(context=SHORT)).text == "settled"


@pytest.mark.parametrize("words", [None, "I will count the lines first."], ids=["alone", "beside words"])
@pytest.mark.parametrize("called", [TOOL_CALLS, {"function_call": PYTHON}], ids=["tool calls", "function call"])
async def test_a_tool_that_the_root_lm_calls_though_none_is_offered_runs_as_code(
    server: Any, face: Any, reply: Any, called: dict[str, Any], words: str | None
) -> None:
    server.respond = lambda messages, number: reply(words, "tool_calls", **called)
    assert (await face.ask(context="a line\n" * 2_000)).text == "2000"


async def test_a_sub_call_that_calls_a_tool_has_failed(server: Any, face: Any, reply: Any) -> None:
    def respond(messages: list[dict[str, Any]], number: int) -> Any:
        if messages[-1]["content"] == "part":
            return reply(None, "tool_calls", **TOOL_CALLS)
        return DONE if number > 1 else "```repl\nprint(llm_query_batched(['part']))\n```"

    server.respond = respond
    assert (await face.ask()).text == "settled"
    assert "the reply is empty: it calls a tool, and no tools are offered" in server.requests[-1][-1]["content"]


@pytest.mark.parametrize(
    "dress",
    [
        '<invoke name="python">\n<parameter name="code">{}</parameter>\n</invoke>',
        "I look at it first.\n\n{}",
        "'''python\n{}\n'''",
        "<pre><code>\n{}\n</code></pre>",
    ],
)
async def test_code_in_more_dresses_is_never_the_answer(server: Any, face: Any, dress: str) -> None:
    server.respond = lambda messages, number: (
        DONE if number > 1 else dress.format("print(search('open', limit=None).total)")
    )
    assert (await face.ask(context=SHORT)).text == "settled"
    assert "\n3\n</output" in server.requests[1][-1]["content"]


async def test_an_answer_made_of_an_invented_output_is_not_taken(server: Any, face: Any) -> None:
    imagined = f"```repl\nprint(search('a line', limit=None).total)\n```\n\nOutput:\n```\n12\n```\n{GUESS}"
    server.respond = lambda messages, number: imagined if number == 1 else DONE
    assert (await face.ask()).text == "settled"
    assert "\n2000\n</output" in server.requests[1][-1]["content"]


@pytest.mark.parametrize(
    "words", ["max_tokens must be at least 1, got -808.", "Prompt exceeds max length", "输入长度超过限制"]
)
async def test_a_prompt_that_is_too_long_in_other_words_is_shortened(
    server: Any, face: Any, refused: Any, words: str
) -> None:
    def respond(messages: list[dict[str, Any]], number: int) -> Any:
        if len(json.dumps(messages)) > 30_000:
            return refused(words)
        return DONE if number > 3 else "```repl\nprint(context[:9_000])\n```"

    server.respond = respond
    assert (await face.ask()).text == "settled"


@pytest.mark.parametrize(
    "words",
    [
        'messages: first message must use the "user" role',
        "messages.0.role: value is not a valid enumeration member; permitted: 'user', 'assistant'",
        "message[0].role value error, must in ['user','assistant','function']",
    ],
)
async def test_a_system_message_that_is_refused_in_other_words_becomes_the_users(
    server: Any, face: Any, refused: Any, words: str
) -> None:
    server.respond = lambda messages, number: refused(words) if messages[0]["role"] == "system" else DONE
    assert (await face.ask()).text == "settled"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "body", [{"error": {"message": "The model is overloaded", "code": 503}}, {"detail": "The model is overloaded"}]
)
async def test_an_error_that_comes_as_a_reply_is_told_in_the_servers_words(
    server: Any, face: Any, body: dict[str, Any]
) -> None:
    server.respond = lambda messages, number: body
    with pytest.raises(RLMError) as failed:
        await face.ask()
    says = "detail" if face.name == "langchain" and "detail" in body else "The model is overloaded"
    assert says in str(failed.value)  # ChatOpenAI names the keys of what came


@pytest.mark.parametrize("name", ["openai", "langchain"])  # LlamaIndex itself refuses parts
@pytest.mark.parametrize(
    "parts",
    [
        [{"type": "reasoning", "text": GUESS}, {"type": "text", "text": DONE}],
        [{"type": "output_text", "text": DONE}],
        [DONE],
    ],
)
async def test_content_in_parts_is_what_they_say(
    server: Any, open_face: Callable[..., Any], reply: Any, name: str, parts: list[Any]
) -> None:
    server.respond = lambda messages, number: reply(parts)
    assert (await open_face(name, True).ask()).text == "settled"


@pytest.mark.parametrize("name", ["openai", "langchain"])
async def test_a_refusal_among_parts_is_one(server: Any, open_face: Callable[..., Any], reply: Any, name: str) -> None:
    server.respond = lambda messages, number: reply([{"type": "refusal", "refusal": "I cannot help."}])
    with pytest.raises(RLMError, match="I cannot help"):
        await open_face(name, True).ask()
