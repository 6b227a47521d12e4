"""LlamaIndex LLMs that call tools: how tools are offered, and how calls and their results are sent back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, ToolCallBlock
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools.types import BaseTool, ToolMetadata, ToolOutput

from rlm_integrations.core.calls.reply_fields import arguments_of
from rlm_integrations.core.errors import CannotCallToolsError
from rlm_integrations.core.language_model import Completion, ToolCall, ToolRound, ToolSpec


@dataclass
class SpecMetadata(ToolMetadata):
    """Metadata whose schema of the arguments is given, not made from a class."""

    parameters: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, spec: ToolSpec) -> SpecMetadata:
        return cls(spec.description, spec.name, parameters=spec.parameters)

    def get_parameters_dict(self) -> dict[str, Any]:
        return deepcopy(self.parameters)  # LLMs put more into it


class OfferedTool(BaseTool):
    """A tool as an LLM is told of it. The host calls what stands behind it."""

    def __init__(self, spec: ToolSpec) -> None:
        self._metadata = SpecMetadata.of(spec)

    @property
    def metadata(self) -> ToolMetadata:
        return self._metadata

    def __call__(self, input: Any) -> ToolOutput:
        raise NotImplementedError(f"{self._metadata.name} is called by the host")


def tool_caller(llm: object) -> FunctionCallingLLM:
    """The LLM, which calls tools. Raises CannotCallToolsError where it cannot."""
    name = type(llm).__name__
    if not isinstance(llm, FunctionCallingLLM):
        why = "it is no FunctionCallingLLM"
    elif not llm.metadata.is_function_calling_model:
        why = f"its metadata says so; if its model can, pass {name}(is_function_calling_model=True, ...)"
    else:
        return llm
    raise CannotCallToolsError(name, why, "an LLM that can, for instance OpenAI(...)")


def round_messages(rounds: Sequence[ToolRound]) -> list[ChatMessage]:
    """The replies that called tools, and what those gave."""
    sent: list[ChatMessage] = []
    for each in rounds:
        native = each.reply.native
        sent.append(native if isinstance(native, ChatMessage) else ChatMessage.model_validate(native))  # of a journal
        sent += [
            ChatMessage(role=MessageRole.TOOL, content=result.text, additional_kwargs={"tool_call_id": result.call.id})
            for result in each.results
        ]
        sent += [ChatMessage(role=MessageRole(said.role), content=said.content) for said in each.then]
    return sent


def with_calls(completion: Completion, response: ChatResponse, llm: FunctionCallingLLM) -> Completion:
    """The completion with the calls of the response, and the message to send back before their results.

    Calls whose arguments are no JSON object go back with {}: servers read them again, and fail at others.
    """
    message = response.message
    calls = [_of_block(block) for block in message.blocks if isinstance(block, ToolCallBlock)]
    if not calls:  # of an integration that keeps them elsewhere
        selected = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
        calls = [ToolCall(each.tool_name, json.dumps(each.tool_kwargs), each.tool_id) for each in selected]
        return replace(completion, tool_calls=tuple(calls), native=message) if calls else completion
    calls = [call if call.id else replace(call, id=f"call_{place}") for place, call in enumerate(calls, 1)]
    told = iter(calls)
    blocks = [_sent_back(block, next(told)) if isinstance(block, ToolCallBlock) else block for block in message.blocks]
    return replace(completion, tool_calls=tuple(calls), native=message.model_copy(update={"blocks": blocks}))


def _of_block(block: ToolCallBlock) -> ToolCall:
    given: object = block.tool_kwargs
    return ToolCall(block.tool_name, given if isinstance(given, str) else json.dumps(given), block.tool_call_id or "")


def _sent_back(block: ToolCallBlock, call: ToolCall) -> ToolCallBlock:
    changed: dict[str, Any] = {"tool_call_id": call.id}
    if not arguments_of(call):
        changed["tool_kwargs"] = "{}" if isinstance(block.tool_kwargs, str) else {}
    return block.model_copy(update=changed)
