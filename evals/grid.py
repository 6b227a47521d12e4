"""All tasks by all methods: rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evals.clock import Latency, seconds_of
from evals.tasks import FAMILIES, Family, Task
from rlm_integrations import LanguageModel, RLMLimits
from rlm_integrations.compare import RLM, Attempt, Direct, MapReduce, Method, TopK
from rlm_integrations.compare.asking import Models
from rlm_integrations.compare.comparison import Bounds
from rlm_integrations.core.calls.prices import PricesOption
from rlm_integrations.core.corpus.corpus import Corpus

LENGTHS = (8_000, 32_000, 128_000, 512_000, 2_000_000, 10_000_000)
LONG_TOKENS = 2_000_000
_MOST_BM25_TOKENS = 2_000_000
"""Its index has a table for each passage."""
PART_CHARS = 60_000
WEAK = ", weak coder"
"""Behind the names of methods whose root LM gives up on some questions."""


@dataclass(frozen=True)
class Plan:
    """What is asked. `trials` tasks for each family, length and seed; from LONG_TOKENS on, one."""

    lengths: Sequence[int] = LENGTHS
    seeds: int = 3
    trials: int = 2
    families: Sequence[str] = ()
    """Names; none: all."""

    def tasks(self) -> Iterator[tuple[Family, Task, int]]:
        """Each with its family and its seed."""
        for family in FAMILIES:
            if self.families and family.name not in self.families:
                continue
            for tokens in self.lengths:
                if tokens > family.most_tokens:
                    continue
                trials = self.trials if tokens < LONG_TOKENS else 1
                for seed in range(self.seeds):
                    for trial in range(trials):
                        yield family, family.make(tokens, seed * trials + trial), seed


QUICK = Plan(lengths=(2_000, 20_000), seeds=1, trials=1)


@dataclass(frozen=True)
class Row:
    """One task by one method."""

    family: str
    tokens: int
    seed: int
    method: str
    score: float
    """0 where there is no answer; `status` says why."""
    status: str
    """As `rlm_integrations.compare.Attempt` has it: "truncated" and "too_long" are no errors of reading."""
    answer: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    seconds: float
    """By the virtual clock where the reader is simulated, else as it took."""


def methods() -> list[Method]:
    """Those that are compared, in the order of the legends."""
    return [
        Direct(truncate=True),
        TopK(4),
        TopK(20),
        TopK(100),
        MapReduce(part_chars=PART_CHARS),
        RLM(0),
        RLM(1),
        RLM(2),
        RLM(1, "auto"),
    ]


def fits(method: Method, task: Task) -> bool:
    return not isinstance(method, TopK) or task.tokens <= _MOST_BM25_TOKENS


async def run(
    plan: Plan,
    model: LanguageModel,
    *,
    sub_model: LanguageModel | None = None,
    latency: Latency | None = None,
    max_cost_usd: float | None = None,
    prices: PricesOption | None = None,
    chosen: Sequence[Method] | None = None,
    called: str = "",
    truth_of: Callable[[Task], Any] = lambda task: task.truth,
    tell: Callable[[str], object] = lambda line: None,
) -> list[Row]:
    """All rows.

    `called` is put behind the names of methods. `latency` is that of a virtual clock; None: seconds are as they passed.
    `truth_of` says what answers are scored by, for the checks of the evaluation itself. `tell` is told of each task.
    """
    bounds = Bounds(max_cost_usd, 10**12)
    limits = RLMLimits(max_total_tokens=None, max_sub_calls=5_000)
    rows: list[Row] = []
    for family, task, seed in plan.tasks():
        tell(f"{family.name}, {task.tokens:,} tokens, task {task.seed}")
        corpus = Corpus.of(task.documents)
        models = Models(model, sub_model or model, limits, prices)
        for method in methods() if chosen is None else chosen:
            if not fits(method, task):
                continue
            made: list[Attempt] = []
            await bounds.attempt(method, task.question, corpus, models, made.append)
            (attempt,) = made
            seconds = attempt.seconds if latency is None else seconds_of(attempt, latency, limits.max_concurrency)
            score = family.score(truth_of(task), attempt.answer) if attempt.has_answer else 0.0
            rows.append(
                Row(
                    family.name,
                    task.tokens,
                    seed,
                    f"{method.name}{called}",
                    score,
                    attempt.status,
                    attempt.answer[:200],
                    attempt.calls,
                    attempt.usage.input_tokens,
                    attempt.usage.output_tokens,
                    attempt.usage.cost_usd,
                    round(seconds, 3),
                )
            )
    return rows


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """A JSON object a line."""
    path.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows), encoding="utf-8")


def read_rows(path: Path) -> list[Row]:
    return [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
