"""Replies without a message, over which LangChain's chat models stumble, and broken streams, which they pass on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from langchain_core.messages import AIMessage

from rlm_integrations.core.calls.raised_instead import raising_instead
from rlm_integrations.core.calls.reply_fields import calls_in, finish_of
from rlm_integrations.core.errors import RLMError

_READERS = "langchain_core.language_models"
"""Where the framework takes the message out of what a server sent."""


def empty_replies_named() -> AbstractContextManager[None]:
    """Raises RLMError where the framework found no message in what the server sent, which it does not say."""
    return raising_instead(_name)


def _name(error: BaseException) -> None:
    if isinstance(error, IndexError | ValueError) and _found_no_message(error):
        raise RLMError(
            f"the server sent no reply: its chat completion has no choices ({type(error).__name__}: {error}); "
            "check that the server knows the model and takes the request, and the base URL, which usually ends in /v1"
        ) from error


def _found_no_message(error: IndexError | ValueError) -> bool:
    if isinstance(error, ValueError) and "No generation" not in str(error):
        return False
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return step is not None and str(step.tb_frame.f_globals.get("__name__")).startswith(_READERS)


def broke_off(reply: AIMessage, model: object) -> bool:
    """Whether the reply is what came of a stream that said nothing of how it ended, neither why nor how long it was.

    Of a reply that came whole ChatOpenAI knows the name of the model at least.
    """
    metadata: Mapping[str, Any] = reply.response_metadata
    if calls_in(reply) or reply.usage_metadata is not None or finish_of(metadata) is not None:
        return False
    streamed = getattr(model, "streaming", None) is True
    return streamed or (metadata.get("model_provider") == "openai" and "model_name" not in metadata)
