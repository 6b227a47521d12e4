"""Recursive Language Models for LangChain and LlamaIndex.

Importing this package imports neither framework: names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_integrations.core.errors import RLMError
    from rlm_integrations.core.language_model import Completion, LanguageModel, Message
    from rlm_integrations.core.limits import RLMLimits
    from rlm_integrations.core.trace.citations import Citation
    from rlm_integrations.core.trace.collector import collect_rlm_traces
    from rlm_integrations.core.trace.records import RLMTrace
    from rlm_integrations.core.trace.result import RLMResult
    from rlm_integrations.core.usage import Usage
    from rlm_integrations.engine import RLMEngine
    from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox

__version__ = "0.1.0"

_HOMES = {
    "Citation": "core.trace.citations",
    "Completion": "core.language_model",
    "LanguageModel": "core.language_model",
    "Message": "core.language_model",
    "ProcessSandbox": "sandboxes.process.sandbox",
    "RLMEngine": "engine",
    "RLMError": "core.errors",
    "RLMLimits": "core.limits",
    "RLMResult": "core.trace.result",
    "RLMTrace": "core.trace.records",
    "Usage": "core.usage",
    "collect_rlm_traces": "core.trace.collector",
}

__all__ = [
    "Citation",
    "Completion",
    "LanguageModel",
    "Message",
    "ProcessSandbox",
    "RLMEngine",
    "RLMError",
    "RLMLimits",
    "RLMResult",
    "RLMTrace",
    "Usage",
    "collect_rlm_traces",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
