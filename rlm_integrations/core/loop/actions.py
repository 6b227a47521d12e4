"""What the loop decides to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.limits import StopReason


class CallRootLM(NamedTuple):
    """Send the conversation to the root LM."""

    messages: Sequence[Message]
    iteration: int
    last_call: bool = False
    shortened: bool = False
    """Whether it is the same question in fewer characters, since the last try was too long for the model."""
    folded: bool = False
    """Whether it is so since older iterations were folded, when the last try was too long."""


class FoldConversation(NamedTuple):
    """Have the root LM write a summary of older iterations, to stand in their place. No code of its reply runs."""

    messages: Sequence[Message]
    """The conversation, which ends with what it is asked for."""
    iteration: int
    """After which it is done, or amid which."""
    up_to: int
    """The last iteration that the summary is to stand for."""
    amid: bool = False
    """Whether that iteration's call was refused as too long, and is to be made again."""


class RunCode(NamedTuple):
    """Run the blocks of the last reply."""

    blocks: tuple[str, ...]


class Finish(NamedTuple):
    """The run has its answer."""

    text: str
    stop_reason: StopReason
    is_json: bool = False
    """Whether the text is the JSON of a value that was not a str."""
    is_draft: bool = False
    """Whether the root LM never called it its answer: it stood in the REPL when a limit was met."""
    nothing_read: bool = False
    """Whether no code ran, over a corpus that the root LM has not seen whole."""
    unresolved: str = ""
    """Which results of its typed maps were unresolved, in words; "" where none were."""
    verified: bool | None = None
    """Whether the user's checks took it; None where there are none."""
    objection: str | None = None
    """Why one of them did not."""
    unchecked: bool = False
    """Whether the run's time was up before they were done."""


class GoOverToCode(NamedTuple):
    """The root LM was asked directly, and that came to nothing: begin anew, as an RLM."""

    why: str


class Verify(NamedTuple):
    """Have the user's checks look at what would be the answer."""

    finish: Finish


class Fail(NamedTuple):
    """The run cannot have an answer."""

    message: str
    stop_reason: StopReason | None = None
    draft: str = ""


Action = CallRootLM | FoldConversation | RunCode | GoOverToCode | Verify | Finish | Fail
