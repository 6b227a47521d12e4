"""Recursive Language Models for LangChain and LlamaIndex.

Importing this package imports neither framework: names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_integrations.core.calls.prices import ModelPrices, PriceFunction, RunPrices
    from rlm_integrations.core.corpus.corpus import Corpus
    from rlm_integrations.core.corpus.document import Document
    from rlm_integrations.core.corpus.retriever import Retriever
    from rlm_integrations.core.errors import (
        CannotCallToolsError,
        InvalidArgumentError,
        MissingExtraError,
        RLMError,
        SandboxUnavailableError,
    )
    from rlm_integrations.core.host.tools import Tool
    from rlm_integrations.core.image import Image
    from rlm_integrations.core.journal.settings import Journal
    from rlm_integrations.core.language_model import (
        Completion,
        LanguageModel,
        Message,
        ToolCall,
        ToolCaller,
        ToolResult,
        ToolRound,
        ToolSpec,
    )
    from rlm_integrations.core.limits import RLMLimits
    from rlm_integrations.core.run.checks import Twice
    from rlm_integrations.core.sandbox import Sandbox
    from rlm_integrations.core.trace.citations import Citation
    from rlm_integrations.core.trace.collector import collect_rlm_traces
    from rlm_integrations.core.trace.events import (
        CheckEnded,
        CheckStarted,
        Cited,
        CodeEnded,
        CodeStarted,
        ConversationOpened,
        Event,
        Folded,
        FoldEnded,
        FoldStarted,
        HostCallEnded,
        HostCallStarted,
        IterationEnded,
        IterationStarted,
        PromptShortened,
        ReplOpened,
        RootFailed,
        RootReplied,
        Routed,
        RunEnded,
        RunFailed,
        RunStarted,
        SubCallContinued,
        SubCallEnded,
        SubCallsReserved,
        SubCallStarted,
        Warned,
    )
    from rlm_integrations.core.trace.records import RLMTrace
    from rlm_integrations.core.trace.result import RLMResult
    from rlm_integrations.core.trace.run_errors import (
        JournalError,
        LimitReachedError,
        MapError,
        RootModelError,
        RunError,
        SandboxError,
    )
    from rlm_integrations.core.usage import Usage
    from rlm_integrations.engine import RLMEngine
    from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox
    from rlm_integrations.session import RLMSession

__version__ = "0.1.0"

_NAMES_OF = {
    "core.calls.prices": ("ModelPrices", "PriceFunction", "RunPrices"),
    "core.corpus.corpus": ("Corpus",),
    "core.corpus.document": ("Document",),
    "core.corpus.retriever": ("Retriever",),
    "core.errors": (
        "CannotCallToolsError",
        "InvalidArgumentError",
        "MissingExtraError",
        "RLMError",
        "SandboxUnavailableError",
    ),
    "core.host.tools": ("Tool",),
    "core.image": ("Image",),
    "core.journal.settings": ("Journal",),
    "core.language_model": (
        "Completion",
        "LanguageModel",
        "Message",
        "ToolCall",
        "ToolCaller",
        "ToolResult",
        "ToolRound",
        "ToolSpec",
    ),
    "core.limits": ("RLMLimits",),
    "core.run.checks": ("Twice",),
    "core.sandbox": ("Sandbox",),
    "core.trace.citations": ("Citation",),
    "core.trace.collector": ("collect_rlm_traces",),
    "core.trace.events": (
        "CheckEnded",
        "CheckStarted",
        "Cited",
        "CodeEnded",
        "CodeStarted",
        "ConversationOpened",
        "Event",
        "FoldEnded",
        "FoldStarted",
        "Folded",
        "HostCallEnded",
        "HostCallStarted",
        "IterationEnded",
        "IterationStarted",
        "PromptShortened",
        "ReplOpened",
        "RootFailed",
        "RootReplied",
        "Routed",
        "RunEnded",
        "RunFailed",
        "RunStarted",
        "SubCallContinued",
        "SubCallEnded",
        "SubCallStarted",
        "SubCallsReserved",
        "Warned",
    ),
    "core.trace.records": ("RLMTrace",),
    "core.trace.result": ("RLMResult",),
    "core.trace.run_errors": (
        "JournalError",
        "LimitReachedError",
        "MapError",
        "RootModelError",
        "RunError",
        "SandboxError",
    ),
    "core.usage": ("Usage",),
    "engine": ("RLMEngine",),
    "sandboxes.process.sandbox": ("ProcessSandbox",),
    "session": ("RLMSession",),
}
"""What each module has of the public names."""

_HOMES = {name: module for module, names in _NAMES_OF.items() for name in names}

__all__ = [
    "CannotCallToolsError",
    "CheckEnded",
    "CheckStarted",
    "Citation",
    "Cited",
    "CodeEnded",
    "CodeStarted",
    "Completion",
    "ConversationOpened",
    "Corpus",
    "Document",
    "Event",
    "FoldEnded",
    "FoldStarted",
    "Folded",
    "HostCallEnded",
    "HostCallStarted",
    "Image",
    "InvalidArgumentError",
    "IterationEnded",
    "IterationStarted",
    "Journal",
    "JournalError",
    "LanguageModel",
    "LimitReachedError",
    "MapError",
    "Message",
    "MissingExtraError",
    "ModelPrices",
    "PriceFunction",
    "ProcessSandbox",
    "PromptShortened",
    "RLMEngine",
    "RLMError",
    "RLMLimits",
    "RLMResult",
    "RLMSession",
    "RLMTrace",
    "ReplOpened",
    "Retriever",
    "RootFailed",
    "RootModelError",
    "RootReplied",
    "Routed",
    "RunEnded",
    "RunError",
    "RunFailed",
    "RunPrices",
    "RunStarted",
    "Sandbox",
    "SandboxError",
    "SandboxUnavailableError",
    "SubCallContinued",
    "SubCallEnded",
    "SubCallStarted",
    "SubCallsReserved",
    "Tool",
    "ToolCall",
    "ToolCaller",
    "ToolResult",
    "ToolRound",
    "ToolSpec",
    "Twice",
    "Usage",
    "Warned",
    "collect_rlm_traces",
]


_ELSEWHERE = {
    "langchain": ("RLMRunnable", "ChatRLM"),
    "llama_index": ("RLMQueryEngine", "RLMChatEngine"),
    "openai": ("OpenAIModel",),
    "otel": ("instrument",),
    "terminal": ("ConsoleProgress",),
    "testing": ("ScriptedModel",),
}
"""Names that are in a module of their own, since they need what is optional."""


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        there = next(
            (f"; from {__name__}.{home} import {name}" for home, names in _ELSEWHERE.items() if name in names), ""
        )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{there}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
