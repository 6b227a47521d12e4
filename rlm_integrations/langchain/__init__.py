"""The LangChain face of the package: `RLMRunnable` stands where a RAG chain or a chat model stood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlm_integrations.core.extras import needed

with needed("langchain_core", "langchain-core", extra="langchain", what="rlm_integrations.langchain"):
    import langchain_core as _  # noqa: F401 - asked for here, so that its absence has one clear error

from rlm_integrations.core.trace.collector import collect_rlm_traces
from rlm_integrations.langchain.runnable import RLMRunnable

if TYPE_CHECKING:
    from rlm_integrations.langchain.agent_middleware import RLMMiddleware as RLMMiddleware
    from rlm_integrations.langchain.chat_rlm import ChatRLM

__all__ = ["ChatRLM", "RLMRunnable", "collect_rlm_traces"]


def __getattr__(name: str) -> Any:
    """ChatRLM, for few programs use both; and RLMMiddleware, which needs langchain, and so is no part of `__all__`."""
    if name == "ChatRLM":
        from rlm_integrations.langchain.chat_rlm import ChatRLM

        return ChatRLM
    if name == "RLMMiddleware":
        from rlm_integrations.langchain.agent_middleware import RLMMiddleware

        return RLMMiddleware
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
