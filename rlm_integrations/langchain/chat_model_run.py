"""RLMRunnable's way of answering, within the run of a chat model."""

from __future__ import annotations

import asyncio
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManager, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import patch_config, run_in_executor, set_config_context
from langchain_core.utils.uuid import uuid7

from rlm_integrations.core.calls.foreign_code import carrying, delivering_interrupts
from rlm_integrations.core.trace.kept_result import KeptResult
from rlm_integrations.frozen import frozen
from rlm_integrations.langchain.outputs import MessageOutput
from rlm_integrations.langchain.run_input import holds_blocks, read_run_input
from rlm_integrations.langchain.runnable import RLMRunnable

RunManager = CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun


@frozen
class ChatModelRun:
    """A run of a chat model. Its manager, unlike a chain's, gives no child config, so one is made here."""

    run_id: UUID
    child_config: RunnableConfig

    @classmethod
    def managed_by(cls, run_manager: RunManager | None) -> ChatModelRun:
        """The run that a manager was made for. Without one, what is called hangs below the run that is going on."""
        if run_manager is None:
            return cls(uuid7(), ensure_config())
        return cls(run_manager.run_id, _child_config(ensure_config(), run_manager.run_id, run_manager))

    @classmethod
    def to_begin(cls, config: RunnableConfig | None) -> tuple[ChatModelRun, RunnableConfig]:
        """A run that is to begin with the config that is returned, where LangChain will not hand over its manager."""
        config = ensure_config(config)
        run_id = config.get("run_id") or uuid7()
        # Configured here, so that the run and its children have the same handlers, the tracers that LangChain adds too.
        manager = CallbackManager.configure(
            config.get("callbacks"),
            inheritable_tags=config.get("tags"),
            inheritable_metadata=config.get("metadata"),
        )
        begun: RunnableConfig = {**config, "run_id": run_id, "callbacks": manager}
        return cls(run_id, _child_config(config, run_id, manager)), begun


def handed_on(config: RunnableConfig | None) -> RunnableConfig:
    """The config that is going on, with what of a call's own LangChain's `invoke` of a chat model keeps to itself."""
    own = ensure_config(config)
    kept: RunnableConfig = {"configurable": own["configurable"], "max_concurrency": own.get("max_concurrency")}  # pyright: ignore[reportTypedDictNotRequiredAccess]
    return {**ensure_config(), **kept}


class RLMWithinChatModel(RLMRunnable):
    """An RLMRunnable that answers without a run of its own: what it calls are children of a chat model's run.

    What is raised after the answer, by a handler that is told of it too, carries the result that `kept` holds.
    """

    def answer(
        self, messages: list[BaseMessage], output: MessageOutput, run: ChatModelRun, kept: KeptResult
    ) -> AIMessage:
        given = read_run_input(messages, self.context.read())
        with set_config_context(run.child_config) as context, kept:
            return context.run(self._run, given, output, run.run_id, run.child_config, kept).message

    async def aanswer(
        self, messages: list[BaseMessage], output: MessageOutput, run: ChatModelRun, kept: KeptResult
    ) -> AIMessage:
        prepared = await self.context.aread()
        if holds_blocks(messages):
            given = await run_in_executor(None, read_run_input, messages, prepared)
        else:
            given = read_run_input(messages, prepared)
        with set_config_context(run.child_config) as context, kept:
            answering = self._arun(given, output, lambda ended: ended.message, run.run_id, run.child_config, kept)
            with delivering_interrupts():
                return await asyncio.create_task(carrying(answering), context=context)


def _child_config(config: RunnableConfig, run_id: UUID, above: CallbackManager | RunManager) -> RunnableConfig:
    manager = CallbackManager(handlers=[], parent_run_id=run_id)
    manager.set_handlers(above.inheritable_handlers)
    manager.add_tags(above.inheritable_tags)
    # What LangSmith is told of a model holds for that model alone: inherited, it would name the inner calls after it.
    own = LangSmithParams.__annotations__
    manager.add_metadata({key: value for key, value in above.inheritable_metadata.items() if key not in own})
    return patch_config(config, callbacks=manager)
