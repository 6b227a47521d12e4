"""What model calls consumed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Usage(BaseModel):
    """Tokens, and cost where the model reported one, of one call or of many.

    `input_tokens` includes `cached_tokens`, and `output_tokens` includes `reasoning_tokens`, as
    providers count them. `cost_usd` is the sum of the costs that were reported, None when none was.
    `estimated_tokens` are those, of input and output, that no server counted: a token for every four characters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated_tokens: int = 0
    cost_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __sub__(self, other: Usage) -> Usage:
        """What is left of it, without the other, which is a part of it."""
        cost = self.cost_usd
        if cost is not None and other.cost_usd is not None:
            cost = max(0.0, cost - other.cost_usd)
        return Usage(
            input_tokens=self.input_tokens - other.input_tokens,
            output_tokens=self.output_tokens - other.output_tokens,
            cached_tokens=self.cached_tokens - other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens - other.reasoning_tokens,
            estimated_tokens=self.estimated_tokens - other.estimated_tokens,
            cost_usd=cost,
        )

    def __add__(self, other: Usage) -> Usage:
        if vars(other) == _NOTHING:  # as most of what is summed up: pydantic takes ten times as long to make one
            return self
        if vars(self) == _NOTHING:
            return other
        costs = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            estimated_tokens=self.estimated_tokens + other.estimated_tokens,
            cost_usd=sum(costs) if costs else None,
        )


_NOTHING = vars(Usage())
