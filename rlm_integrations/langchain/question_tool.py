"""An RLMRunnable as a tool of an agent."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

CORPUS_TOOL_NAME = "ask_corpus"


class ToolArguments(BaseModel):
    """What an agent passes."""

    question: str = Field(description="The question, whole and in plain words; what was said before is not known here.")


def tool_description(context: str) -> str:
    """What an agent is told of the tool. `context` is the context in one line."""
    return (
        f"Answers a question over a corpus ({context}) by reading and searching all of it with code. "
        "Takes a while: ask one whole question, not keywords."
    )


def question_tool(runnable: Runnable[Any, AIMessage], name: str, description: str) -> BaseTool:
    """A tool that takes `question: str`. Its content is the answer, its artifact the AIMessage with trace and usage."""

    # Without a config of ours: a tool is run with its own child config in LangChain's context variable, and what it
    # would be handed as `config` is its parent's.
    def ask(question: str) -> tuple[str, AIMessage]:
        message = runnable.invoke(question)
        return str(message.text), message

    async def aask(question: str) -> tuple[str, AIMessage]:
        message = await runnable.ainvoke(question)
        return str(message.text), message

    return StructuredTool.from_function(
        func=ask,
        coroutine=aask,
        name=name,
        description=description,
        args_schema=ToolArguments,
        response_format="content_and_artifact",
    )
