"""What tokens cost, where it is the user who knows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NotRequired, Protocol, TypedDict, cast

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import error_words
from rlm_integrations.frozen import frozen

_FORM = '{"input_price": ..., "output_price": ...}'


class ModelPrices(TypedDict):
    """US dollars per million tokens."""

    input_price: float
    output_price: float
    cached_input_price: NotRequired[float]
    """Of input that the provider had cached; without it, input_price."""


PriceFunction = Callable[[str, Usage], float | None]
"""(name of the model as its reply gives it, what one call consumed) -> US dollars, or None where that is unknown.

Called on the run's event loop, after each call, and before a batch with what that is assumed to consume: it must be
quick, and no more than a price list.
"""

PriceSource = ModelPrices | Literal["reported", "genai"] | PriceFunction
"""What tokens of one model cost: so much; what its server reports; what genai-prices lists; what a function says."""


class RunPrices(TypedDict, total=False):
    """The prices of a run's models; "reported" for one whose server reports the cost of each call, as OpenRouter does.

    Without `sub_llm`, those of `llm` hold for sub-calls too, where the same model answers them.
    """

    llm: PriceSource
    sub_llm: PriceSource


PricesOption = RunPrices | Literal["reported", "genai"] | PriceFunction
"""Prices of each model, or one source of them for both."""


class Pricing(Protocol):
    """What calls of a model cost, as far as that is known."""

    wants: str
    """Why it does not know what it does not."""

    def cost_usd(self, usage: Usage, model: str | None) -> float | None: ...


@frozen
class Prices:
    """US dollars per million tokens."""

    input: float
    output: float
    cached_input: float

    wants = ""

    @classmethod
    def of(cls, input: float | None, output: float | None, cached_input: float | None) -> Prices | None:
        """None where no price is given.

        Raises InvalidArgumentError where one of the two is missing, and for what is no price.
        """
        if input is None and output is None and cached_input is None:
            return None
        if input is None or output is None:
            missing = "input_price" if input is None else "output_price"
            raise InvalidArgumentError(f"{missing}: missing; a cost needs input_price and output_price both")
        cached_input = input if cached_input is None else cached_input
        _check_price(input, "input_price")
        _check_price(output, "output_price")
        _check_price(cached_input, "cached_input_price")
        return cls(input, output, cached_input)

    def cost_usd(self, usage: Usage, model: str | None = None) -> float:
        """What so many tokens cost."""
        fresh = max(0, usage.input_tokens - usage.cached_tokens)
        millionths = fresh * self.input + usage.cached_tokens * self.cached_input + usage.output_tokens * self.output
        return millionths / 1_000_000


class FunctionPricing:
    """What the user's function says. What it raises, or returns that is no price, leaves the cost unknown."""

    def __init__(self, function: PriceFunction) -> None:
        self._function = function
        self.wants = "the function of prices returned None"

    def cost_usd(self, usage: Usage, model: str | None) -> float | None:
        try:
            said: object = self._function(model or "", usage)
            if type(said) in (int, float) and 0 <= cast(float, said) < math.inf:
                return float(cast(float, said))
            if said is not None:
                self.wants = f"the function of prices returned {said!r:.80}, which is no price in US dollars"
        except BaseException as error:  # the reply was paid for: whatever this is, its tokens are still to be counted
            self.wants = f"the function of prices raised {error_words(error)}"
        return None


def unknown_cost(pricing: Pricing, model: str | None) -> str:
    """That nobody knows what calls of the model cost, and why."""
    return f"prices: what calls of {model or 'a model without a name'} cost is unknown ({pricing.wants})"


def read_prices(
    value: object, argument: Literal["llm", "sub_llm"]
) -> Prices | FunctionPricing | Literal["reported", "genai"] | None:
    """What the argument `prices` of an engine says of a model; None where it says nothing.

    Raises InvalidArgumentError where it has not the form of RunPrices.
    """
    if value is None or value in ("reported", "genai"):
        return value
    if callable(value):
        return FunctionPricing(cast(PriceFunction, value))
    if not isinstance(value, Mapping):
        raise InvalidArgumentError(
            f'prices: {type(value).__name__} given; pass prices={{"llm": {_FORM}}}, "genai", or a '
            "function(model, usage) that returns US dollars or None"
        )
    by_model = cast("Mapping[object, object]", value)
    unknown = [name for name in by_model if name not in ("llm", "sub_llm")]
    if unknown:
        raise InvalidArgumentError(
            f'prices: unknown name {unknown[0]!r:.80}; prices are those of "llm" or "sub_llm", as {{"llm": {_FORM}}}'
        )
    given = by_model.get(argument)
    if given is None:
        return None
    if given in ("reported", "genai"):
        return given
    if callable(given):
        return FunctionPricing(cast(PriceFunction, given))
    if not isinstance(given, Mapping):
        raise InvalidArgumentError(f'prices: {argument}={given!r:.80}; pass {_FORM}, "genai", "reported" or a function')
    prices = {str(name): price for name, price in cast("Mapping[object, Any]", given).items()}
    unknown = [name for name in prices if name not in ModelPrices.__annotations__]
    if unknown:
        names = ", ".join(ModelPrices.__annotations__)
        raise InvalidArgumentError(f"prices: {argument} has the unknown name {unknown[0]!r:.80}; the names are {names}")
    try:
        return Prices.of(*(prices.get(name) for name in ("input_price", "output_price", "cached_input_price")))
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"prices: {argument}: {error}") from None


def check_cost_is_known(
    limits: RLMLimits, argument: str, model: object, prices: Pricing | Literal["reported", "genai"] | None
) -> None:
    """Raises InvalidArgumentError where a limit in money is set, and nobody says what calls of the model cost."""
    if limits.max_cost_usd is None or prices is not None or getattr(model, "reports_cost", True):
        return
    raise InvalidArgumentError(
        f"limits: max_cost_usd is set, and what a call of {argument} costs is unknown; pass "
        f'prices={{"{argument}": {_FORM}}} in US dollars per million tokens, prices="genai" '
        f'(the list of genai-prices), or prices={{"{argument}": "reported"}} '
        "where its server reports the cost of each call, as OpenRouter does, or use max_total_tokens"
    )


def _check_price(price: object, name: str) -> None:
    if isinstance(price, bool) or not isinstance(price, (int, float)) or not math.isfinite(price):
        raise InvalidArgumentError(f"{name}: {price!r:.80} is no price; pass US dollars per million tokens")
    if price < 0:
        raise InvalidArgumentError(f"{name}: {price!r} is negative; pass US dollars per million tokens")
