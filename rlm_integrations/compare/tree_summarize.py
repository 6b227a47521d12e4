"""LlamaIndex's own `TreeSummarize`, over the same passages and models."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

from rlm_integrations.compare.asking import Asker, Models
from rlm_integrations.compare.attempt import Answered
from rlm_integrations.compare.pieces import parts
from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.extras import missing_extra
from rlm_integrations.core.language_model import Message

_PART_CHARS = 4_000
_WINDOW_TOKENS = 32_000


def is_installed() -> bool:
    return (
        importlib.util.find_spec("llama_index.core") is not None if importlib.util.find_spec("llama_index") else False
    )


@dataclass(frozen=True)
class TreeSummarize:
    """LlamaIndex's tree of summaries. It packs prompts as full as the sub-LM's window allows."""

    name: str = "tree_summarize"

    def __post_init__(self) -> None:
        if not is_installed():
            raise missing_extra("methods: tree_summarize", "llama-index-core", extra="llama-index")

    async def answer(self, question: str, corpus: Corpus, models: Models, asker: Asker) -> Answered:
        """Raises what `Asker.ask` raises."""
        from llama_index.core.response_synthesizers import TreeSummarize as Synthesizer

        window = models.window(models.sub_llm) or _WINDOW_TOKENS
        synthesizer = Synthesizer(llm=_llm(asker, window), use_async=True)
        reply = await synthesizer.aget_response(question, await in_thread(parts, corpus, _PART_CHARS))
        return Answered(str(reply))

    def estimated(self, corpus: Corpus, models: Models) -> tuple[int, int]:
        """About how many calls and input tokens a question takes."""
        tokens = corpus.chars // 4
        calls = -(-tokens // (models.window(models.sub_llm) or _WINDOW_TOKENS))
        return calls + 1, tokens + calls * 500


def _llm(asker: Asker, window: int) -> Any:
    from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata

    class AskedLLM(CustomLLM):
        """Asks through the gate of the comparison."""

        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(context_window=window, num_output=min(1_024, window // 4))

        async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
            [reply] = await asker.ask_all([[Message("user", prompt)]])
            return CompletionResponse(text=reply)

        def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
            raise NotImplementedError("asked in async code alone")

        def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            raise NotImplementedError("asked in async code alone")

    return AskedLLM()
