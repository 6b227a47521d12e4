"""What an agent binds to a ChatRLM: no tools, and the format of its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.language_models import ModelProfile

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain.outputs import MessageOutput, TypedOutput
from rlm_integrations.langchain.structured_output import StructuredOutput

PROFILE: ModelProfile = {"structured_output": True, "tool_calling": False}
"""What makes `create_agent` ask for its `response_format` without a tool."""


class ToolsNotBoundError(InvalidArgumentError, NotImplementedError):
    """Tools were bound to a ChatRLM, which makes no tool calls. For that, LangChain has NotImplementedError."""


def bound_output(tools: Sequence[Any], keywords: Mapping[str, Any]) -> MessageOutput:
    """What `bind_tools` asks of each answer.

    Raises ToolsNotBoundError, and InvalidArgumentError for a keyword that is meant for a model.
    """
    if tools:
        raise ToolsNotBoundError(
            "tools: ChatRLM answers and makes no tool calls; pass ChatRLM(llm=..., tools=[...]), whose REPL may call "
            "them, or give an agent the corpus as a tool: RLMRunnable(...).as_tool(); an agent without tools has a "
            "typed answer by response_format=ProviderStrategy(...)"
        )
    unknown = set(keywords) - {"response_format", "strict"}  # which is the tools', or the format's for an API
    if unknown:
        raise InvalidArgumentError(
            f"{min(unknown)}: bind_tools takes no such keyword here; bind what is meant for the model to the model: "
            f"llm=llm.bind({min(unknown)}=...)"
        )
    schema = keywords.get("response_format")
    return MessageOutput() if schema is None else TypedOutput(StructuredOutput.of(schema).answer_type)
