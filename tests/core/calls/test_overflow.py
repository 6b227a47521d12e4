"""Prompts that a model refuses as too long, as servers and SDKs say it."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest
from langchain_core import exceptions

from rlm_integrations import RLMEngine
from rlm_integrations.core.calls.overflow import is_overflow
from rlm_integrations.testing import ScriptedModel

# Older versions of LangChain have none.
ContextOverflowError = getattr(exceptions, "ContextOverflowError", type("ContextOverflowError", (Exception,), {}))

OVERFLOWS = [
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.",
    "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
    "You passed 9000 input tokens. However, the model's context length is only 8192 tokens.",
    "the request exceeds the available context size (4096 tokens), try increasing it",
    "input is too large to process. increase the physical batch size",
    "the input length exceeds the context length",
    "prompt too long; exceeded max context length by 3 tokens",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "ValidationException: Input is too long for requested model.",
    "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000",
    "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
    "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
    "The total length of all messages is too long.",
    "Range of input length should be [1, 30720]",
    "Your request exceeded model token limit: 262144 (requested: 270000)",
    "total message size 140000 exceeds limit 131072",
    "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000",
    "Request prompt has 9001 tokens, which exceeds the max 8192 tokens",
    "prompt has 9000 tokens, but n_ctx is 4096",
    "context shift is disabled",
    "max_tokens must be at least 1, got -808.",
    "413 Request Entity Too Large",
    "Input prompt (9000 tokens) is too long and exceeds limit of 8192",
    "Invalid 'messages[1].content': string too long. Expected a string with maximum length 1048576",
    "Prompt exceeds max length",
    "The request is too large for the model. Number of tokens (9000) exceeds 8192",
    "prompt token count of 70000 exceeds the limit of 64000",
    "Prompt tokens limit exceeded: 40000 > 32000",
    "Malformed input request: expected maxLength: 400000, actual: 500000, please reformat your input and try again.",
    "the prompt exceeds the model's context",
    "输入长度超过限制",
    "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length "
    "of only 4096 tokens",
]


class RefusedError(Exception):
    """An SDK's error, as far as it can be told from outside."""

    def __init__(self, words: str, **attributes: Any) -> None:
        super().__init__(words)
        vars(self).update(attributes)


class ContextWindowExceededError(Exception):
    pass


def from_openai(status: int, body: dict[str, Any]) -> openai.APIStatusError:
    response = httpx.Response(status, json={"error": body}, request=httpx.Request("POST", "http://localhost/v1"))
    return openai.OpenAI(api_key="k", base_url="http://localhost/v1")._make_status_error_from_response(response)


@pytest.mark.parametrize("words", OVERFLOWS)
@pytest.mark.parametrize("status", [None, 400, 500])
def test_the_wordings_of_servers_are_known(words: str, status: int | None) -> None:
    assert is_overflow(RefusedError(words, status_code=status))
    assert is_overflow(from_openai(status or 400, {"message": words, "code": None}))


@pytest.mark.parametrize(
    "error",
    [
        from_openai(400, {"message": "no.", "code": "context_length_exceeded"}),
        from_openai(400, {"message": "no.", "type": "exceed_context_size_error", "code": 400}),
        from_openai(413, {"message": "no."}),
        from_openai(400, {"message": "no.", "code": "model_max_prompt_tokens_exceeded"}),
        RefusedError("no.", status_code=413),
        RefusedError("no.", response=RefusedError("", status_code=413)),
        RefusedError("no.", body={"error": {"type": "request_too_large"}}),
        ContextOverflowError("no."),
        ContextWindowExceededError("no."),
    ],
)
def test_types_codes_and_statuses_are_enough(error: Exception) -> None:
    assert is_overflow(error)


def test_the_cause_of_an_error_is_looked_at_and_a_ring_of_causes_ends() -> None:
    outer, inner = RuntimeError("the call failed"), RefusedError(OVERFLOWS[0])
    outer.__cause__, inner.__cause__ = inner, outer
    assert is_overflow(outer)
    one, two = RuntimeError("one"), RuntimeError("two")
    one.__cause__, two.__cause__ = two, one
    assert not is_overflow(one)


@pytest.mark.parametrize(
    "error",
    [
        from_openai(
            429, {"message": "Request too large: input tokens exceed the limit", "code": "rate_limit_exceeded"}
        ),
        RefusedError("This request would exceed your rate limit of 30,000 input tokens per minute"),
        RefusedError("Too many tokens, please wait before trying again."),
        RefusedError("max_tokens is too large: 100000. This model supports at most 16384 completion tokens"),
        RefusedError("max_tokens must be at least 1, got 0"),
        RefusedError("Invalid 'tools[0].name': string too long. Expected a string with maximum length 64"),
        RefusedError("max_tokens (9000) exceeds the model's maximum output tokens 8192"),
        RefusedError("This request requires more credits, or fewer max_tokens. You can only afford 2000"),
        from_openai(401, {"message": "Incorrect API key provided"}),
        from_openai(404, {"message": "The model does not exist; its context window is maximum 1 token"}),
        RefusedError("Unexpected role 'user': roles must alternate", body=["a", {"b": {}}], code={"no": "str"}),
        TimeoutError("no reply within 600 s"),
        ConnectionError("reset by peer"),
        ValueError("the reply has 10,000,001 characters, and at most 10,000,000 are taken"),
    ],
)
def test_other_faults_are_none(error: Exception) -> None:
    assert not is_overflow(error)


def test_the_root_is_told_how_long_the_prompt_of_a_sub_call_was_and_what_to_do() -> None:
    def refuse(messages: Any) -> str:
        raise RefusedError(OVERFLOWS[0] + " Please reduce the length of the messages." * 5)

    code = "r = llm_query_batched(['x' * 54_321])"
    root = ScriptedModel([f"```repl\n{code}\n```", "```repl\nFINAL('done')\n```"])
    result = RLMEngine(root, sub_llm=ScriptedModel(always=refuse)).run("?", "line\n" * 9_000)
    assert "the prompt of 54,321 characters is too long for the sub-LM: send smaller pieces" in (
        root.requests[1][-1].content
    )
    assert "maximum context length" in (result.trace.executions[0].sub_calls[0].error or "")
