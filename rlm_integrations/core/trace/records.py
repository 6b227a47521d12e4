"""RLMTrace: everything that happened in a run, as plain data. Totals are derived, never stored."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Finish
from rlm_integrations.core.limits import RLMLimits, StopReason, Way
from rlm_integrations.core.surrogates import Text
from rlm_integrations.core.trace.call_records import (
    AnswerCheck,
    Fold,
    HostFunctionCall,
    ModelCall,
    OmittedIterations,
    OmittedSubCalls,
    Record,
    SentImage,
    TraceMessage,
)
from rlm_integrations.core.trace.carriers import find_trace
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.redaction import redacted
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import one_line

JournalState = Literal["new", "resumed", "finished"]
"""What a journal had of a run when it began: nothing, a part of it, or all of it."""
Agreement = Literal["agreed", "reconciled", "differed"]
"""Of two blind runs of one question: their answers were the same; a third run said which holds; or neither."""


class SubCall(Record):
    """One call of a sub-LM, from inside the root's code; or of a child RLM, which has a trace of its own."""

    number: int
    """Its place among the sub-calls of its RLM, from 1."""
    batch: int | None = None
    """The batch it belongs to, and its place in it, from 0."""
    index: int | None = None
    prompt: Text
    images: list[SentImage] = Field(default_factory=list[SentImage])
    """The pictures that the sub-LM saw."""
    reply: Text | None = None
    """Also where the call failed because of how it ended: cut, refused or empty."""
    error: Text | None = None
    model: str | None = None
    usage: Usage = Usage()
    thoughts: Text = ""
    """What the model thought before it replied."""
    finish: Finish | None = None
    """How the reply ended; None where the server does not say."""
    cached: bool = False
    """Whether the reply came from a cache."""
    start: float = 0.0
    """Seconds since the run began."""
    seconds: float = 0.0
    requests: int = 1
    """How often the model was asked: once, and again after each round of calls of its tools. `usage` is that of all its
    replies, and what else stands here of a reply is of the last."""
    replayed: int = 0
    """How many of its replies came from the journal: they were paid for before."""
    replayed_usage: Usage = Usage()
    """What those consumed, of `usage`."""
    tool_calls: list[HostFunctionCall] = Field(default_factory=list[HostFunctionCall])
    """Those of the sub-LM, in the order in which they ended."""
    child: RLMTrace | None = None
    """What the child RLM did; None for a plain LM. Its calls are counted in place of this one."""

    @property
    def model_calls(self) -> int:
        """How many calls of models it stands for."""
        child = self.child
        return self.requests if child is None else child.iteration_count + child.fold_count + child.sub_call_count

    @property
    def failed_model_calls(self) -> int:
        """A child that failed counts as one, besides those of its sub-calls that did."""
        return (self.error is not None) + (0 if self.child is None else self.child.failed_sub_call_count)

    @property
    def whole_usage(self) -> Usage:
        """Of the call, and of all that a child spent."""
        return self.usage if self.child is None else self.usage + self.child.usage

    @property
    def whole_replayed_usage(self) -> Usage:
        """Of that, what was paid for before."""
        return self.replayed_usage if self.child is None else self.replayed_usage + self.child.replayed_usage


class CodeExecution(Record):
    """The code of one reply and what came of it."""

    blocks: list[Text]
    output: Text = ""
    error: Text | None = None
    """The exception's line, for instance "block 2, line 3: KeyError: 'plot'"."""
    lost: Text | None = None
    """Why the REPL was lost in this step, if it did."""
    # factories, for pydantic copies a default list by a walk through it
    variables: list[Text] = Field(default_factory=list)
    sub_calls: list[SubCall] = Field(default_factory=list[SubCall])
    omitted_sub_calls: OmittedSubCalls | None = None
    host_calls: list[HostFunctionCall] = Field(default_factory=list[HostFunctionCall])
    start: float = 0.0
    """Seconds since the run began."""
    seconds: float = 0.0

    @property
    def sub_call_count(self) -> int:
        omitted = self.omitted_sub_calls.count if self.omitted_sub_calls else 0
        return sum((call.model_calls for call in self.sub_calls), omitted)

    @property
    def failed_sub_call_count(self) -> int:
        omitted = self.omitted_sub_calls.failed if self.omitted_sub_calls else 0
        return sum((call.failed_model_calls for call in self.sub_calls), omitted)

    @property
    def usage(self) -> Usage:
        omitted = self.omitted_sub_calls.usage if self.omitted_sub_calls else Usage()
        return sum((call.whole_usage for call in self.sub_calls), omitted)

    @property
    def replayed_usage(self) -> Usage:
        omitted = self.omitted_sub_calls.replayed_usage if self.omitted_sub_calls else Usage()
        return sum((call.whole_replayed_usage for call in self.sub_calls), omitted)


class Iteration(Record):
    """One call of the root LM, the code of its reply, and what the root was shown next."""

    number: int
    call: ModelCall
    reply: Text
    """Empty where the call failed: `call.error` says why."""
    execution: CodeExecution | None = None
    checks: list[AnswerCheck] = Field(default_factory=list[AnswerCheck])
    """Those of the answer that it came to, up to the first that refused it."""
    observation: Text | None = None
    """What the root was shown of it; None where the run ended with this iteration."""
    last_call: bool = False
    """Whether this was the extra call after a limit was met."""
    folds: list[Fold] = Field(default_factory=list[Fold])
    """Summaries that the root LM was asked for after this iteration, or amid it where `call` was refused as too long:
    the last one at most was taken."""

    @property
    def root_usage(self) -> Usage:
        """Of all calls of the root LM."""
        return sum((fold.call.usage for fold in self.folds), self.call.usage)

    @property
    def replayed_root_usage(self) -> Usage:
        """Of that, what was paid for before."""
        calls = (self.call, *(fold.call for fold in self.folds))
        return sum((call.usage for call in calls if call.replayed), Usage())


class RLMTrace(Record):
    """The whole tree of a run; in a `SubCall`, of a child RLM, whose question is the prompt and whose times are the
    run's.
    """

    version: Literal[1] = 1
    question: Text
    context: Text
    """What the corpus was, in a line: "240 documents, 12,345 characters"."""
    shown_whole: bool = False
    """Whether the root LM saw all of it before its first reply."""
    route: Way = "rlm"
    """How the answer was come by: by code, or by the root LM alone, which saw all of the corpus."""
    route_why: Text = ""
    """Why that way; "" where the user said so."""
    session: str | None = None
    """The id of the session that the question belongs to, and its number in that, from 1. None: of no session."""
    question_number: int | None = None
    journal: JournalState | None = None
    """What the journal had of the run when it began; None where it has none."""
    limits: RLMLimits
    sandbox: str = ""
    """What ran the code; empty where none was run."""
    isolation: dict[str, str] = Field(default_factory=dict[str, str])
    """Its layers, and how each stands."""
    opening: list[TraceMessage] = Field(default_factory=list[TraceMessage])
    iterations: list[Iteration] = Field(default_factory=list[Iteration])
    omitted_iterations: OmittedIterations | None = None
    citations: list[Citation] = Field(default_factory=list[Citation])
    answer: Text = ""
    stop_reason: StopReason | None = None
    """None where the run failed."""
    error: Text | None = None
    agreement: Agreement | None = None
    """Of two blind runs (`Twice`), of which this is the one whose answer was given; None where there was one."""
    attempt: int = 1
    """Its place among the runs of its question, from 1: with `Twice` it says whose answer was given."""
    beside: list[RLMTrace] = Field(default_factory=lambda: list[RLMTrace]())
    """The other runs of the same question, in their order. Totals count them."""
    warnings: list[Text] = Field(default_factory=list[Text])
    """What the user should know of the models: a server that counts no tokens, for one."""
    seconds: float = 0.0
    detail: Literal["full", "summary"] = "full"
    contents: bool = True
    """False where sizes and hashes stand in place of texts: see `redacted`."""

    @property
    def executions(self) -> list[CodeExecution]:
        return [iteration.execution for iteration in self.iterations if iteration.execution]

    def tree(self) -> Iterator[RLMTrace]:
        """This trace and those of all children below it, in the order in which they were called."""
        yield self
        for execution in self.executions:
            for call in execution.sub_calls:
                if call.child is not None:
                    yield from call.child.tree()

    @property
    def iteration_count(self) -> int:
        own = len(self.iterations) + (self.omitted_iterations.count if self.omitted_iterations else 0)
        return sum((trace.iteration_count for trace in self.beside), own)

    @property
    def fold_count(self) -> int:
        """How often the root LM was asked for a summary of its older iterations."""
        omitted = self.omitted_iterations.folds if self.omitted_iterations else 0
        return sum((len(iteration.folds) for iteration in self.iterations), omitted)

    @property
    def sub_call_count(self) -> int:
        omitted = self.omitted_iterations.sub_calls if self.omitted_iterations else 0
        own = sum((execution.sub_call_count for execution in self.executions), omitted)
        return sum((trace.sub_call_count for trace in self.beside), own)

    @property
    def failed_sub_call_count(self) -> int:
        omitted = self.omitted_iterations.failed_sub_calls if self.omitted_iterations else 0
        own = sum((execution.failed_sub_call_count for execution in self.executions), omitted)
        return sum((trace.failed_sub_call_count for trace in self.beside), own)

    @property
    def root_usage(self) -> Usage:
        omitted = self.omitted_iterations.root_usage if self.omitted_iterations else Usage()
        own = sum((iteration.root_usage for iteration in self.iterations), omitted)
        return sum((trace.root_usage for trace in self.beside), own)

    @property
    def sub_usage(self) -> Usage:
        omitted = self.omitted_iterations.sub_usage if self.omitted_iterations else Usage()
        own = sum((execution.usage for execution in self.executions), omitted)
        return sum((trace.sub_usage for trace in self.beside), own)

    @property
    def usage(self) -> Usage:
        """Of the whole tree, root calls and sub-calls, and of the runs beside it. What came from a journal, and was
        paid for before, counts too."""
        return self.root_usage + self.sub_usage

    @property
    def replayed_usage(self) -> Usage:
        """Of that, what came from the journal, and was paid for before."""
        omitted = self.omitted_iterations.replayed_usage if self.omitted_iterations else Usage()
        root = sum((each.replayed_root_usage for each in self.iterations), omitted)
        own = sum((execution.replayed_usage for execution in self.executions), root)
        return sum((each.replayed_usage for each in self.beside), own)

    @property
    def paid_usage(self) -> Usage:
        """What this call of the engine paid for: `usage` without what came from the journal."""
        return self.usage - self.replayed_usage

    def redacted(self, key: bytes | None = None) -> RLMTrace:
        """A copy without what anybody wrote, for logs, tickets and colleagues.

        In place of each text of documents, prompts, replies, code, output, answers, errors, ids and metadata stands how
        long it is, and a hash. Numbers, times, tokens and cost, stop reasons, and the names of models, tools and checks
        stay, and of errors the names of exceptions that Python and the providers' packages have.

        Args:
            key: Secret bytes that the hashes are made with: under one key equal texts have equal hashes, in several
                traces too. By default each call has a fresh one, so that nobody finds out a short text by trying.
        """
        return redacted(self, key).model_copy(update={"contents": False})

    def to_html(self, path: str | os.PathLike[str], documents: Mapping[str, str] | None = None) -> None:
        """Write it as one HTML page, which any browser opens without a network: timeline, steps, calls, search.

        It holds all that the trace holds, so a new file is its owner's alone (mode 0600).

        Args:
            path: The file. What stood in it is replaced.
            documents: Their texts, by id: each quote that was cited from one of them is shown amid its words there.

        Raises:
            OSError: It cannot be written.
        """
        from rlm_integrations.trace_page.page import write_page

        write_page(self.model_dump(mode="json"), path, documents or {})

    def _repr_html_(self) -> str:
        """How a notebook shows it: short, as its repr."""
        from rlm_integrations.trace_page.card import card

        return card(self, "trace.to_html(path)  # the whole run as a page")

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """How large it is: asyncio, debuggers and notebooks take the repr of a run's result unasked."""
        yield "question", one_line(self.question, 80)
        yield "stop_reason", self.stop_reason
        if self.error is not None:
            yield "error", one_line(self.error, 80)
        yield "iterations", self.iteration_count
        yield "sub_calls", self.sub_call_count
        yield "seconds", round(self.seconds, 3)

    @classmethod
    def of(cls, carrier: object) -> RLMTrace:
        """The trace that a LangChain message, a LlamaIndex response or an RLMResult carries.

        A message may be a ToolMessage that has it in its artifact, a dict as messages are dumped and kept by
        checkpoints, or within an output that holds one (`with_sources`, `include_raw`).

        Raises:
            InvalidArgumentError: It carries none.
        """
        trace: object = getattr(carrier, "trace", None)
        if isinstance(trace, RLMTrace):
            return trace
        if (found := find_trace(carrier)) is not None:
            return cls.model_validate(found)
        raise InvalidArgumentError(
            f"carrier: this {type(carrier).__name__} carries no RLM trace; pass what RLMRunnable, RLMQueryEngine or "
            'RLMEngine returned, made with trace="summary" or "full"'
        )


for _kind in (SubCall, CodeExecution, Iteration):  # pydantic would do it amid the first run
    _kind.model_rebuild()
