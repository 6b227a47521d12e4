"""What all nodes of one run share."""

from __future__ import annotations

from dataclasses import dataclass

from rlm_integrations.core.calls.model_calls import ModelCalls
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.run.account import Account
from rlm_integrations.core.run.plan import RunPlan


@dataclass(frozen=True, slots=True)
class Shared:
    """One budget, one account, one set of threads for the whole tree."""

    plan: RunPlan
    account: Account
    calls: ModelCalls
    threads: RunThreads
    root: ModelPath
    sub: ModelPath
    sync: bool
    """Whether models and retrievers are called by their sync methods, in the threads."""
