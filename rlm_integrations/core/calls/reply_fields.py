"""How a reply ended and what was thought, where servers and frameworks say so: in fields of many names.

Holders are dicts or objects, as they came: nothing about them is taken for granted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any, cast

from rlm_integrations.core.language_model import Completion, Finish, ToolCall

_ENDS = ("finish_reason", "stop_reason", "finishReason", "stopReason", "done_reason", "incomplete_details")
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
_TEXTS = ("text", "thinking", "reasoning", "reasoning_content", "summary", "content")
_THINKING_BLOCKS = ("thinking", "reasoning", "reasoning_content")
_DEEPEST = 6
_MOST_CALLS = 50
_MOST_USD = 1e9
_READ_FOR_TEXT = 50_000
"""Characters of the arguments of calls that become text. Whoever reads that reads longer ones, in a thread."""

MAX_ARGUMENT_CHARS = 500_000
"""Of the arguments of one call: more than a model writes at once."""

_WORDS: dict[Finish, str] = {
    "stop": "stop end_turn stop_sequence eos eos_token complete completed finish pause_turn tool_calls tool_call "
    "tool_use function_call eos_found end end_of_turn end_of_text done stop_str stop_string_found natural_stop",
    "length": "length max_tokens max_output_tokens max_completion_tokens max_length model_length token_limit "
    "model_context_window_exceeded context_length_exceeded error_limit max_new_tokens max_predicted_tokens_reached "
    "context_length_reached context_full length_limit max_time incomplete num_predict",
    "content_filter": "content_filter content_filtered safety recitation blocklist prohibited_content spii language "
    "image_safety guardrail_intervened guardrails error_toxic sensitive model_armor",
    "refusal": "refusal",
    "error": "error abort aborted insufficient_system_resource network_error user_cancel malformed_function_call "
    "malformed_response failed cancelled canceled user_cancelled user_stopped timeout model_unloaded load unload "
    "unexpected_tool_call too_many_tool_calls server_error internal_error overloaded repetition repetition_truncation "
    "no_image missing_thought_signature",
}
"""As OpenAI and servers that speak its API say it, Anthropic, Google, Mistral, Cohere, Bedrock, Ollama, LM Studio."""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_PARTS: dict[Finish, frozenset[str]] = {
    "length": frozenset({"max", "length", "limit", "tokens", "context", "truncated"}),
    "content_filter": frozenset({"safety", "filter", "filtered", "blocked", "prohibited", "moderation", "policy"}),
    "error": frozenset({"error", "failed", "failure", "abort", "aborted", "cancelled", "timeout", "malformed"}),
    "stop": frozenset({"stop", "eos", "end", "complete"}),
}
"""Of a word that is none of those: what one of its parts says, the first first."""
_FINISHES: dict[str, Finish] = {word: finish for finish, words in _WORDS.items() for word in words.split()}


def field_of(holder: object, name: str) -> Any:
    """A key of a dict or an attribute of an object; None where there is none."""
    if isinstance(holder, Mapping):
        return cast(Mapping[str, Any], holder).get(name)
    return getattr(holder, name, None)


def cost_of(usage: object) -> float | None:
    """US dollars, as OpenRouter and LiteLLM report them beside the token counts. What is no amount is not known: a sum
    with NaN in it would never reach `max_cost_usd`.
    """
    cost = field_of(usage, "cost")
    return float(cost) if type(cost) in (int, float) and 0 <= cost < _MOST_USD else None


def count_of(tokens: object) -> int:
    """Tokens, as they were reported; 0 where that is no count. Some servers say -1 for what they do not know, and some
    write 12.0."""
    if isinstance(tokens, float) and tokens.is_integer():
        tokens = int(tokens)
    return tokens if isinstance(tokens, int) and tokens > 0 else 0


def finish_of(*holders: object) -> Finish | None:
    """How the reply ended, as the first holder that says it has it: "stop", "MAX_TOKENS", an enum's member.

    None where none says it, or in words that nobody knows. With an error beside it, it broke off, whatever else is
    said: OpenRouter puts that of a provider there.
    """
    for holder in holders:
        if isinstance(error := field_of(holder, "error"), (str, Mapping)) and error:
            return "error"
        for name in _ENDS:
            finish = _finish(field_of(holder, name))
            if finish is not None:
                return finish
    return None


def _finish(said: object) -> Finish | None:
    said = field_of(said, "reason") or field_of(said, "name") or said  # of incomplete_details; of an enum
    if not isinstance(said, str):
        return None
    word = _CAMEL.sub("_", said.rpartition(".")[2].strip()).lower().replace("-", "_")
    if word in _FINISHES:
        return _FINISHES[word]
    parts = frozenset(word.split("_"))
    return next((finish for finish, known in _PARTS.items() if parts & known), None)


def thoughts_of(*holders: object) -> str:
    """What was thought, as the first holder that has a field for it tells."""
    for holder in holders:
        for name in _THOUGHTS:
            if (thought := _thought(field_of(holder, name))).strip():
                return thought
    return ""


def thoughts_in(blocks: object) -> str:
    """The text of those blocks of a reply's content that hold what was thought."""
    return _joined(_thought(block) for block in _items(blocks) if field_of(block, "type") in _THINKING_BLOCKS)


def text_in(content: object) -> str:
    """What is said: a str as it is, and of a list of parts, which some servers send, those that hold no thoughts."""
    if isinstance(content, str):
        return content
    said = (part for part in _items(content) if field_of(part, "type") not in _THINKING_BLOCKS)
    return "".join(part if isinstance(part, str) else _text(field_of(part, "text")) for part in said)


def calls_in(message: object) -> tuple[ToolCall, ...]:
    """The tools that a message calls, in whichever form a server or a framework has them."""
    calls = [_call(call) for call in (*_items(field_of(message, "tool_calls")), field_of(message, "function_call"))]
    return tuple(call for call in calls if call is not None)


def call_text(calls: Iterable[ToolCall]) -> str:
    """The calls as text, at most 50 of them: {"name": ..., "arguments": ...} in tags.

    The arguments are an object, or else a str, as many servers have them: where they are none, and where they are long.
    """
    taken = list(islice(calls, _MOST_CALLS))
    long = sum([len(call.arguments) for call in taken]) > _READ_FOR_TEXT
    return "\n".join(
        f'<tool_call>\n{{"name": {_json(call.name)}, "arguments": {_json_arguments(call, long)}}}\n</tool_call>'
        for call in taken
    )


def as_text(reply: Completion) -> Completion:
    """The reply of a root LM that was offered no tool. What it calls stands as text below its words: it may be code."""
    if not reply.tool_calls:
        return reply
    said = (reply.text.rstrip(), call_text(reply.tool_calls))
    return replace(reply, text="\n\n".join(filter(None, said)))


def without_calls(reply: Completion) -> Completion:
    """The same where no code is read. Its words were on the way to a call: they are thoughts, and nothing is said."""
    if not reply.tool_calls:
        return reply
    return replace(reply, text="", thoughts=_joined((reply.thoughts, reply.text)))


def _json_arguments(call: ToolCall, long: bool) -> str:
    given = None if long else arguments_of(call)
    return _json(call.arguments if given is None else given)


def arguments_of(call: ToolCall) -> dict[str, Any] | None:
    """The arguments of a call; {} where the model wrote none, None where it wrote something else than an object, or
    more than is taken.
    """
    if len(call.arguments) > MAX_ARGUMENT_CHARS:
        return None
    if not call.arguments.strip():
        return {}
    try:
        arguments: object = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", arguments or {}) if isinstance(arguments, (dict, type(None))) else None


def _call(call: object) -> ToolCall | None:
    called = field_of(call, "function") or call
    name, given = field_of(called, "name"), field_of(called, "arguments")
    arguments = field_of(called, "args") if given is None else given
    if not isinstance(name, str):
        return None
    if isinstance(arguments, str):
        return ToolCall(name, arguments, _text(field_of(call, "id")))
    if isinstance(arguments, (dict, type(None))):
        with suppress(TypeError, ValueError, RecursionError):  # what an object of an SDK may hold
            return ToolCall(name, _json(cast("object", arguments or {})), _text(field_of(call, "id")))
    return None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def refusal_in(blocks: object) -> str:
    """The text of a content's refusal blocks."""
    return _joined(_text(field_of(block, "refusal")) for block in _items(blocks))


def _thought(holder: object, depth: int = 0) -> str:
    """The texts in there: a str, a list of parts, or what a part holds."""
    if isinstance(holder, str) or holder is None or depth > _DEEPEST:
        return _text(holder)
    if isinstance(holder, list):
        return _joined(_thought(part, depth + 1) for part in cast(list[object], holder))
    return next((found for name in _TEXTS if (found := _thought(field_of(holder, name), depth + 1))), "")


def _items(blocks: object) -> list[object]:
    return cast(list[object], blocks) if isinstance(blocks, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _joined(texts: Iterable[str]) -> str:
    return "\n\n".join(text for text in texts if text.strip())
