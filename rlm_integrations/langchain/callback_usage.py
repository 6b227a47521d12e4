"""The usage of a chat model whose calls of other models are told to the same callbacks: counted on those alone.

Handlers and tracers sum what every model run reports. So the run's own message has none while they are told of
it, and the sum is put on the copies that the caller gets.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

M = TypeVar("M", bound=BaseMessage)


def without_usage(message: AIMessage, model_name: str) -> AIMessage:
    """The message for callbacks. The sum moves to `response_metadata["rlm"]["usage"]`, where nobody adds it up."""
    rlm = {**message.response_metadata["rlm"], "usage": message.usage_metadata}
    metadata = {"rlm": rlm, "model_name": model_name}
    return message.model_copy(update={"usage_metadata": None, "response_metadata": metadata})


def with_usage(message: M) -> M:
    """A copy for the caller, since handlers may have kept the message; a chunk that carries no usage as it is."""
    rlm = message.response_metadata.get("rlm")
    return message.model_copy(update={"usage_metadata": rlm["usage"]}) if rlm else message


def result_with_usage(result: LLMResult) -> LLMResult:
    rows = [
        [
            ChatGeneration(message=with_usage(each.message), generation_info=each.generation_info)
            for each in cast(list[ChatGeneration], row)
        ]
        for row in result.generations
    ]
    return LLMResult(generations=cast(Any, rows), llm_output=result.llm_output, run=result.run)
