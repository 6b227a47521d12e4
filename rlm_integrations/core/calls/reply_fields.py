"""How a reply ended and what was thought, where servers and frameworks say so: in fields of many names.

Holders are dicts or objects, as they came: nothing about them is taken for granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from rlm_integrations.core.language_model import Finish

_ENDS = ("finish_reason", "stop_reason", "finishReason", "stopReason", "done_reason", "incomplete_details")
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
_TEXTS = ("text", "thinking", "reasoning", "reasoning_content", "summary", "content")
_THINKING_BLOCKS = ("thinking", "reasoning", "reasoning_content")
_DEEPEST = 6

_WORDS: dict[Finish, str] = {
    "stop": "stop end_turn stop_sequence eos eos_token complete completed finish pause_turn tool_calls tool_call "
    "tool_use function_call",
    "length": "length max_tokens max_output_tokens max_completion_tokens max_length model_length token_limit "
    "model_context_window_exceeded context_length_exceeded error_limit",
    "content_filter": "content_filter content_filtered safety recitation blocklist prohibited_content spii language "
    "image_safety guardrail_intervened guardrails error_toxic sensitive model_armor",
    "refusal": "refusal",
    "error": "error abort aborted insufficient_system_resource network_error user_cancel malformed_function_call "
    "malformed_response",
}
"""As OpenAI and the servers that speak its API say it, Anthropic, Google, Mistral, Cohere, Bedrock and Ollama."""
_FINISHES: dict[str, Finish] = {word: finish for finish, words in _WORDS.items() for word in words.split()}


def field_of(holder: object, name: str) -> Any:
    """A key of a dict or an attribute of an object; None where there is none."""
    if isinstance(holder, Mapping):
        return cast(Mapping[str, Any], holder).get(name)
    return getattr(holder, name, None)


def cost_of(usage: object) -> float | None:
    """US dollars, as OpenRouter and LiteLLM report them beside the token counts."""
    cost = field_of(usage, "cost")
    return float(cost) if isinstance(cost, (int, float)) else None


def finish_of(*holders: object) -> Finish | None:
    """How the reply ended, as the first holder that says it has it: "stop", "MAX_TOKENS", an enum's member.

    None where none says it, or in words that nobody knows.
    """
    for holder in holders:
        for name in _ENDS:
            finish = _finish(field_of(holder, name))
            if finish is not None:
                return finish
    return None


def _finish(said: object) -> Finish | None:
    said = field_of(said, "reason") or field_of(said, "name") or said  # of incomplete_details; of an enum
    if not isinstance(said, str):
        return None
    return _FINISHES.get(said.rpartition(".")[2].strip().lower().replace("-", "_"))


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
