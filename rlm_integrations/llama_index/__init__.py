"""Recursive Language Models as LlamaIndex query engines.

    from rlm_integrations.llama_index import install
    install()
    engine = index.as_query_engine(engine="rlm")
    chat = index.as_chat_engine(chat_mode="rlm")

Importing this package calls `install()` already, unless the environment variable
RLM_INTEGRATIONS_NO_INSTALL is set to anything but "" or "0". `RLMQueryEngine.from_index(index)` works without it.
"""

from __future__ import annotations

import os

from rlm_integrations.core.extras import needed

with needed("llama_index", "llama-index-core", extra="llama-index", what="rlm_integrations.llama_index"):
    import llama_index.core as _  # noqa: F401 - asked for here, so that its absence has one clear error

from rlm_integrations.llama_index.chat_engine import RLMChatEngine
from rlm_integrations.llama_index.code_executor import CodeExecutor, get_code_executor
from rlm_integrations.llama_index.events import (
    RLMAgreementEvent,
    RLMAnswerCheckEvent,
    RLMCodeExecutionEvent,
    RLMIterationStartEvent,
    RLMRootReplyEvent,
    RLMSubCallEvent,
    RLMToolCallEvent,
    RLMWarningEvent,
)
from rlm_integrations.llama_index.install import install, is_installed, uninstall
from rlm_integrations.llama_index.query_engine import RLMQueryEngine

if os.environ.get("RLM_INTEGRATIONS_NO_INSTALL", "") in ("", "0"):
    install()

__all__ = [
    "CodeExecutor",
    "RLMAgreementEvent",
    "RLMAnswerCheckEvent",
    "RLMChatEngine",
    "RLMCodeExecutionEvent",
    "RLMIterationStartEvent",
    "RLMQueryEngine",
    "RLMRootReplyEvent",
    "RLMSubCallEvent",
    "RLMToolCallEvent",
    "RLMWarningEvent",
    "get_code_executor",
    "install",
    "is_installed",
    "uninstall",
]
