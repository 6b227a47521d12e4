"""The LangChain face of the package: `RLMRunnable` stands where a RAG chain or a chat model stood."""

from __future__ import annotations

try:
    import langchain_core as _langchain_core  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ModuleNotFoundError as error:
    from rlm_integrations.core.errors import MissingExtraError

    raise MissingExtraError(
        'rlm_integrations.langchain needs langchain-core; run: pip install "rlm-integrations[langchain]"'
    ) from error

from rlm_integrations.langchain.runnable import RLMRunnable

__all__ = ["RLMRunnable"]
