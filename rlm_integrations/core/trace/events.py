"""What a run tells whoever watches it, while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rlm_integrations.core.trace.records import CodeExecution, SubCall
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.usage import Usage


@dataclass(frozen=True, slots=True)
class RunStarted:
    question: str
    documents: int
    chars: int
    """Characters of the corpus."""


@dataclass(frozen=True, slots=True)
class IterationStarted:
    """The root LM is asked."""

    iteration: int
    max_iterations: int


@dataclass(frozen=True, slots=True)
class RootReplied:
    iteration: int
    reply: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class CodeStarted:
    iteration: int
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubCallsReserved:
    """The code is about to make so many sub-calls."""

    iteration: int
    count: int


@dataclass(frozen=True, slots=True)
class SubCallEnded:
    iteration: int
    call: SubCall


@dataclass(frozen=True, slots=True)
class CodeEnded:
    iteration: int
    execution: CodeExecution


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last event of a run that gave a result."""

    result: RLMResult[Any]


Event = (
    RunStarted | IterationStarted | RootReplied | CodeStarted | SubCallsReserved | SubCallEnded | CodeEnded | RunEnded
)
