"""Any OpenAI-compatible server as a model of the engine, over the `openai` SDK."""

from __future__ import annotations

from rlm_integrations.core.extras import needed

with needed("openai", "openai", extra="openai", what="rlm_integrations.openai"):
    import openai as _  # noqa: F401 - asked for here, so that its absence has one clear error

from rlm_integrations.openai.model import OpenAIModel

__all__ = ["OpenAIModel"]
