"""The core's only view of a model. Integrations adapt their framework's models to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from rlm_integrations.core.image import Image
from rlm_integrations.core.usage import Usage
from rlm_integrations.frozen import frozen

Role = Literal["system", "user", "assistant"]
CodeProtocol = Literal["fence", "tool"]
"""How a root LM hands over its code: in fences of its text, or by calling a tool natively."""
Finish = Literal["stop", "length", "content_filter", "refusal", "error"]
"""How a reply ended: by itself, cut at the limit of its tokens, withheld or cut by a filter, as the model's refusal, or
because the server failed amid it."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str
    images: tuple[Image, ...] = field(default=(), kw_only=True)
    """Pictures that go with the text: of messages of the user, and of those alone."""


@frozen
class ToolCall:
    """A call of a tool in a model's reply."""

    name: str
    arguments: str = "{}"
    """As the model wrote them: a JSON object, or what was to be one."""
    id: str = ""
    """What the result is to be sent back under, where the server says so."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's reply, what it consumed, and the name of the model that wrote it."""

    text: str
    usage: Usage = field(default_factory=Usage)
    model: str | None = None
    finish: Finish | None = None
    """How it ended; None where that is not known."""
    thoughts: str = ""
    """What a reasoning model thought first, where the server says so. Thoughts in the text are found by the engine."""
    cached: bool = False
    """Whether it came from a cache: nothing was sent, and it cost nothing. Its usage is not counted."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Tools that it calls. Where none was offered, a root LM's run as code where they are that and it says nothing
    else; a sub-call that says nothing else has failed."""
    native: object = field(default=None, repr=False, compare=False)
    """The reply as its framework has it, for a model that is asked again with the results of its calls. One that came
    from the journal has it as JSON, where it is a dict or a pydantic model."""
    replayed: bool = False
    """Whether it came from the journal: it was paid for before. Its usage counts as it did then."""


@frozen
class ToolSpec:
    """A tool as a model is told of it."""

    name: str
    """At most 64 of A-Z, a-z, 0-9, _ and -."""
    description: str
    parameters: dict[str, Any]
    """The JSON schema of its arguments, which is an object's."""


@frozen
class ToolResult:
    """What a call of a tool gave, or why it gave nothing."""

    call: ToolCall
    text: str
    failed: bool = False


@frozen
class ToolRound:
    """A reply that called tools, and their results: one for each call, in the order of the calls."""

    reply: Completion
    results: tuple[ToolResult, ...]
    then: tuple[Message, ...] = ()
    """What was said below the results before the next such reply, if anything: the assistant and the user by turns."""


class ToolCaller(Protocol):
    """A model to which tools are offered.

    It may define `complete_sync(messages, rounds) -> Completion` too, as a LanguageModel may.
    """

    async def complete(self, messages: Sequence[Message], rounds: Sequence[ToolRound]) -> Completion:
        """The reply to the conversation, after which the rounds took place. It may call tools (`tool_calls`)."""
        ...


def sees_images(model: LanguageModel) -> bool | None:
    """Whether the model takes messages with pictures; None where that is not known."""
    sees: object = getattr(model, "sees_images", None)
    return sees if isinstance(sees, bool) else None


class LanguageModel(Protocol):
    """Anything that completes a conversation.

    A model may also define
    - `complete_sync(messages) -> Completion`: the sync path (`RLMEngine.run`) calls it in a thread of
      the run, because an async client that is used from two event loops breaks;
    - `name: str`: what it is called. Runs of models of different names are different runs in a journal;
    - `max_input_tokens: int | None`: the model's window, where it is known. Output shown to the root
      and prompts of sub-calls are kept within it;
    - `reports_cost: bool`: whether the usage of its replies has their cost. Where it is False, an engine with
      `max_cost_usd` needs its `prices`; where it is not defined, the replies show it;
    - `with_tools(tools: Sequence[ToolSpec]) -> ToolCaller`: the same model, calling these tools natively. `sub_tools`
      need it of the sub-LM, and `protocol="tool"` of the root LM. Raises CannotCallToolsError where it cannot;
    - `sees_images: bool | None`: whether it takes messages with pictures; None, or undefined, where that is not known.
      Where it is False, sub-calls with pictures are refused before anything is sent. Define it as False where
      `Message.images` are not looked at: else the reply would be one to a question about nothing;
    - `served_by: object`: what it calls. That a server takes no system message is remembered for this object, so that
      another adapter of it knows.

    A model that ends its requests itself asks `core.calls.call_time.seconds_given()` what time the run gives this one.

    A conversation has at most one system message, the first, then the user and the assistant by turns, the user first
    and last, none of them empty. A model that raises because it takes no system message gets it as part of the user's.
    """

    async def complete(self, messages: Sequence[Message]) -> Completion: ...
