"""An RLMRunnable as a tool of an agent."""

from __future__ import annotations

import re
from typing import Any, Literal

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, ToolException
from pydantic import BaseModel, Field

from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.langchain.response import bounded_message

CORPUS_TOOL_NAME = "ask_corpus"
_NAME_CHARS = 60
"""Providers take 64."""
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]++")
_EMPTY_QUESTION = "question: is empty; ask one whole question in plain words"


def tool_name_of(runnable_name: str | None) -> str:
    """What agents call the tool of a runnable of that name: several corpora of one agent are several tools."""
    name = _NO_NAME.sub("_", runnable_name or "").strip("_-")[:_NAME_CHARS]
    if not name:
        return CORPUS_TOOL_NAME
    return name if name.lower().startswith("ask") else f"ask_{name}"


class ToolArguments(BaseModel):
    """What an agent passes."""

    question: str = Field(description="The question, whole and in plain words; what was said before is not known here.")


class QuestionTool(BaseTool):
    """A tool that takes `question: str`. Its content is the answer, its artifact the answer's message, bounded.

    A run that fails does not end the agent: the agent is told why, and of the draft where there is one, in a message
    with the status "error", whose artifact still has the trace. `handle_tool_error` is that of any tool: a str or a
    function(ToolException) says something else, False raises the run's own error.
    """

    args_schema: Any = ToolArguments
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: Any = True
    runnable: Runnable[Any, Any] = Field(exclude=True, repr=False)
    """Gives the answer's message."""
    trace: Literal["none", "summary"] = Field(default="summary", exclude=True)
    """How much of the trace the message of a failed run carries."""
    brought: Any = Field(default=None, exclude=True, repr=False)
    """Context that each call brings."""
    refusal: str = Field(default="", exclude=True, repr=False)
    """What the agent is told instead of an answer, whatever it asks; "" for an answer."""

    def _to_args_and_kwargs(
        self, tool_input: str | dict[str, Any], tool_call_id: str | None
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        arguments, keywords = super()._to_args_and_kwargs(tool_input, tool_call_id)
        return arguments, {**keywords, "tool_call_id": tool_call_id}

    # Without a config of ours: a tool is run with its own child config in LangChain's context variable, and what it
    # would be handed as `config` is its parent's.
    def _run(self, question: str, tool_call_id: str | None = None) -> tuple[Any, AIMessage | None]:
        if refused := self._refused(question):
            return self._failed(ToolException(refused), None, tool_call_id)
        try:
            return _answered(self.runnable.invoke(self._input(question)))
        except RunError as error:
            return self._failed(error, self._draft(error), tool_call_id)

    async def _arun(self, question: str, tool_call_id: str | None = None) -> tuple[Any, AIMessage | None]:
        if refused := self._refused(question):
            return self._failed(ToolException(refused), None, tool_call_id)
        try:
            return _answered(await self.runnable.ainvoke(self._input(question)))
        except RunError as error:
            return self._failed(error, self._draft(error), tool_call_id)

    def _refused(self, question: str) -> str:
        return self.refusal or ("" if question.strip() else _EMPTY_QUESTION)

    def _input(self, question: str) -> Any:
        return question if self.brought is None else {"question": question, "context": self.brought}

    def _draft(self, error: RunError) -> AIMessage | None:
        return None if error.result is None else bounded_message(error.result, self.trace)

    def _failed(self, error: Exception, draft: AIMessage | None, tool_call_id: str | None) -> tuple[Any, Any]:
        """What the agent is told. Not by raising a ToolException, for LangChain drops the artifact of one."""
        if not self.handle_tool_error:
            raise error
        words: Any = str(error)
        if draft is not None and draft.text:
            words += f"\n\nWhat there was of an answer, unfinished:\n{draft.text}"
        if isinstance(self.handle_tool_error, str):
            words = self.handle_tool_error
        elif callable(self.handle_tool_error):
            raised = ToolException(words)
            raised.__cause__ = error
            words = self.handle_tool_error(raised)
        if tool_call_id is None:
            return words, draft
        told = ToolMessage(words, name=self.name, tool_call_id=tool_call_id, artifact=draft, status="error")
        return told, draft


def tool_description(context: str) -> str:
    """What an agent is told of the tool. `context` is the context in one line."""
    return (
        f"Answers a question over a corpus ({context}) by reading and searching all of it with code. "
        "Takes a while: ask one whole question, not keywords."
    )


def _answered(reply: Any) -> tuple[str, Any]:
    """A fallback that is no RLM may reply with a str."""
    return (str(reply.text), reply) if isinstance(reply, AIMessage) else (str(reply), reply)
