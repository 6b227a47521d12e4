"""The core's only view of a model. Integrations adapt their framework's models to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from rlm_integrations.core.usage import Usage

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's reply, what it consumed, and the name of the model that wrote it."""

    text: str
    usage: Usage = field(default_factory=Usage)
    model: str | None = None


class LanguageModel(Protocol):
    """Anything that completes a conversation.

    A model may also define
    - `complete_sync(messages) -> Completion`: the sync path (`RLMEngine.run`) calls it in a thread of
      the run, because an async client that is used from two event loops breaks;
    - `max_input_tokens: int | None`: the model's window, where it is known. Output shown to the root
      and prompts of sub-calls are kept within it.
    """

    async def complete(self, messages: Sequence[Message]) -> Completion: ...
