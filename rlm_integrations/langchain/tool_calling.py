"""LangChain models that call tools: how tools are bound to them, and how calls and their results are sent back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages import ToolCall as LangChainToolCall
from langchain_core.runnables import Runnable
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.fallbacks import RunnableWithFallbacks

from rlm_integrations.core.errors import CannotCallToolsError
from rlm_integrations.core.language_model import Completion, ToolCall, ToolRound, ToolSpec
from rlm_integrations.core.wording import error_words


def bind_tools(model: object, tools: Sequence[ToolSpec]) -> Runnable[Any, Any]:
    """The model with the tools, inside .bind(), .with_retry() and .with_fallbacks() too.

    Raises CannotCallToolsError where it cannot call any.
    """
    if isinstance(model, RunnableWithFallbacks):
        either = cast("RunnableWithFallbacks[Any, Any]", model)
        chosen = [bind_tools(each, tools) for each in (either.runnable, *either.fallbacks)]
        return either.model_copy(update={"runnable": chosen[0], "fallbacks": chosen[1:]})
    if isinstance(model, RunnableBindingBase):
        binding = cast("RunnableBindingBase[Any, Any]", model)
        if "tools" in binding.kwargs:
            raise CannotCallToolsError(
                type(binding.bound).__name__, "some are bound to it already", "the model without them"
            )
        return binding.model_copy(update={"bound": bind_tools(binding.bound, tools)})
    bind: Callable[..., Runnable[Any, Any]] | None = getattr(model, "bind_tools", None)
    profile: object = getattr(model, "profile", None)
    told = isinstance(profile, Mapping) and cast("Mapping[str, Any]", profile).get("tool_calling") is False
    name, why = type(model).__name__, "its profile says so" if told else "it has no bind_tools"
    if bind is not None and not told:
        try:
            return bind([{"type": "function", "function": _function(tool)} for tool in tools])
        except NotImplementedError:
            pass
        except Exception as error:
            why = error_words(error)
    raise CannotCallToolsError(name, why, "a chat model that can, for instance ChatOpenAI(...)")


def _function(tool: ToolSpec) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


def round_messages(rounds: Sequence[ToolRound]) -> list[BaseMessage]:
    """The replies that called tools, and what those gave."""
    sent: list[BaseMessage] = []
    for each in rounds:
        native = each.reply.native
        sent.append(native if isinstance(native, AIMessage) else AIMessage.model_validate(native))  # from a journal
        sent += [
            ToolMessage(
                content=result.text,
                tool_call_id=result.call.id,
                name=result.call.name,
                status="error" if result.failed else "success",
            )
            for result in each.results
        ]
        sent += [HumanMessage(m.content) if m.role == "user" else AIMessage(m.content) for m in each.then]
    return sent


def with_calls(completion: Completion, reply: object) -> Completion:
    """The completion with all calls of the reply, each with an id, and the message to send back before their results.

    Calls whose arguments are no JSON object go back with {}: servers read them again, and fail at others.
    """
    if not isinstance(reply, AIMessage) or not (reply.tool_calls or reply.invalid_tool_calls):
        return completion
    calls = [ToolCall(call["name"], json.dumps(call["args"]), call["id"] or "") for call in reply.tool_calls]
    calls += [ToolCall(call["name"] or "", call["args"] or "", call["id"] or "") for call in reply.invalid_tool_calls]
    calls = [call if call.id else replace(call, id=f"call_{place}") for place, call in enumerate(calls, 1)]
    valid = [call["args"] for call in reply.tool_calls] + [dict[str, Any]()] * len(reply.invalid_tool_calls)
    sent_back = [
        LangChainToolCall(name=call.name, args=args, id=call.id, type="tool_call")
        for call, args in zip(calls, valid, strict=True)
    ]
    native = reply.model_copy(update={"tool_calls": sent_back, "invalid_tool_calls": []})
    return replace(completion, tool_calls=tuple(calls), native=native)
