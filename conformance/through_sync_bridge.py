"""A pytest plugin: every `RunnableLambda.invoke` goes through the package's sync bridge, as models of a sync run do.

It is loaded with `-p through_sync_bridge`. The lambda runs in a thread of the run, started from an event loop in a
thread of its own; context variables, callbacks and exceptions have to come through both.
"""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from rlm_integrations.core.calls.sync_bridge import run_blocking
from rlm_integrations.core.calls.threads import RunThreads

_invoke = RunnableLambda.invoke


def _bridged(self: RunnableLambda[Any, Any], input: Any, config: Any = None, **kwargs: Any) -> Any:
    async def perform() -> Any:
        threads = RunThreads()
        try:
            return await threads.run(lambda: _invoke(self, input, config, **kwargs))
        finally:
            threads.close()

    return run_blocking(perform)


RunnableLambda.invoke = _bridged


@pytest.fixture(autouse=True)
def bridge_may_block(blockbuster: Any) -> None:
    """A sync call within a running event loop waits for its answer there, and is the one thing that may."""
    for function in blockbuster.functions.values():
        function.can_block_in("rlm_integrations/core/calls/sync_bridge.py", "run_blocking")
