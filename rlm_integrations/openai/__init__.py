"""Any OpenAI-compatible server as a model of the engine, over the `openai` SDK."""

from __future__ import annotations

from rlm_integrations.core.errors import MissingExtraError

try:
    import openai as _  # noqa: F401 - asked for here, so that its absence has one clear error
except ModuleNotFoundError as error:
    raise MissingExtraError(
        'rlm_integrations.openai needs the openai SDK; run: pip install "rlm-integrations[openai]"'
    ) from error

from rlm_integrations.openai.model import OpenAIModel

__all__ = ["OpenAIModel"]
