"""The RLM itself, at a depth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rlm_integrations.compare.asking import Asker, Models
from rlm_integrations.compare.attempt import Answered
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.limits import Route
from rlm_integrations.engine import RLMEngine

_USUAL_SHARE = 2
"""How often a corpus is read in all, about: some questions read none of it, few read it twice."""


@dataclass(frozen=True)
class RLM:
    """An RLM. `depth` 0: no sub-calls; 1: plain ones; from 2 on there are child RLMs. `options` are RLMEngine's."""

    depth: int = 1
    route: Route = "rlm"
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def name(self) -> str:
        return f"RLM depth {self.depth}" + (" (auto)" if self.route == "auto" else "")

    async def answer(self, question: str, corpus: Corpus, models: Models, asker: Asker) -> Answered:
        """Raises what RLMEngine.arun raises."""
        engine = RLMEngine(
            models.llm,
            sub_llm=models.sub_llm,
            limits=models.limits.model_copy(update={"max_depth": self.depth}),
            prices=models.prices,
            route=self.route,
            **self.options,
        )
        result = await engine.arun(question, corpus)
        met = result.stop_reason not in ("answer", "plain_reply")
        limit = result.stop_reason if met else None
        return Answered(result.text, result.citations, trace=result.trace, limit=limit)

    def estimated(self, corpus: Corpus, models: Models) -> tuple[int, int]:
        """About how many calls and input tokens a question takes: an order of magnitude, for code decides."""
        read = corpus.chars // 4 * _USUAL_SHARE if self.depth else 0
        return 4 + read // 25_000, 15_000 + read
