"""What `ask` and `chat` give the engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rlm_integrations.cli.settings import NamedModels
from rlm_integrations.core.language_model import CodeProtocol
from rlm_integrations.core.limits import RLMLimits, Route
from rlm_integrations.core.run.checks import Twice
from rlm_integrations.core.run.plan import OnEvent
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.engine import RLMEngine


@dataclass(frozen=True)
class RunSettings:
    """Read from their options; those of `ask` alone have the engine's defaults."""

    models: NamedModels
    limits: RLMLimits
    sandbox: str | Sandbox
    protocol: CodeProtocol
    route: Route = "rlm"
    twice: bool = False
    """Whether two blind runs must agree."""
    journal: Path | None = None

    def engine(self, on_event: OnEvent) -> RLMEngine[str]:
        """Raises as RLMEngine does."""
        models = self.models
        return RLMEngine(
            models.root,
            sub_llm=models.sub,
            limits=self.limits,
            prices=models.prices,
            sandbox=self.sandbox,
            protocol=self.protocol,
            route=self.route,
            on_event=on_event,
            verify=Twice() if self.twice else None,
            journal=self.journal,
        )
