"""Models of the frameworks as the core's."""

from __future__ import annotations

from typing import Any, cast

from rlm_integrations.core.calls.model_path import check_model
from rlm_integrations.core.language_model import LanguageModel


def as_language_model(model: Any, argument: str) -> LanguageModel:
    """The model of the core behind a model of LangChain or LlamaIndex, or what it already is.

    Raises InvalidArgumentError for anything else.
    """
    kinds = {base.__module__.partition(".")[0] for base in type(model).__mro__}
    if "langchain_core" in kinds:
        from rlm_integrations.langchain.language_model import LangChainModel

        return LangChainModel(model, "root" if argument == "llm" else "sub")
    if "llama_index" in kinds:
        from rlm_integrations.llama_index.language_model import LlamaIndexModel

        return LlamaIndexModel(model)
    check_model(model, argument)
    return cast(LanguageModel, model)
