"""What the rules of a run decide on: what stays the same all through it, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from rlm_integrations.core.language_model import CodeProtocol, Message
from rlm_integrations.core.limits import RLMLimits, StopReason
from rlm_integrations.core.loop.actions import Action, Finish
from rlm_integrations.core.loop.happenings import CodeRan, RootCallFailed, UnresolvedMap
from rlm_integrations.core.loop.reply_parser import ParsedReply
from rlm_integrations.core.loop.window import Window
from rlm_integrations.core.messages import Messages


class Rules(NamedTuple):
    """What stays the same all through a run."""

    limits: RLMLimits
    question: str
    depth: int
    """0 where there are no sub-calls."""
    plain_reply_answers: bool
    """Whether the root LM has seen all there is, so that a reply without code is the answer."""
    misfit: Callable[[str, bool], str | None]
    """(text, is_json) -> why it does not fit the type of the answer, or None where it does."""
    fence_key: bytes
    """What makes the tags of fences unknown to those who write what stands in them."""
    typed: bool = False
    """Whether the answer has a type of its own."""
    direct: bool = False
    """Whether the root LM answers without code: it sees all there is."""
    protocol: CodeProtocol = "fence"
    """How the root LM hands over its code."""
    verifies: bool = False
    """Whether the user has checks for answers."""
    limits_of_all: RLMLimits | None = None
    """The user's own, where the run is one of several that share some of them."""
    has_last_call: bool = True
    """Whether one is kept back for when a limit is met: there is one for a run, and it is not a child's."""
    window_tokens: int | None = None
    """Of the root LM, where it is known."""
    asked_by_code: bool = False
    """Whether code composed the question, so that text of documents may stand in it."""


class Folding(NamedTuple):
    """Older iterations are being folded: what the root LM was asked for, and why."""

    iteration: int
    """After which, or amid which."""
    head: tuple[Message, ...]
    """What stays of the opening."""
    kept: int
    """How many of the last messages stay."""
    up_to: int
    """The last iteration that does not."""
    refused: RootCallFailed | None = None
    """How the call of that iteration was refused, where it is done amid one."""
    size: int = 0
    """The place in SIZES of the last try."""
    chars: int = 0
    """Of that."""
    again: bool = False
    """Whether a reply was no summary."""


class State(NamedTuple):
    """A run between two actions. The conversation only ever grows, so that prompt caches hit.

    The one exception is a conversation that nears the root LM's window, or that it refused as too long.
    A named tuple, for each decision makes some changed copies: those of a dataclass take four times as long.
    """

    messages: Messages = Messages()
    opening: int = 0
    """How many of `messages` came before the first reply, or before what follows the summary of older iterations."""
    head: tuple[Message, ...] = ()
    """Those that came before the first reply."""
    bare_head: tuple[Message, ...] = ()
    """The same without what was said before the question; empty where nothing was, or where it is folded."""
    window: Window = Window()
    folding: Folding | None = None
    """What is under way; None while the root LM is asked for no summary."""
    folded: int = 0
    """How many iterations the summary stands for."""
    folds: int = 0
    """How often older iterations were folded."""
    unfolded: int = 0
    """The last iteration before whose reply that failed; 0 where it did not since the last time that it went well."""
    failed_folds: int = 0
    """How often in a row."""
    shortenings: int = 0
    """How often the conversation was shortened since the last reply."""
    quotable: Messages = Messages()
    """Those of `messages` that code may be quoted from."""
    fenced: Messages = Messages()
    """Those of them that hold a fence."""
    iteration: int = 1
    codeless: int = 0
    """Replies without code in a row."""
    uncalled: int = 0
    """Replies with code that the root LM called no tool with, though it is to, in a row."""
    empty: int = 0
    """Replies that said nothing, in a row."""
    reply: str = ""
    """The last reply of the root LM."""
    unfinished: str | None = None
    """Why that is no whole reply; None where it is one."""
    parsed: ParsedReply = ParsedReply(())
    draft: str = ""
    """answer["content"] as it last was, not ready."""
    draft_is_json: bool = False
    variables: frozenset[str] | None = None
    """Those that the REPL is known to hold; None where no code has run in it."""
    example: tuple[str, ...] = ()
    """The blocks of the last step, where they may be an example in an answer: the root LM was told how to give one."""
    doubted: tuple[str, ...] = ()
    """The blocks whose answer was refused as hardly meant, until others set one."""
    failure: str = ""
    """Why the last step that ran code failed, in one line; "" where it did not."""
    failures: int = 0
    """How many steps in a row failed so."""
    unresolved: tuple[UnresolvedMap, ...] = ()
    """Typed maps of which something had no value after the last step."""
    last_call: StopReason | None = None
    """The limit that was met, once the last call is on its way."""
    to_verify: Finish | None = None
    """The answer that the user's checks look at, or looked at last."""
    ran: CodeRan | None = None
    """What came of the code that set it; None where it was no code that did."""

    @property
    def chars(self) -> int:
        """Of the conversation."""
        return self.messages.chars


def as_shown(state: State, shown: str | None) -> State:
    """The conversation as the root LM saw it when it gave the reply that the journal has."""
    last = state.messages[-1]
    if shown is None or shown == last.content:
        return state
    return state._replace(messages=Messages((*state.messages[:-1], replace(last, content=shown))))


Decision = tuple[State, Action]
