"""How methods ask models: through the gate that runs go through, with limits, prices and a record of each call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rlm_integrations.compare.attempt import Round
from rlm_integrations.core.calls.budget import Budget
from rlm_integrations.core.calls.end_together import side_by_side
from rlm_integrations.core.calls.endings import unfinished
from rlm_integrations.core.calls.model_calls import ModelCalls
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.calls.prices import PricesOption, Pricing, read_prices
from rlm_integrations.core.calls.slots import Waiting
from rlm_integrations.core.calls.token_counts import prompt_chars, silently_cut
from rlm_integrations.core.errors import RLMError
from rlm_integrations.core.language_model import LanguageModel, Message
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.usage import Usage

BYTES_PER_TOKEN = 4
"""Of UTF-8, about."""


class NoReplyError(RLMError):
    """A model gave no whole reply."""


class TooLongError(RLMError):
    """The texts do not fit the model's window; nothing was sent."""


def tokens_of(text: str) -> int:
    """About so many tokens."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


@dataclass(frozen=True)
class Models:
    """Whom methods ask, and within which bounds. `limits` holds for one question by one method."""

    llm: LanguageModel
    sub_llm: LanguageModel
    limits: RLMLimits = field(default_factory=RLMLimits)
    prices: PricesOption | None = None

    def window(self, model: LanguageModel) -> int | None:
        """Tokens of its window, where it is known."""
        known: Any = getattr(model, "max_input_tokens", None)
        told = [each for each in (known, self.limits.max_input_tokens) if isinstance(each, int) and each > 0]
        return min(told, default=None)

    def pricing(self, argument: Literal["llm", "sub_llm"], model: LanguageModel) -> Pricing | None:
        """What its tokens cost, where the user or the model says so. Raises InvalidArgumentError."""
        told = read_prices(self.prices, argument)
        if told is None and argument == "sub_llm" and model is self.llm:
            told = read_prices(self.prices, "llm")
        if told == "genai":
            from rlm_integrations.pricing.genai import GenaiPricing  # a dependency of an extra's

            return GenaiPricing(model)
        return None if told == "reported" else told


class Asker:
    """Asks for one question by one method, and keeps account."""

    def __init__(self, models: Models) -> None:
        self._calls = ModelCalls(Budget(models.limits, time.monotonic))
        root, sub = models.pricing("llm", models.llm), models.pricing("sub_llm", models.sub_llm)
        self._root = ModelPath(models.llm, "llm", None, root)
        self._sub = ModelPath(models.sub_llm, "sub_llm", None, sub)
        self._waiting = Waiting()
        self.rounds: list[Round] = []
        self.cut: str | None = None
        """In words how much of a prompt a server read, where it read too little."""

    @property
    def usage(self) -> Usage:
        return sum((usage for each in self.rounds for usage in each), Usage())

    @property
    def calls(self) -> int:
        return sum(map(len, self.rounds))

    async def ask(self, messages: Sequence[Message]) -> str:
        """The root LM's reply. Raises as `ask_all` does."""
        [reply] = await self._round(self._root, [messages])
        return reply

    async def ask_all(self, prompts: Sequence[Sequence[Message]]) -> list[str]:
        """The sub-LM's replies, `max_concurrency` at once.

        Raises BudgetError where a limit is met, NoReplyError for what is no whole reply, and what the model raises.
        """
        return await self._round(self._sub, prompts)

    async def _round(self, model: ModelPath, prompts: Sequence[Sequence[Message]]) -> list[str]:
        done: list[Usage] = []
        self._calls.budget.reserve(len(prompts))
        try:
            return await side_by_side(self._one(model, messages, done) for messages in prompts)
        finally:
            self.rounds.append(tuple(done))

    async def _one(self, model: ModelPath, messages: Sequence[Message], done: list[Usage]) -> str:
        completion = await self._calls.sub_call(model, messages, self._waiting, _nothing)
        done.append(completion.usage)
        self.cut = self.cut or silently_cut(messages, prompt_chars(messages), completion)
        if (problem := unfinished(completion)) is not None:
            raise NoReplyError(problem)
        return completion.text


async def _nothing() -> None: ...
