"""What is left of a run's limits. One budget serves the whole tree, on the run's event loop."""

from __future__ import annotations

from collections.abc import Callable

from rlm_integrations.core.limits import RLMLimits, StopReason
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import number, plural

_LAST_CALL_SHARE = 0.2
_LAST_CALL_SECONDS = 60.0
_COST_UNKNOWN = (
    "limits: max_cost_usd is set, but the model does not report its cost; pass prices="
    '{"llm": {"input_price": ..., "output_price": ...}} (and of "sub_llm", if that is another) in US dollars per '
    "million tokens, or use max_total_tokens"
)
_WITHOUT_A_COST = (
    'and limits.max_cost_usd is set, which cannot be kept so; pass prices={"llm": {"input_price": ..., "output_price": '
    "...}} in US dollars per million tokens, or a function(model, usage), or use max_total_tokens"
)

_NAMES = {"max_cost": "max_cost_usd", "timeout": "timeout_s"}
"""What limits are called in RLMLimits, where a StopReason has another name for them."""


class BudgetError(Exception):
    """A call was refused before it was sent. The message is for the root LM."""


class Budget:
    """Counts exactly what can be counted beforehand, and adds up the rest as it becomes known.

    `clock` gives seconds that only ever grow. Of `timeout_s` a share is kept back for the last call.
    """

    def __init__(self, limits: RLMLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._start = clock()
        self._reserved = 0
        self._tool_calls = 0
        self._refused_at_zero = False
        self._cost_unknown: str | None = None
        self.tokens = 0
        """Spent so far, of all calls."""
        self.cost_usd = 0.0
        """The same, as far as models report it."""

    @property
    def sub_calls_left(self) -> int:
        return self.limits.max_sub_calls - self._reserved

    def reserve(self, calls: int) -> None:
        """Set sub-calls aside, all or none. Raises BudgetError."""
        self.check()
        left = self.sub_calls_left
        if calls > left:
            self._refused_at_zero |= left == 0
            asked = plural(calls, "sub-call")
            raise BudgetError(f"{asked} asked for, {number(left)} left; nothing was sent")
        self._reserved += calls

    def check(self) -> None:
        """Raises BudgetError where a limit other than that of sub-calls is met, or the run cannot go on."""
        if self._cost_unknown is not None:
            raise BudgetError(f"the run cannot go on; nothing was sent ({self._cost_unknown})")
        spent = self._spent()
        if spent is not None:
            raise BudgetError(f"the run has reached {limit_words(spent, self.limits)}; nothing was sent")

    def release(self, calls: int) -> None:
        """Give back what was set aside and not sent."""
        self._reserved -= calls

    @property
    def tool_calls_left(self) -> int:
        return self.limits.max_tool_calls - self._tool_calls

    def count_tool_call(self) -> None:
        """One call of a tool or of `retrieve`. Raises BudgetError."""
        if self._tool_calls >= self.limits.max_tool_calls:
            made = plural(self.limits.max_tool_calls, "call")
            raise BudgetError(f"the {made} of tools and `retrieve` of this run are made; go on with what you have")
        self._tool_calls += 1

    def spend(self, usage: Usage, unknown: str | None = None) -> None:
        """Add what a call consumed. `unknown` says why its cost is not known, where it is not."""
        self.tokens += usage.total_tokens
        self.cost_usd += usage.cost_usd or 0.0
        if self.limits.max_cost_usd is not None and usage.cost_usd is None and self._cost_unknown is None:
            self._cost_unknown = f"{unknown}; {_WITHOUT_A_COST}" if unknown else _COST_UNKNOWN

    @property
    def problem(self) -> str | None:
        """Why the run cannot go on: `max_cost_usd` is set, and a model did not say what its call cost."""
        return self._cost_unknown

    def limit_met(self) -> StopReason | None:
        """The limit that ends the run now, if any."""
        used_up = self._refused_at_zero and self.sub_calls_left == 0
        return self._spent() or ("max_sub_calls" if used_up else None)

    def _spent(self) -> StopReason | None:
        limits = self.limits
        if limits.timeout_s is not None and self.seconds_left() <= 0:
            return "timeout"
        if limits.max_total_tokens is not None and self.tokens >= limits.max_total_tokens:
            return "max_total_tokens"
        if limits.max_cost_usd is not None and self.cost_usd >= limits.max_cost_usd:
            return "max_cost"
        return None

    def seconds_left(self, *, last_call: bool = False) -> float:
        """Until work must stop, or until the last call must have come back."""
        if self.limits.timeout_s is None:
            return float("inf")
        kept_back = 0.0 if last_call else min(_LAST_CALL_SECONDS, _LAST_CALL_SHARE * self.limits.timeout_s)
        return self.limits.timeout_s - kept_back - (self._clock() - self._start)

    def call_seconds(self, *, last_call: bool = False) -> float:
        """How long a model call that is sent now may take."""
        return max(0.0, min(self.limits.call_timeout_s, self.seconds_left(last_call=last_call)))

    def tokens_left_share(self) -> float:
        """From 1 down to 0."""
        if self.limits.max_total_tokens is None:
            return 1.0
        return max(0.0, 1.0 - self.tokens / self.limits.max_total_tokens)


def limit_words(reason: StopReason, limits: RLMLimits) -> str:
    """The limit, in words for the root LM and for errors."""
    words = {
        "max_iterations": f"the limit of {plural(limits.max_iterations, 'step')}",
        "max_sub_calls": f"the limit of {plural(limits.max_sub_calls, 'sub-call')}",
        "max_total_tokens": f"the limit of {number(limits.max_total_tokens or 0)} tokens",
        "max_cost": f"the limit of {limits.max_cost_usd} US dollars",
        "max_input_tokens": "the window of the root LM",
        "timeout": f"the limit of {limits.timeout_s or 0:g} s",
    }
    return words[reason]


def limit_with_its_name(reason: StopReason, limits: RLMLimits, of_all: RLMLimits | None = None) -> str:
    """The same for users, with what it is called in RLMLimits: "the limit of 90 s (timeout_s)".

    `of_all`: the user's own limits, where the run was one of several that share some of them.
    """
    words, named = limit_words(reason, limits), f"({_NAMES.get(reason, reason)})"
    if of_all is None or (whole := limit_words(reason, of_all)) == words:
        return f"{words} {named}"
    return f"{whole} {named}, of which this one of the runs of Twice had {words.removeprefix('the limit of ')}"
