"""A tracer that keeps the run tree, and models of two names so that root and sub-calls are told apart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from pydantic import Field

from rlm_integrations.core.usage import Usage
from rlm_integrations.testing.langchain import ScriptedChatModel


class RootModel(ScriptedChatModel):
    """The root LM of a test."""


class SubModel(ScriptedChatModel):
    """The sub-LM of a test."""


class Gate(BaseChatModel):
    """Answers when `barrier.parties` calls are open at once, and counts how many ever were."""

    barrier: Any
    open: int = 0
    most: int = 0

    @property
    def _llm_type(self) -> str:
        return "gate"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        self.open += 1
        self.most = max(self.most, self.open)
        await self.barrier.wait()
        self.open -= 1
        return ChatResult(generations=[ChatGeneration(message=AIMessage("ok"))])


class Hanging(BaseChatModel):
    """Never answers, and says when it was asked, what, and when the call was given up."""

    asked: Any
    given_up: Any
    prompts: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "hanging"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.prompts.append(str(messages[-1].text))
        self.asked.set()
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            self.given_up.set()


class AgentModel(BaseChatModel):
    """Calls a tool with a question, then repeats what it returned."""

    tool: str = "ask_corpus"

    @property
    def _llm_type(self) -> str:
        return "agent"

    def bind_tools(self, tools: Any, **kwargs: Any) -> AgentModel:
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        last = messages[-1]
        call = {"name": self.tool, "args": {"question": "How many?"}, "id": "c1", "type": "tool_call"}
        told = isinstance(last, ToolMessage)
        reply = AIMessage(f"It is {last.text}") if told else AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=reply)])


class TreeTracer(BaseTracer):
    """Keeps every finished root run with its children."""

    def __init__(self) -> None:
        super().__init__(_schema_format="original+chat")
        self.roots: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.roots.append(run)

    def runs(self) -> Iterator[tuple[int, Run]]:
        """All runs with their depth, parents before children."""

        def walk(run: Run, depth: int) -> Iterator[tuple[int, Run]]:
            yield depth, run
            for child in run.child_runs:
                yield from walk(child, depth + 1)

        for root in self.roots:
            yield from walk(root, 0)

    def lines(self) -> list[str]:
        return [f"{'  ' * depth}{run.name} [{run.run_type}]" for depth, run in self.runs()]

    def named(self, name: str) -> list[Run]:
        return [run for _, run in self.runs() if run.name == name]

    def payload(self) -> str:
        """Everything that a tracer would have sent."""
        sent = [
            (run.inputs, run.outputs, run.serialized, run.extra, run.events, run.error, run.tags)
            for _, run in self.runs()
        ]
        return json.dumps(sent, default=repr)


@pytest.fixture
def tracer() -> TreeTracer:
    return TreeTracer()


@pytest.fixture
def root_model() -> Callable[..., ScriptedChatModel]:
    """Makes a root LM that gives these replies: code goes into a fence, text that begins with "say:" does not."""

    def make(*replies: str, **options: Any) -> ScriptedChatModel:
        fenced = [reply[4:] if reply.startswith("say:") else f"```repl\n{reply}\n```" for reply in replies]
        return RootModel(fenced, usage=Usage(input_tokens=10, output_tokens=5, cached_tokens=4), **options)

    return make


@pytest.fixture
def agent_model() -> type[AgentModel]:
    """A model that an agent may have."""
    return AgentModel


@pytest.fixture
def sub_model() -> ScriptedChatModel:
    """A sub-LM that answers with the length of its prompt."""
    usage = Usage(input_tokens=3, output_tokens=2, reasoning_tokens=1)
    return SubModel(always=lambda messages: f"len={len(messages[-1].content)}", usage=usage, model="sub-1")


@pytest.fixture
def gate() -> Callable[[int], Gate]:
    """Makes a model that answers "ok" when so many calls of it are open at once."""
    return lambda parties: Gate(barrier=asyncio.Barrier(parties))


@pytest.fixture
def hanging() -> Callable[[], Hanging]:
    """Makes a model that never answers async calls."""
    return lambda: Hanging(asked=asyncio.Event(), given_up=asyncio.Event())


@pytest.fixture
def process_ended() -> Callable[[int], Awaitable[None]]:
    """Waits until a process is no more; fails if it still is after ten seconds."""

    def alive(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    async def wait(pid: int) -> None:
        async with asyncio.timeout(10):
            while alive(pid):
                await asyncio.sleep(0.005)

    return wait


@pytest.fixture
def run_program_without(run_program: Callable[..., Any]) -> Callable[[str, str], Any]:
    """Runs code where a package is not installed: in a program that has yet to import it, and our modules over it."""

    def run(missing: str, code: str) -> Any:
        hide = f"""
import sys
for name in [*sys.modules]:
    if f"{{name}}.".startswith(("{missing}.", "rlm_integrations.langchain.", "rlm_integrations.testing.langchain.")):
        del sys.modules[name]
sys.modules["{missing}"] = None
"""
        return run_program(hide + code, everything=True, warnings=None)

    return run
