"""Servers that are strict about the messages of a conversation, as chat templates and APIs are, in every face."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate

from rlm_integrations import Message

DONE = "```repl\nFINAL(llm_query('well?'))\n```"
Rule = Callable[[list[dict[str, Any]]], str | None]


def no_system(messages: list[dict[str, Any]]) -> str | None:
    """Gemma's template."""
    return "System role not supported" if any(each["role"] == "system" for each in messages) else None


def system_first(messages: list[dict[str, Any]]) -> str | None:
    """Qwen's template."""
    late = any(each["role"] == "system" for each in messages[1:])
    return "System message must be at the beginning." if late else None


def alternating(messages: list[dict[str, Any]]) -> str | None:
    """Mistral's and Llama's templates: after an optional system message."""
    turns = [each["role"] for each in messages if each["role"] != "system"]
    wanted = ["user" if n % 2 == 0 else "assistant" for n in range(len(turns))]
    return None if turns == wanted else "Conversation roles must alternate user/assistant/user/assistant/..."


def user_last(messages: list[dict[str, Any]]) -> str | None:
    """Anthropic's newer models, and vLLM."""
    return None if messages[-1]["role"] == "user" else "the conversation must end with a user message"


def nothing_empty(messages: list[dict[str, Any]]) -> str | None:
    """Anthropic's API, Bedrock's and Mistral's."""
    empty = any(not (each.get("content") or "").strip() for each in messages)
    return "messages: text content blocks must be non-empty" if empty else None


RULES: list[Rule] = [no_system, system_first, alternating, user_last, nothing_empty]
EVERY_RULE = RULES


class Strict:
    """Refuses what breaks a rule; else the root LM's replies in their order, and "fine" for sub-calls."""

    def __init__(self, refused: Any, rules: list[Rule], *replies: str) -> None:
        self.refused, self.rules, self.replies = refused, rules, list(replies)
        self.refusals = 0

    def __call__(self, messages: list[dict[str, Any]], number: int) -> Any:
        for rule in self.rules:
            if words := rule(messages):
                self.refusals += 1
                return self.refused(words)
        if messages[-1]["content"].endswith("well?"):
            return "fine"
        return self.replies.pop(0)


@pytest.mark.parametrize("rules", [*([rule] for rule in RULES), EVERY_RULE], ids=lambda rules: rules[-1].__name__)
async def test_a_run_with_an_empty_reply_goes_well_on_every_server(
    server: Any, face: Any, refused: Any, rules: list[Rule]
) -> None:
    server.respond = strict = Strict(refused, rules, "", "```repl\nprint(1)\n```", DONE, DONE)
    assert (await face.ask()).text == "fine"
    asked = [request for request in server.requests if not request[-1]["content"].endswith("well?")]
    grown = [request for request in asked if request[0]["role"] == asked[-1][0]["role"]]
    assert all(later[: len(earlier)] == earlier for earlier, later in pairwise(grown))  # so that prompt caches hit
    refusals = strict.refusals
    assert (await face.ask()).text == "fine"
    assert strict.refusals == refusals  # it is remembered
    assert refusals == (no_system in rules)


ENGINE = [
    [Message("system", "You work for the archive."), Message("user", "How many?")],
    [Message("assistant", "Hello, how can I help?"), Message("user", "How many?")],
    [Message("user", "Hello."), Message("user", "How many?"), Message("system", "Be brief.")],
    [Message("user", "How many?"), Message("assistant", ""), Message("assistant", "Let me see.")],
]


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("question", ENGINE)
@pytest.mark.parametrize("rules", [RULES[1:], EVERY_RULE], ids=["system", "no system"])
async def test_conversations_for_the_engine(
    server: Any, open_face: Any, refused: Any, rules: list[Rule], question: list[Message], sync: bool
) -> None:
    server.respond = Strict(refused, rules, "Hm.", DONE)
    answered = await open_face("openai", sync).ask(question)
    assert answered.text == "fine"
    whole = "\n".join(message["content"] for message in server.requests[-2])
    assert all(message.content in whole for message in question)
    if rules is not EVERY_RULE:  # the trace has what was sent
        opening = [(each.role, each.content) for each in answered.trace.opening]
        assert opening == [(each["role"], each["content"]) for each in server.requests[0]]


CALL = AIMessage("", tool_calls=[{"name": "ledger", "args": {"branch": 3}, "id": "1"}])
LANGCHAIN = [
    [SystemMessage("You work for the archive."), HumanMessage("How many?")],
    [AIMessage("Hello, how can I help?"), HumanMessage("How many?")],
    [HumanMessage("How many?"), CALL, ToolMessage("41 open", tool_call_id="1", name="ledger")],
    [HumanMessage("How many?"), AIMessage("Let me see."), SystemMessage("Be brief.")],
    {"messages": [HumanMessage("Hello."), AIMessage(""), HumanMessage("How many?"), CALL]},
]


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("question", LANGCHAIN)
@pytest.mark.parametrize("rules", [RULES[1:], EVERY_RULE], ids=["system", "no system"])
async def test_messages_and_agent_states_for_the_runnable(
    server: Any, open_face: Any, refused: Any, rules: list[Rule], question: Any, sync: bool
) -> None:
    server.respond = Strict(refused, rules, "Hm.", DONE)
    assert (await open_face("langchain", sync).ask(question)).text == "fine"
    whole = "\n".join(message["content"] for message in server.requests[-2])
    messages = question["messages"] if isinstance(question, dict) else question
    assert all(str(message.text) in whole for message in messages)


async def test_a_prompt_with_a_system_message_before_the_runnable(server: Any, open_face: Any, refused: Any) -> None:
    prompt = ChatPromptTemplate([("system", "You work for the archive."), ("human", "{question}")])
    asked = prompt.invoke({"question": "How many?"})
    server.respond = Strict(refused, RULES[1:], DONE)
    assert (await open_face("langchain", True).ask(asked)).text == "fine"
    assert [message["role"] for message in server.requests[0]] == ["system", "user"]
    assert server.requests[0][0]["content"].endswith("\n\nYou work for the archive.")


async def test_the_system_prompt_of_an_llm_whose_server_takes_none(server: Any, open_face: Any, refused: Any) -> None:
    face = open_face("llama_index", True)
    face.model.system_prompt = "Answer in French."
    server.respond = Strict(refused, EVERY_RULE, DONE)
    assert (await face.ask()).text == "fine"
    assert all("Answer in French." in request[0]["content"] for request in server.requests)
