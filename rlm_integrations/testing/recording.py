"""Recorded conversations: JSON lines that a Recorder writes and a ReplayingModel answers from.

    {"role": "root", "question": "How many?", "turn": 0, "reply": "```repl…", "model": "…", "usage": {…}}
    {"role": "sub", "prompt": "Is this …?", "reply": "yes"}
    {"role": "sub", "prompt": "What is it?", "images": ["img-…"], "reply": "a kettle"}

A reply of the root is known by its question and by the number of assistant messages before it, so a
recording survives a change of wording in the prompts. A reply of a sub-call is known by its exact prompt and by the
ids of its pictures, which are not kept; a long prompt is kept as a digest and its head. `model`, `usage`, `finish`,
`thoughts` and `tool_calls` may be left out.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from rlm_integrations.core.calls.system_role import without_system
from rlm_integrations.core.calls.tool_rounds import as_messages
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import (
    Completion,
    Finish,
    LanguageModel,
    Message,
    ToolCall,
    ToolCaller,
    ToolRound,
    ToolSpec,
)
from rlm_integrations.core.prompts.texts import sub_call_messages, text
from rlm_integrations.core.usage import Usage

_WHOLE_PROMPT_CHARS = 2_000
_HEAD_CHARS = 200

Key = tuple[str, ...]
"""What a request and its record have in common."""


class RecordedCall(BaseModel):
    """A call of a tool, as the model wrote it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    arguments: str = "{}"
    id: str = ""

    @property
    def call(self) -> ToolCall:
        return ToolCall(self.name, self.arguments, self.id)


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    reply: str
    model: str | None = None
    usage: Usage | None = None
    """None: estimated when it is replayed."""
    finish: Finish | None = None
    thoughts: str | None = None
    tool_calls: tuple[RecordedCall, ...] = ()


class RootRecord(_Reply):
    role: Literal["root"] = "root"
    question: str
    turn: int = Field(ge=0)

    @property
    def key(self) -> Key:
        return ("root", self.question, str(self.turn))

    @property
    def head(self) -> str:
        return self.question


class SubRecord(_Reply):
    role: Literal["sub"] = "sub"
    prompt: str | None = None
    prompt_sha256: str | None = None
    prompt_head: str | None = None
    images: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _known_by_its_prompt(self) -> SubRecord:
        if (self.prompt is None) == (self.prompt_sha256 is None):
            raise ValueError("a sub record has either prompt or prompt_sha256")
        return self

    @property
    def key(self) -> Key:
        return ("sub", self.prompt_sha256 or _digest(self.prompt or ""), *self.images)

    @property
    def head(self) -> str:
        return self.prompt_head or self.prompt or ""


Record = RootRecord | SubRecord
_RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="role")])


def read_records(path: str | Path) -> list[Record]:
    """The records of a file. Raises InvalidArgumentError with the line that is wrong."""
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"path: cannot read the recording {str(path)!r}: {error}") from error
    records: list[Record] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                records.append(_RECORD.validate_json(line))
            except ValidationError as error:
                problem = error.errors(include_url=False)[0]
                where = ".".join(map(str, problem["loc"]))
                raise InvalidArgumentError(
                    f"path: line {number} of {str(path)!r} is no record: {where} {problem['msg']}"
                ) from None
    return records


def key_of(messages: Sequence[Message]) -> Key:
    """The key under which the reply to this request is recorded."""
    if is_sub_call(messages):
        return ("sub", _digest(_prompt(messages)), *_images(messages))
    return ("root", question_of(messages), str(_turn(messages)))


def is_sub_call(messages: Sequence[Message]) -> bool:
    sent = sub_call_messages(_prompt(messages), messages[-1].images if messages else ())
    return tuple(messages) in (sent, without_system(sent))


def _prompt(messages: Sequence[Message]) -> str:
    """Of a sub-call, also where its model takes no system message."""
    content = messages[-1].content if messages else ""
    return content.removeprefix(without_system(sub_call_messages(""))[0].content) if len(messages) == 1 else content


def _images(messages: Sequence[Message]) -> tuple[str, ...]:
    return tuple(image.id for image in messages[-1].images)


def question_of(messages: Sequence[Message]) -> str:
    """The question of a root request: out of the engine's first message, or else the first user message whole."""
    asked = [message.content for message in messages if message.role == "user"]
    found = (_first_message().match(content) for content in asked)  # the last call may go on below it
    return next((match["question"] for match in found if match), asked[0] if asked else "")


@cache
def _first_message() -> re.Pattern[str]:
    template = re.escape(text("first_message")).replace(r"\{question\}", "(?P<question>.*)")
    return re.compile(re.sub(r"\\\{\w+\\\}", ".*", template), re.DOTALL)


def record_of(messages: Sequence[Message], completion: Completion) -> Record:
    """What is kept of a request and its reply."""
    reply: dict[str, Any] = {"reply": completion.text, "model": completion.model, "usage": completion.usage}
    reply |= {"finish": completion.finish, "thoughts": completion.thoughts or None}
    reply["tool_calls"] = [RecordedCall(name=c.name, arguments=c.arguments, id=c.id) for c in completion.tool_calls]
    if not is_sub_call(messages):
        return RootRecord(question=question_of(messages), turn=_turn(messages), **reply)
    prompt = _prompt(messages)
    if len(prompt) <= _WHOLE_PROMPT_CHARS:
        return SubRecord(prompt=prompt, images=_images(messages), **reply)
    digest, head = _digest(prompt), prompt[:_HEAD_CHARS]
    return SubRecord(prompt_sha256=digest, prompt_head=head, images=_images(messages), **reply)


_SAYS_OF_ITSELF = ("name", "model", "max_input_tokens", "reports_cost", "sees_images")


class Recorder:
    """Wraps a model and appends every reply it gives to a file, for ReplayingModel.

        recorder = Recorder(OpenAIModel("gpt-5"), "conversation.jsonl")
        RLMEngine(recorder).run(question, corpus)

    Calls that fail pass through and leave no record. For a sub-LM of its own, wrap it with the same path:
    every record is appended whole, so recorders of one file may run side by side.

    Args:
        llm: The model. The recorder has whatever a LanguageModel may have and this one has.
        path: The file, which is made where there is none. One JSON object a line.
    """

    def __init__(self, llm: LanguageModel, path: str | Path) -> None:
        self._llm = llm
        self._path = Path(path)

    async def complete(self, messages: Sequence[Message]) -> Completion:
        return self._keep(messages, await self._llm.complete(messages))

    @property
    def complete_sync(self) -> Callable[[Sequence[Message]], Completion]:
        """Present only where the wrapped model has it, as the protocol of LanguageModel wants it."""
        complete_sync: Callable[[Sequence[Message]], Completion] = getattr(self._llm, "complete_sync")  # noqa: B009
        return lambda messages: self._keep(messages, complete_sync(messages))

    @property
    def with_tools(self) -> Callable[[Sequence[ToolSpec]], ToolCaller]:
        """Present only where the wrapped model has it, too."""
        with_tools: Callable[[Sequence[ToolSpec]], ToolCaller] = getattr(self._llm, "with_tools")  # noqa: B009
        return lambda tools: _RecordedCaller(with_tools(tools), self._keep)

    @property
    def served_by(self) -> object:
        """What answers, as whoever looks for a server's address or its ways is to find it."""
        return getattr(self._llm, "served_by", self._llm)

    def __getattr__(self, name: str) -> Any:
        """What a LanguageModel may say of itself, where the wrapped one says it."""
        if name in _SAYS_OF_ITSELF:
            return getattr(self._llm, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _keep(self, messages: Sequence[Message], completion: Completion) -> Completion:
        record = record_of(messages, completion).model_dump(mode="json", exclude_none=True)
        for name in ("tool_calls", "images"):
            if not record.get(name):
                record.pop(name, None)
        line = json.dumps({"role": record.pop("role"), **record}, ensure_ascii=False) + "\n"
        with _WRITING, self._path.open("a", encoding="utf-8") as file:
            file.write(line)
        return completion


class _RecordedCaller:
    """The wrapped model with tools. What is known of a request is what its rounds of calls come to as messages."""

    def __init__(self, caller: ToolCaller, keep: Callable[[Sequence[Message], Completion], Completion]) -> None:
        self._caller = caller
        self._keep = keep

    async def complete(self, messages: Sequence[Message], rounds: Sequence[ToolRound]) -> Completion:
        return self._keep(as_messages(messages, rounds), await self._caller.complete(messages, rounds))

    @property
    def complete_sync(self) -> Callable[[Sequence[Message], Sequence[ToolRound]], Completion]:
        complete_sync: Callable[..., Completion] = getattr(self._caller, "complete_sync")  # noqa: B009
        return lambda messages, rounds: self._keep(as_messages(messages, rounds), complete_sync(messages, rounds))


_WRITING = threading.Lock()


def _turn(messages: Sequence[Message]) -> int:
    return sum(message.role == "assistant" for message in messages)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
