"""RLMLimits: one set of bounds for the whole tree of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rlm_integrations.core.errors import InvalidArgumentError

StopReason = Literal[
    "answer",
    "plain_reply",
    "max_iterations",
    "max_sub_calls",
    "max_total_tokens",
    "max_cost",
    "timeout",
    "max_input_tokens",
]
"""Why a run ended. All but the first two name a limit; the last is the window of the root LM."""
Route = Literal["rlm", "auto"]
"""What the user wants: code over the corpus, or that only where a direct answer would not do."""
Way = Literal["rlm", "direct"]
"""How an answer is come by."""


class RLMLimits(BaseModel):
    """Bounds of a run, and of sessions between questions. Unknown names, and values out of range, are refused.

    They raise InvalidArgumentError.

    Iterations are counted for each node of the tree, everything else for the whole tree. Calls are
    exact: reserved before they are sent. Tokens and cost are known only afterwards, so they may be
    overshot by the calls in flight. When a limit is met the root gets one last call, outside these bounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_iterations: int = Field(default=20, ge=1)
    """Replies of the root LM."""
    max_depth: int = Field(default=1, ge=0, le=8)
    """0: no sub-calls. 1: the root LM calls plain LMs. 2 and more: RLMs too, which call RLMs in turn."""
    max_sub_calls: int = Field(default=1000, ge=0)
    """Model calls below the root: those of the code, each reply of the root LM of a child RLM, and each reply of a
    sub-LM after calls of its tools."""
    max_repls: int = Field(default=8, ge=1)
    """Child RLMs at work at once; one that waits for children of its own is not. Each has a REPL: a process."""
    max_tool_calls: int = Field(default=10_000, ge=0)
    """Calls of tools, the sub-LMs' too, and of `retrieve`: these may cost money too, and each is kept in the trace."""
    max_tool_rounds: int = Field(default=10, ge=1)
    """Replies of a sub-LM in one sub-call that may call its tools (`sub_tools`): then it is asked to reply without."""
    max_concurrency: int = Field(default=32, ge=1)
    """Model and tool calls open at once."""
    max_total_tokens: int | None = Field(default=2_000_000, ge=1)
    max_cost_usd: float | None = Field(default=None, gt=0)
    """US dollars. Needs the engine's `prices`, or models that report their cost."""
    timeout_s: float | None = Field(default=None, gt=0)
    """Seconds for the run, last call included."""
    call_timeout_s: float = Field(default=600.0, gt=0)
    """Seconds for one model call."""
    step_timeout_s: float = Field(default=120.0, gt=0)
    """Seconds a step may run while no call is open, and its CPU time always."""
    memory_mb: int | None = Field(default=None, ge=64)
    """Memory of the REPL on top of the corpus. None: the larger of 1024 and three times the corpus."""
    max_output_chars: int = Field(default=8192, ge=200)
    """What the root sees of one iteration's output; less when its window is known to be small."""
    max_input_tokens: int | None = Field(default=None, ge=1_000)
    """Tokens of what a root LM reads at once: before that, older iterations are folded into a summary that it writes.
    None: its window, where the model says it. Of both the smaller one counts."""
    inline_chars: int = Field(default=8_000, ge=0)
    """A context of at most so many characters, ids and metadata included, is shown to the root whole. 0: never."""
    direct_tokens: int | None = Field(default=None, ge=0)
    """With `route="auto"`, up to how many tokens a corpus is short. None: 16,000, or half of the root LM's window where
    that is less; 4,096 where nobody says what its window is."""
    preview_chars: int = Field(default=400, ge=0)
    """How much of the sample document the root sees unasked; of a long one half as much. 0: none."""
    message_chars: int = Field(default=20_000, ge=5_000)
    """A message of the question that is longer becomes a document of the corpus."""
    max_sessions: int = Field(default=32, ge=1)
    """Sessions of the process that keep their REPL between questions. Of more, the one that rested longest ends."""
    session_idle_s: float | None = Field(default=1800.0, gt=0)
    """Seconds after which a REPL that rests between questions ends: its session goes on without its variables."""
    sessions_memory_mb: int | None = Field(default=4096, ge=64)
    """Memory that all REPLs that rest hold together."""

    # The checkers keep the exact signature; users get errors that name the remedy.
    if not TYPE_CHECKING:  # pragma: no branch

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise InvalidArgumentError(_explain(error)) from None

    @classmethod
    def of(cls, value: RLMLimits | Mapping[str, Any] | None) -> RLMLimits:
        """The limits as they were passed: an RLMLimits, a dict of some of its fields, or None."""
        if value is None:
            return cls()
        if isinstance(value, RLMLimits):
            return value
        if not isinstance(value, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidArgumentError(
                f"limits: {type(value).__name__} given; pass RLMLimits(...) or a dict of its fields"
            )
        return cls(**{str(name): bound for name, bound in value.items()})


_OTHER_NAMES = {
    "max_iterations": "iterations max_iter max_iters steps max_steps turns max_turns recursion_limit",
    "max_depth": "depth recursion_depth max_recursion_depth",
    "max_sub_calls": "sub_calls max_calls max_llm_calls",
    "max_concurrency": "concurrency max_workers",
    "max_total_tokens": "max_tokens token_limit total_tokens",
    "max_cost_usd": "cost max_cost budget max_budget",
    "timeout_s": "timeout max_timeout max_time max_execution_time",
    "call_timeout_s": "call_timeout request_timeout",
    "max_output_chars": "max_output",
    "message_chars": "max_message_chars",
}
_BY_OTHER_NAME = {other: name for name, others in _OTHER_NAMES.items() for other in others.split()}


def limit_named(name: str) -> str | None:
    """The limit of that name, or that other libraries call so."""
    return name if name in RLMLimits.model_fields else _BY_OTHER_NAME.get(name)


def limit_meant(name: str) -> str | None:
    """The limit that a name stands for: `limit_named`, or one that is written much like it."""
    if (limit := limit_named(name)) is not None:
        return limit
    import difflib  # for mistakes alone

    return next(iter(difflib.get_close_matches(name, RLMLimits.model_fields, n=1, cutoff=0.8)), None)


def _explain(error: ValidationError) -> str:
    lines: list[str] = []
    for problem in error.errors(include_url=False):
        name = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            meant = limit_meant(name)
            hint = f"did you mean {meant!r}?" if meant else f"the limits are {', '.join(RLMLimits.model_fields)}"
            lines.append(f"limits: unknown name {name!r}; {hint}")
        else:
            lines.append(f"limits: {name}={problem['input']!r}: {problem['msg'][:1].lower()}{problem['msg'][1:]}")
    return "; ".join(lines)
