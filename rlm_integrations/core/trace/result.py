"""RLMResult: what a run gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, get_args

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.limits import StopReason
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.evidence import Evidence
from rlm_integrations.core.trace.records import Agreement, RLMTrace
from rlm_integrations.core.trace.summary import summarise
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import plural, shortened, value_words

AnswerT = TypeVar("AnswerT")
TraceDetail = Literal["none", "summary", "full"]

_OBJECTION_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class RLMResult(Generic[AnswerT]):
    """The answer of a run, with its evidence and its trace.

    In the result that a failed run's error carries, `answer` is the draft that stood in the REPL (a str), or the answer
    that a check of `verify=` broke on, and `stop_reason` is None unless a limit was met.
    """

    answer: AnswerT
    """A str, or a value of the engine's `answer_type`."""
    text: str
    """The answer as text; JSON where it is not a str."""
    citations: tuple[Citation, ...]
    """Quotes that the host found in its own copy of the corpus."""
    evidence: Evidence = field(repr=False, compare=False)
    """Which documents it rests on, and which places of them were sent or printed."""
    stop_reason: StopReason | None
    trace: RLMTrace
    verified: bool | None = None
    """Whether all checks of `verify=` took the answer; None where there are none, and of a run that failed."""
    objection: str | None = None
    """What the check said that refused it. Such an answer is handed back at a limit alone."""
    agreement: Agreement | None = None
    """Of two blind runs, with `verify=Twice()`: "agreed", "reconciled" or "differed". None without, and where a limit
    left room for one."""
    answers: tuple[AnswerT, ...] = ()
    """What the two answered, with Twice."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Ids of documents: cited ones first, then those whose text went to sub-calls, then those
        printed, then those of which sub-LMs saw pictures.

        Found when first asked for, which may take a while after much was read: `await evidence.find_async()` first
        where an event loop must not wait.
        """
        return self.evidence.sources

    @property
    def usage(self) -> Usage:
        """Of the whole tree, and of all runs with Twice."""
        return self.trace.usage

    def _repr_html_(self) -> str:
        """How a notebook shows it: short."""
        from rlm_integrations.trace_page.card import card

        return card(self.trace, "result.trace.to_html(path)  # the whole run as a page")

    def report(self, trace: TraceDetail = "summary") -> dict[str, Any]:
        """What travels in a framework's response: plain JSON. A summary of the trace has at most 16 KB.

        Raises:
            InvalidArgumentError: `trace` is something else than "none", "summary" or "full".
        """
        if trace not in get_args(TraceDetail):
            raise InvalidArgumentError(f'trace: {value_words(trace)} is unknown; pass "none", "summary" or "full"')
        shown = summarise(self.trace) if trace == "summary" else self.trace
        found: dict[str, Any] = {} if self.verified is None else {"verified": self.verified}
        if self.objection is not None:
            found["objection"] = shortened(self.objection, _OBJECTION_CHARS)
        if self.agreement is not None:
            found["agreement"] = self.agreement
        if self.trace.journal in ("resumed", "finished"):
            found |= {"journal": self.trace.journal, "replayed_tokens": self.trace.replayed_usage.total_tokens}
        return {
            "trace": None if trace == "none" else ShownBriefly(shown.model_dump(mode="json")),
            "stop_reason": self.stop_reason,
            "sub_calls": self.trace.sub_call_count,
            "failed_sub_calls": self.trace.failed_sub_call_count,
            "citations": [citation.model_dump(mode="json") for citation in self.citations],
            **({"route": self.trace.route} if self.trace.route_why else {}),
            **found,
        }


class ShownBriefly(dict[str, Any]):
    """A trace as plain JSON, for which the repr of what carries it has a line in place of kilobytes."""

    def __repr__(self) -> str:
        omitted: dict[str, int] = self.get("omitted_iterations") or {}
        iterations = len(self.get("iterations", ())) + omitted.get("count", 0)
        return f"<{plural(iterations, 'iteration')}: RLMTrace.of(...)>"
