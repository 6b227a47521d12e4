"""What a run tells whoever watches it, while it goes on. The trace is a fold of these events: see `recorder.py`."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from rlm_integrations.core.language_model import Finish, Message, ToolCall
from rlm_integrations.core.limits import StopReason, Way
from rlm_integrations.core.trace.call_records import AnswerCheck, Fold, HostFunctionCall
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.records import CodeExecution, JournalState, SubCall
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.usage import Usage
from rlm_integrations.frozen import frozen


@frozen(kw_only=True, is_base=True)
class _Moment:
    """Where and when it happened."""

    node: tuple[int, ...] = ()
    """The RLM in the tree of the run: () is the root's, (2,) the second one that it called."""
    at: float = 0.0
    """Seconds since the run began."""
    run: int = field(default=0, compare=False)
    """Which of the process's runs it is, from 1: one handler may be told of several at once."""

    def happened(self, at: float, node: tuple[int, ...], run: int) -> None:
        """Say when and where. For the account alone, before anybody sees the event: each call of a model has several,
        and a changed copy takes ten times as long."""
        _set_at(self, at)
        _set_node(self, node)
        _set_run(self, run)


_set_at, _set_node, _set_run = [vars(_Moment)[name].__set__ for name in ("at", "node", "run")]


@frozen
class RunStarted(_Moment):
    """The corpus is read: of the run, or of a child RLM, between its SubCallStarted and its SubCallEnded."""

    question: str
    documents: int
    chars: int
    """Characters of the corpus."""
    context: str = ""
    """The corpus in a line, as the trace has it."""
    shown_whole: bool = False
    """Whether the root LM sees all of it before its first reply."""
    session: str | None = None
    """The id of the session that the question belongs to, and its number in that, from 1."""
    question_number: int | None = None
    journal: JournalState | None = None
    """What the journal had of the run; None where it has none."""
    attempt: int = 1
    """Its place among the runs of its question, from 1: with Twice there are two, and a third where they differ."""


@frozen
class Routed(_Moment):
    """Which way the question goes, where `route` is "auto". A second one tells that a direct answer came to nothing."""

    way: Way
    why: str


@frozen
class ConversationOpened(_Moment):
    """What the root LM sees before its first reply."""

    messages: tuple[Message, ...]


@frozen
class ReplOpened(_Moment):
    """The code has a REPL to run in."""

    sandbox: str
    isolation: dict[str, str]
    """Layers of the sandbox, and how each stands."""


@frozen
class IterationStarted(_Moment):
    """The root LM is asked. RootReplied or RootFailed follows, and before it a PromptShortened for each shorter try."""

    iteration: int
    max_iterations: int
    prompt_chars: int = 0
    """Characters of all messages that are sent."""
    last_call: bool = False
    """Whether a limit is met, and this is the extra call after it."""
    model: str | None = None
    """What is asked, where that is known before it replies."""


@frozen
class PromptShortened(_Moment):
    """The root LM refused the conversation as too long, and is asked again with what was printed cut, oldest first."""

    iteration: int
    error: str
    """How it refused."""
    prompt_chars: int
    """Characters of all messages that are sent now."""


@frozen
class FoldStarted(_Moment):
    """The root LM is asked for a summary of its older iterations, since the conversation nears its window, or was
    refused as too long. FoldEnded follows, and Folded where it gave one."""

    iteration: int
    """After which it is asked, or amid which, where that one's call was refused."""
    up_to: int
    """The last iteration that the summary is to stand for."""
    prompt_chars: int
    """Characters of all messages that are sent."""
    model: str | None = None
    """What is asked, where that is known before it replies."""


@frozen
class FoldEnded(_Moment):
    """What it replied, and what that cost."""

    iteration: int
    fold: Fold


@frozen
class Folded(_Moment):
    """The summary stands in place of the iterations up to `up_to`, and the run goes on."""

    iteration: int
    up_to: int
    prompt_chars: int
    """Characters of all messages that there are now."""


@frozen
class RootReplied(_Moment):
    iteration: int
    reply: str
    usage: Usage
    model: str | None = None
    thoughts: str = ""
    """What the model thought before it replied."""
    finish: Finish | None = None
    """How the reply ended; None where the server does not say."""
    cached: bool = False
    """Whether it came from a cache."""
    tool_calls: tuple[ToolCall, ...] = ()
    """With which it hands over its code, where it does that by a tool."""
    replayed: bool = False
    """Whether it came from the journal, and was paid for before."""


@frozen
class RootFailed(_Moment):
    """The root LM raised, or did not reply in time."""

    iteration: int
    error: str


@frozen
class CodeStarted(_Moment):
    iteration: int
    blocks: tuple[str, ...]


@frozen
class SubCallsReserved(_Moment):
    """The code is about to make so many sub-calls."""

    iteration: int
    count: int
    cost_usd: float | None = None
    """About what they will cost: a token for every four characters of their prompts, and replies as long as those of
    the run's sub-calls so far (200 tokens while there is none). None where prices are unknown, for child RLMs,
    and for a single call."""


@frozen
class SubCallStarted(_Moment):
    """A sub-call is sent, or a child RLM begins. SubCallEnded follows."""

    iteration: int
    number: int
    """Its place among the node's sub-calls, from 1."""
    prompt: str
    batch: int | None = None
    """The batch it belongs to, and its place in it, from 0."""
    index: int | None = None
    is_rlm: bool = False
    """Whether it is a child RLM: the node of its events is this one's with `number` behind it."""
    model: str | None = None
    """What is asked, where that is known before it replies; None for a child RLM."""


@frozen
class SubCallContinued(_Moment):
    """A sub-LM replied, and is asked again: when the tools that it called have run, of which each has a HostCallStarted
    and a HostCallEnded; or since it said nothing.
    """

    iteration: int
    number: int
    usage: Usage
    """Of this reply."""
    tool_calls: int
    """How many it called."""


@frozen
class SubCallEnded(_Moment):
    """`call.child` is the trace of a child RLM; that of a plain LM is None."""

    iteration: int
    call: SubCall
    stop_reason: StopReason | None = None
    """Why a child RLM ended; None where it failed, and for a plain LM."""


@frozen
class HostCallStarted(_Moment):
    """A tool, or `retrieve`, is called. HostCallEnded follows."""

    iteration: int
    number: int
    """Its place among its node's calls of tools and of `retrieve`, from 1."""
    name: str
    arguments: str
    """Their repr, cut at 2,000 characters."""
    sub_call: int | None = None
    """The number of the sub-call whose model calls it; None where code does."""


@frozen
class HostCallEnded(_Moment):
    iteration: int
    number: int
    call: HostFunctionCall
    sub_call: int | None = None


@frozen
class Cited(_Moment):
    """The code cited a quote, which stands in the corpus."""

    iteration: int
    citation: Citation


@frozen
class CodeEnded(_Moment):
    iteration: int
    execution: CodeExecution


@frozen
class CheckStarted(_Moment):
    """A check of `verify=` looks at what would be the answer. CheckEnded follows."""

    iteration: int
    number: int
    """Its place among the run's looks at answers, from 1."""
    name: str


@frozen
class CheckEnded(_Moment):
    """It took the answer, refused it (`check.objection`), or broke (`check.error`), which ends the run."""

    iteration: int
    number: int
    check: AnswerCheck


@frozen
class IterationEnded(_Moment):
    """The root LM will be asked again."""

    iteration: int
    observation: str
    """What it is shown of this iteration."""


@frozen
class Warned(_Moment):
    """Something that the user should know, and that does not end the run. Once for each `kind`, but for
    "replay_diverged": a run that goes on from the journal came to something else than before, or asks for more.

    "stuffed_reprs" and "empty_corpus" come first: a prompt holds documents as Python shows them, or there is nothing
    to read. "nothing_read", "limit_met" and "unverified" come last: no code ran, though the root LM has not seen all
    of the corpus; the answer came after a limit, and `on_limit` is "answer"; so it is, and `verify` refused the
    answer that is handed back. With Twice, "differed" says that nothing tells which of its runs is right, and
    "one_opinion" that there was no second one: nothing was left of the limits, or its replies came from a cache.
    """

    kind: Literal[
        "usage_estimated",
        "prompt_cut",
        "stuffed_reprs",
        "empty_corpus",
        "nothing_read",
        "limit_met",
        "unverified",
        "differed",
        "one_opinion",
        "cost_unknown",
        "replay_diverged",
        "unresolved",
        "unproven",
    ]
    message: str


@frozen
class RunEnded(_Moment):
    """The last event of a run that gave a result."""

    result: RLMResult[Any]


@frozen
class RunFailed(_Moment):
    """The last event of a run that did not, cancelled ones included."""

    error: str
    result: RLMResult[Any]
    """What was done and paid for, with the draft that stood in the REPL."""


Event = (
    RunStarted
    | Routed
    | ConversationOpened
    | ReplOpened
    | IterationStarted
    | PromptShortened
    | FoldStarted
    | FoldEnded
    | Folded
    | RootReplied
    | RootFailed
    | CodeStarted
    | SubCallsReserved
    | SubCallStarted
    | SubCallContinued
    | SubCallEnded
    | HostCallStarted
    | HostCallEnded
    | Cited
    | CodeEnded
    | CheckStarted
    | CheckEnded
    | IterationEnded
    | Warned
    | RunEnded
    | RunFailed
)
