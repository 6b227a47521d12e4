"""What all nodes of one run share."""

from __future__ import annotations

from typing import NamedTuple

from rlm_integrations.core.calls.model_calls import ModelCalls
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.loop.happenings import BudgetView
from rlm_integrations.core.run.account import Account
from rlm_integrations.core.run.plan import RunPlan
from rlm_integrations.core.run.turns import Turns
from rlm_integrations.core.trace.run_errors import RunError


class Shared(NamedTuple):
    """One budget, one account, one set of threads for the whole tree."""

    plan: RunPlan
    account: Account
    calls: ModelCalls
    threads: RunThreads
    root: ModelPath
    sub: ModelPath
    child_root: ModelPath | None
    """The sub-LM as the root LM of children; None where a run can have none."""
    sync: bool
    """Whether models and retrievers are called by their sync methods, in the threads."""
    turns: Turns
    cited: set[tuple[str, int, int]]
    """Places in the corpus that the run has cited: id of the document, start and end."""

    def check_budget(self) -> None:
        """Raises RunError where the run cannot go on within its budget, whatever is left of it."""
        if self.calls.budget.problem is not None:
            raise RunError(self.calls.budget.problem)

    def budget_view(self) -> BudgetView:
        budget = self.calls.budget
        return BudgetView(
            limit=budget.limit_met(),
            sub_calls_left=budget.sub_calls_left,
            tokens_left_share=budget.tokens_left_share(),
            seconds_left=budget.seconds_left(),
        )

    def for_children(self) -> Shared:
        """The same for child RLMs: their root LM is the sub-LM."""
        return self._replace(plan=self.plan.for_children(), root=self.root_of_children())

    def root_of_children(self) -> ModelPath:
        assert self.child_root is not None, "a child RLM at max_depth 1"
        return self.child_root
