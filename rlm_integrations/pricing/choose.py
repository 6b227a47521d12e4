"""`prices=` of an engine: what says what the tokens of its two models cost."""

from __future__ import annotations

from typing import Literal

from rlm_integrations.core.calls.prices import PricesOption, Pricing, check_cost_is_known, read_prices
from rlm_integrations.core.language_model import LanguageModel
from rlm_integrations.core.limits import RLMLimits


def resolve_prices(
    prices: PricesOption | None, limits: RLMLimits, llm: LanguageModel, sub_llm: LanguageModel
) -> tuple[Pricing | None, Pricing | None]:
    """That of the root LM, and that of the sub-LM. None: their servers say what calls cost, or nobody does.

    Raises InvalidArgumentError for prices that are none, or that `max_cost_usd` needs and nobody gave;
    MissingExtraError where genai-prices is wanted and not installed.
    """
    root, sub = read_prices(prices, "llm"), read_prices(prices, "sub_llm")
    if sub is None and _served_by(sub_llm) is _served_by(llm):
        sub = root
    check_cost_is_known(limits, "llm", llm, root)
    if limits.max_depth and limits.max_sub_calls:
        check_cost_is_known(limits, "sub_llm", sub_llm, sub)
    return _pricing(root, llm), _pricing(sub, sub_llm)


def _pricing(prices: Pricing | Literal["reported", "genai"] | None, model: LanguageModel) -> Pricing | None:
    if prices == "genai":
        from rlm_integrations.pricing.genai import GenaiPricing  # a dependency of an extra's

        return GenaiPricing(model)
    return None if prices == "reported" else prices


def _served_by(model: LanguageModel) -> object:
    return getattr(model, "served_by", model)
