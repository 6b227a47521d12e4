"""What a batch of sub-calls will cost, about: said before it is sent."""

from __future__ import annotations

from rlm_integrations.core.calls.prices import Pricing
from rlm_integrations.core.usage import Usage

_CHARS_PER_TOKEN = 4
_FIRST_REPLY_TOKENS = 200
"""Assumed of a reply while none is there to go by."""


class Estimates:
    """Of one model in one run, from prices where they are known, else from what its calls so far were said to cost."""

    def __init__(self, pricing: Pricing | None, name: str | None) -> None:
        """`name` is what the model is called before it has replied."""
        self._pricing = pricing
        self._name = name
        self._calls = self._tokens = self._output_tokens = 0
        self._cost_usd: float | None = None

    def see(self, usage: Usage, name: str | None) -> None:
        """One reply has come."""
        self._calls += 1
        self._tokens += usage.total_tokens
        self._output_tokens += usage.output_tokens
        if usage.cost_usd is not None:
            self._cost_usd = (self._cost_usd or 0.0) + usage.cost_usd
        self._name = name or self._name

    def cost_usd(self, calls: int, chars: int) -> float | None:
        """About what so many calls cost, whose prompts have so many characters in all. None where nobody knows."""
        each = self._output_tokens / self._calls if self._calls else _FIRST_REPLY_TOKENS
        usage = Usage(input_tokens=chars // _CHARS_PER_TOKEN, output_tokens=round(calls * each))
        cost = None if self._pricing is None else self._pricing.cost_usd(usage, self._name)
        if cost is None and self._cost_usd is not None and self._tokens:
            return self._cost_usd / self._tokens * usage.total_tokens
        return cost
