"""The LangChain face of the package: `RLMRunnable` stands where a RAG chain or a chat model stood."""

from __future__ import annotations

from rlm_integrations.core.errors import MissingExtraError

try:
    import langchain_core as _  # noqa: F401 - asked for here, so that its absence has one clear error
except ModuleNotFoundError as error:
    raise MissingExtraError(
        'rlm_integrations.langchain needs langchain-core; run: pip install "rlm-integrations[langchain]"'
    ) from error

from rlm_integrations.core.trace.collector import collect_rlm_traces
from rlm_integrations.langchain.chat_rlm import ChatRLM
from rlm_integrations.langchain.runnable import RLMRunnable

__all__ = ["ChatRLM", "RLMRunnable", "collect_rlm_traces"]
