"""The ways to make an RLMQueryEngine: from an index, documents, nodes, a retriever."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any, Literal, Self, Unpack, cast

from llama_index.core import Settings
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.schema import BaseNode, NodeWithScore

from rlm_integrations.llama_index.arguments import (
    IndexEngineOptions,
    QueryEngineOptions,
    checked_retriever,
    instead_of_index,
)
from rlm_integrations.llama_index.caller_warning import in_thread_for_caller, warn_caller
from rlm_integrations.llama_index.index_nodes import AnyIndex
from rlm_integrations.llama_index.index_retriever import retriever_of_index
from rlm_integrations.llama_index.keyword_arguments import ignored_warning, read_keyword_arguments
from rlm_integrations.llama_index.language_model import choose_llm


class QueryEngineConstructors:
    """Class methods of RLMQueryEngine, whose constructor takes `context` and the options."""

    @classmethod
    def from_index(
        cls,
        index: AnyIndex,
        *,
        corpus: Literal["nodes", "retriever"] = "nodes",
        documents: Iterable[BaseNode] | None = None,
        nodes: Iterable[BaseNode | NodeWithScore] | None = None,
        retriever: BaseRetriever | None = None,
        **options: Unpack[IndexEngineOptions],
    ) -> Self:
        """An engine over everything in the index: what `index.as_query_engine(engine="rlm", ...)` gives.

        For an index whose store cannot list its nodes: `documents`, `nodes` or `retriever` are read instead of it,
        and `corpus="retriever"` stands for its own retriever, which `filters`, `doc_ids`, `similarity_top_k` (10) and
        the like then narrow. Otherwise arguments of RAG engines (`similarity_top_k`, `response_mode`, ...) have no
        meaning here and are ignored with a warning. Unknown ones raise TypeError.
        """
        given = {"documents": documents, "nodes": nodes, "retriever": retriever}
        instead = instead_of_index(corpus, given)
        context = index if instead is None else instead
        engine_options: Mapping[str, Any] = options
        if corpus == "retriever":
            context, engine_options = retriever_of_index(index, options)
        read_before = ("corpus", *given)
        return cls._of(context, engine_options, getattr(index, "_callback_manager", None), read_before)

    @classmethod
    def from_documents(cls, documents: Iterable[BaseNode], **options: Unpack[QueryEngineOptions]) -> Self:
        """An engine over documents: no index, no embeddings. A source node is then a whole document."""
        return cls._of(documents, options)

    @classmethod
    def from_nodes(cls, nodes: Iterable[BaseNode | NodeWithScore], **options: Unpack[QueryEngineOptions]) -> Self:
        """An engine over nodes. Overlapping chunks of one document are put together again."""
        return cls._of(nodes, options)

    @classmethod
    def from_retriever(cls, retriever: BaseRetriever, **options: Unpack[QueryEngineOptions]) -> Self:
        """An engine that begins with the retriever's hits for the query, and can retrieve more from the REPL."""
        return cls._of(checked_retriever(retriever), options)

    @classmethod
    async def afrom_index(
        cls,
        index: AnyIndex,
        *,
        corpus: Literal["nodes", "retriever"] = "nodes",
        documents: Iterable[BaseNode] | None = None,
        nodes: Iterable[BaseNode | NodeWithScore] | None = None,
        retriever: BaseRetriever | None = None,
        **options: Unpack[IndexEngineOptions],
    ) -> Self:
        """`from_index`, with the index read in a thread before it returns: the event loop goes on meanwhile.

        `as_query_engine` and the other constructors, in a coroutine, leave that to the first query.
        """
        make = partial(
            cls.from_index, index, corpus=corpus, documents=documents, nodes=nodes, retriever=retriever, **options
        )
        return await in_thread_for_caller(make)

    @classmethod
    async def afrom_documents(cls, documents: Iterable[BaseNode], **options: Unpack[QueryEngineOptions]) -> Self:
        """`from_documents`, with the documents read in a thread."""
        return await in_thread_for_caller(partial(cls.from_documents, documents, **options))

    @classmethod
    async def afrom_nodes(
        cls, nodes: Iterable[BaseNode | NodeWithScore], **options: Unpack[QueryEngineOptions]
    ) -> Self:
        """`from_nodes`, with the nodes put together in a thread."""
        return await in_thread_for_caller(partial(cls.from_nodes, nodes, **options))

    @classmethod
    def _of(
        cls,
        context: Any,
        options: Mapping[str, Any],
        llm_callback_manager: CallbackManager | None = None,
        read_before: Collection[str] = (),
    ) -> Self:
        honoured, ignored = read_keyword_arguments(options, QueryEngineOptions.__annotations__, read_before)
        if ignored:
            warn_caller(ignored_warning(ignored))
        # An index has the settings' manager of when it was made.
        if llm_callback_manager is not None and not Settings.callback_manager.handlers:
            for name in ("llm", "sub_llm"):
                if honoured.get(name) is not None:
                    honoured[name] = choose_llm(honoured[name], name, llm_callback_manager)
        return cast(Any, cls)(context=context, **honoured)
