"""Whether a reply came from LangChain's cache (`set_llm_cache`, or a model's own), which nothing says outright."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable


def came_from_cache(reply: object, model: object) -> bool:
    """Whether a chat model's reply is a cache hit.

    LangChain sets the cost of a cached message to 0 in its usage, and one that it makes of a cached text has no id,
    while it gives an id to all that a chat model says itself.
    """
    if not isinstance(reply, AIMessage):
        return False
    usage = cast("Mapping[str, Any]", reply.usage_metadata or {})
    return usage.get("total_cost") == 0 or (reply.id is None and _is_chat_model(model))


def _is_chat_model(model: object) -> bool:
    """Whether it is chat models alone, inside .bind(), .with_retry() and .with_fallbacks()."""
    fallbacks = getattr(model, "fallbacks", None)
    if isinstance(fallbacks, Sequence):
        chosen = [getattr(model, "runnable", None), *cast("Sequence[object]", fallbacks)]
        return all(map(_is_chat_model, chosen))
    bound = getattr(model, "bound", None)
    return _is_chat_model(cast(object, bound)) if isinstance(bound, Runnable) else isinstance(model, BaseChatModel)
