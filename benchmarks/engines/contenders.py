"""The engines that stand side by side, and how one is measured: in a process of its own environment."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fresh_process import ENGINE_LIMIT_S, ROOT, printed_by
from benchmarks.row import OURS

PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
_RECURSIVE_LLM_PYTHON = ROOT / ".venv-bench-recursive-llm" / "bin" / "python"


@dataclass(frozen=True)
class Contender:
    name: str
    module: str
    """In this folder."""
    python: Path = PEERS_PYTHON
    environment: tuple[tuple[str, str], ...] = ()
    largest_mb: float = 1_000
    """It is measured on no larger corpus: it would take minutes, or more memory than may be used."""
    is_slow: bool = False
    """Whether a turn of it takes so long that fewer are enough."""

    def measure(self, measurement: str, mb: float, times: int) -> float:
        """Milliseconds, or what else the measurement gives. Raises CouldNotRunError."""
        asked = [measurement, "--mb", str(min(mb, self.largest_mb)), "--times", str(times)]
        figure: float = printed_by(
            self.python, f"benchmarks.engines.{self.module}", asked, dict(self.environment), ENGINE_LIMIT_S
        )
        return figure


THIS_ENGINE = Contender(OURS, "this_engine", Path(sys.executable))
PEERS = (
    Contender("rlms local", "rlms_local"),
    Contender("minrlm local", "minrlm_local", largest_mb=100),
    Contender(
        "dspy Deno",
        "dspy_rlm",
        environment=(("RLM_BENCH_INTERPRETER", "deno"), ("NO_COLOR", "1")),
        largest_mb=100,
        is_slow=True,
    ),
    Contender(
        "dspy local", "dspy_rlm", environment=(("RLM_BENCH_INTERPRETER", "local"),), largest_mb=100, is_slow=True
    ),
    Contender("droste native", "droste_native"),
    Contender("predict-rlm local", "predict_rlm_local", largest_mb=100, is_slow=True),
    Contender(
        "recursive-llm",
        "recursive_llm",
        _RECURSIVE_LLM_PYTHON,
        environment=(("LITELLM_LOCAL_MODEL_COST_MAP", "True"),),  # else it looks for prices in the network
    ),
)
