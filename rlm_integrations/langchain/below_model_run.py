"""RLMRunnable's way of answering, within the run of a chat model."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManager, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import patch_config, set_config_context

from rlm_integrations.langchain.arguments import CallOptions
from rlm_integrations.langchain.runnable import RLMRunnable

RunManager = CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun


class RLMBelowModelRun(RLMRunnable):
    """An RLMRunnable that answers without a run of its own: what it calls are children of a chat model's run."""

    def answer(self, messages: list[BaseMessage], options: CallOptions, run_manager: RunManager | None) -> AIMessage:
        asked, run_id = self._read(messages), run_manager.run_id if run_manager else uuid4()
        config = _child_config(run_manager)
        with set_config_context(config) as context:
            return context.run(self._run, asked, options, run_id, config).message

    async def aanswer(
        self, messages: list[BaseMessage], options: CallOptions, run_manager: RunManager | None
    ) -> AIMessage:
        asked, run_id = self._read(messages), run_manager.run_id if run_manager else uuid4()
        config = _child_config(run_manager)
        with set_config_context(config) as context:
            return (await asyncio.create_task(self._arun(asked, options, run_id, config), context=context)).message


def _child_config(run_manager: RunManager | None) -> RunnableConfig:
    """The config of what is called within a chat model's run. Its manager, unlike a chain's, gives no child."""
    config = ensure_config()
    if run_manager is None:
        return config
    manager = CallbackManager(handlers=[], parent_run_id=run_manager.run_id)
    manager.set_handlers(run_manager.inheritable_handlers)
    manager.add_tags(run_manager.inheritable_tags)
    # What LangSmith is told of a model holds for that model alone: inherited, it would name the inner calls after it.
    own = LangSmithParams.__annotations__
    manager.add_metadata({key: value for key, value in run_manager.inheritable_metadata.items() if key not in own})
    return patch_config(config, callbacks=manager)
