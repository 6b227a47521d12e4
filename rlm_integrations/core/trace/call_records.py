"""What single calls of a run leave in its trace, and what a summary leaves out, as plain data."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from rlm_integrations.core.language_model import Finish
from rlm_integrations.core.surrogates import Text
from rlm_integrations.core.usage import Usage


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    def note(self, **values: Any) -> None:
        """Set these fields, as they are: at once, for pydantic takes as long for each assignment."""
        assert values.keys() <= self.__pydantic_fields__.keys(), values.keys() - self.__pydantic_fields__.keys()
        vars(self).update(values)
        self.__pydantic_fields_set__.update(values)


class ModelCall(Record):
    """One call of the root LM."""

    prompt_chars: int
    """Characters of all messages that were sent, at the last try."""
    shortened: int = 0
    """How often it was tried again with fewer characters, since the model refused the conversation as too long."""
    error: Text | None = None
    """Why there is no reply; None where there is one."""
    model: str | None = None
    usage: Usage = Usage()
    thoughts: Text = ""
    """What the model thought before it replied."""
    finish: Finish | None = None
    """How the reply ended; None where the server does not say."""
    cached: bool = False
    """Whether the reply came from a cache."""
    replayed: bool = False
    """Whether the reply came from the journal: it was paid for before."""
    start: float = 0.0
    """Seconds since the run began."""
    seconds: float = 0.0


class HostFunctionCall(Record):
    """One call of `retrieve`, or of a tool: by code, or by a sub-LM."""

    name: str
    arguments: Text
    """Their repr, cut at 2,000 characters."""
    result: Text | None = None
    """Its repr, cut at 2,000 characters."""
    error: Text | None = None
    replayed: bool = False
    """Whether the result came from the journal: nothing was called."""
    start: float = 0.0
    """Seconds since the run began."""
    seconds: float = 0.0


class SentImage(Record):
    """A picture that went with a sub-call. Its bytes are not kept."""

    name: Text
    mime_type: str
    bytes: int
    """How many it has."""
    document_id: Text | None = None
    """The document that has it; None where that is none of the run's corpus."""


class OmittedSubCalls(Record):
    """Sub-calls that a summary left out."""

    count: int
    failed: int = 0
    usage: Usage = Usage()
    replayed_usage: Usage = Usage()


class AnswerCheck(Record):
    """What one check of `verify=` said of an answer."""

    name: str
    objection: Text | None = None
    """Why it refused the answer; None where it took it, or broke."""
    error: Text | None = None
    """How it broke; None where it did not."""
    start: float = 0.0
    """Seconds since the run began."""
    seconds: float = 0.0


class Fold(Record):
    """One call of the root LM for a summary of its older iterations. The trace keeps them all the same."""

    call: ModelCall
    up_to: int
    """The number of the last iteration that the summary is to stand for."""
    reply: Text = ""
    """What it wrote. Its words stand in place of those iterations, without code, and cut where they are too long."""
    taken: bool = False
    """Whether it was a summary, so that the conversation went on with it."""


class OmittedIterations(Record):
    """Iterations that a summary left out of the middle."""

    count: int
    folds: int = 0
    """Calls for summaries of older iterations."""
    root_usage: Usage = Usage()
    sub_usage: Usage = Usage()
    sub_calls: int = 0
    failed_sub_calls: int = 0
    replayed_usage: Usage = Usage()


class TraceMessage(Record):
    """A message that the root LM saw before its first reply."""

    role: Literal["system", "user", "assistant"]
    content: Text
