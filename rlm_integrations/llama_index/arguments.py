"""The arguments of RLMQueryEngine: their types for checkers, and what is said of wrong ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict, cast, get_args

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.embeddings.utils import EmbedType
from llama_index.core.indices.base import BaseIndex
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.settings import Settings
from llama_index.core.tools.types import BaseTool
from llama_index.core.vector_stores.types import MetadataFilters, VectorStoreQueryMode
from pydantic import BaseModel

from rlm_integrations.core.calls.prices import PricesOption
from rlm_integrations.core.corpus.nearly_a_corpus import named_kind
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.settings import Journal
from rlm_integrations.core.language_model import CodeProtocol
from rlm_integrations.core.limits import RLMLimits, Route
from rlm_integrations.core.run.arguments import check_choice
from rlm_integrations.core.run.checks import Verifier
from rlm_integrations.core.run.plan import OnEvent
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.core.trace.result import TraceDetail
from rlm_integrations.core.wording import value_words
from rlm_integrations.llama_index.language_model import LLMLike


class QueryEngineOptions(TypedDict, total=False):
    """Keyword arguments of RLMQueryEngine, and of `index.as_query_engine(engine="rlm", ...)`."""

    llm: LLMLike | None
    sub_llm: LLMLike | None
    filters: MetadataFilters | None
    doc_ids: Collection[str] | None
    node_ids: Collection[str] | None
    node_postprocessors: Sequence[BaseNodePostprocessor] | None
    limits: RLMLimits | Mapping[str, Any] | None
    prices: PricesOption | None
    sandbox: str | Sandbox
    tools: Sequence[BaseTool | Callable[..., Any]]
    sub_tools: Sequence[BaseTool | Callable[..., Any]]
    protocol: CodeProtocol
    route: Route
    output_cls: type[BaseModel] | None
    streaming: bool
    inline_citations: bool
    system_prompt: str | None
    instructions: str | None
    trace: TraceDetail
    on_event: OnEvent | None
    on_limit: Literal["answer", "raise"]
    journal: str | os.PathLike[str] | Journal | None
    verify: Verifier | Sequence[Verifier] | None
    callback_manager: CallbackManager | None


class IndexEngineOptions(QueryEngineOptions, total=False):
    """Those of `from_index` too: with corpus="retriever" they make the index's own retriever.

    Each index has a few more of its own, which are taken and not known to checkers.
    """

    similarity_top_k: int
    sparse_top_k: int | None
    hybrid_top_k: int | None
    alpha: float | None
    mmr_threshold: float
    vector_store_query_mode: VectorStoreQueryMode | str
    vector_store_kwargs: dict[str, Any]
    embed_model: EmbedType
    retriever_mode: Any
    response_mode: Any


def checked_list(value: Any, argument: str, of: str) -> list[Any]:
    """Raises InvalidArgumentError for what is no list. A model of pydantic, as a postprocessor is, gives its fields."""
    if isinstance(value, (str, BaseModel)) or not isinstance(value, Iterable):
        raise InvalidArgumentError(f"{argument}: {type(value).__name__} given; pass a list of {of}")
    return list(cast("Iterable[Any]", value))


def checked_postprocessors(value: Any) -> list[BaseNodePostprocessor]:
    """Raises InvalidArgumentError for what is no list of them: they are not called before a retriever has hits."""
    postprocessors = checked_list(value or (), "node_postprocessors", "node postprocessors")
    for number, each in enumerate(postprocessors, 1):
        if not isinstance(each, BaseNodePostprocessor):
            given = named_kind(each)
            raise InvalidArgumentError(f"node_postprocessors: item {number} is {given}; pass node postprocessors")
    return postprocessors


def checked_flag(value: Any, argument: str) -> bool:
    """Raises InvalidArgumentError for what is neither True nor False: the word "no" would be taken for yes."""
    if value is not None and not isinstance(value, bool):
        raise InvalidArgumentError(f"{argument}: {value_words(value)} given; pass True or False")
    return bool(value)


def checked_text(value: Any, argument: str) -> str | None:
    """Raises InvalidArgumentError for what is neither a str nor None."""
    if value is not None and not isinstance(value, str):
        raise InvalidArgumentError(f"{argument}: {type(value).__name__} given; pass a str, or leave it out")
    return value


def checked_handler(value: Any) -> OnEvent | None:
    """Raises InvalidArgumentError for what cannot be called."""
    if value is not None and not callable(value):
        given = type(value).__name__
        raise InvalidArgumentError(f"on_event: {given} given; pass a function(event), or leave it out")
    return cast("OnEvent | None", value)


def checked_callback_manager(value: Any) -> CallbackManager:
    """Without one, `Settings.callback_manager`. Raises InvalidArgumentError for anything else."""
    if value is not None and not isinstance(value, CallbackManager):
        given = type(value).__name__
        raise InvalidArgumentError(f"callback_manager: {given} given; pass a CallbackManager, or leave it out")
    return value or Settings.callback_manager


def checked_output_cls(value: Any) -> type[BaseModel] | None:
    """Raises InvalidArgumentError for what is no pydantic model."""
    if value is not None and not (isinstance(value, type) and issubclass(value, BaseModel)):
        raise InvalidArgumentError(f"output_cls: {value!r:.80} is not a pydantic model class; pass one")
    return value


def checked_trace(value: Any) -> TraceDetail:
    """Raises InvalidArgumentError for an unknown detail."""
    check_choice(value, "trace", *get_args(TraceDetail))
    return value


def checked_inline(value: Any, output_cls: type[BaseModel] | None) -> bool:
    """Raises InvalidArgumentError for both, and for what is no flag."""
    inline_citations = checked_flag(value, "inline_citations")
    if inline_citations and output_cls is not None:
        raise InvalidArgumentError(
            "inline_citations: stand in a text, and answers are objects of an output class here; pass one of the "
            'two (the citations themselves are in response.metadata["rlm"])'
        )
    return inline_citations


def checked_retriever(value: Any) -> BaseRetriever:
    """Raises InvalidArgumentError for what is none."""
    if isinstance(value, BaseRetriever):
        return value
    kind, remedy = type(value).__name__, "a retriever of LlamaIndex, for instance index.as_retriever()"
    held = getattr(value, "retriever", None)
    if isinstance(held, BaseRetriever):
        remedy = "its .retriever"
    elif isinstance(value, BaseIndex):
        remedy = 'its as_retriever(), or use from_index(index, corpus="retriever")'
    raise InvalidArgumentError(f"retriever: {kind} given; pass {remedy}")


def instead_of_index(corpus: object, given: Mapping[str, Any]) -> Any:
    """What of `documents`, `nodes` and `retriever` is read instead of the index; None where none is given.

    Raises InvalidArgumentError for several, for a `retriever` that is none, and for an unknown `corpus`.
    """
    check_choice(corpus, "corpus", "nodes", "retriever")
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1 or (names and corpus == "retriever"):
        told = [*names, 'corpus="retriever"'] if corpus == "retriever" else names
        raise InvalidArgumentError(f"{' and '.join(told)}: given together; pass one of them")
    if names == ["retriever"]:
        return checked_retriever(given["retriever"])
    return given[names[0]] if names else None
