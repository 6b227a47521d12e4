"""Any OpenAI-compatible server as a model of the engine, over the `openai` SDK."""

from rlm_integrations.openai.model import OpenAIModel

__all__ = ["OpenAIModel"]
