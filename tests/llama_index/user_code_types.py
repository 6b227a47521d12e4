"""User code whose types pyright checks in `make check`; nothing of it is run.

A `pyright: ignore` is an error that a user has to be told of: the checker complains where it finds none there.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
from __future__ import annotations

from typing import assert_type

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.llms import LLM

from rlm_integrations import RLMLimits
from rlm_integrations.llama_index import RLMQueryEngine


async def what_there_is(llm: LLM, index: VectorStoreIndex, documents: list[Document]) -> None:
    assert_type(RLMQueryEngine.from_index(index, llm=llm, limits={"max_iterations": 3}), RLMQueryEngine)
    RLMQueryEngine.from_index(index, corpus="retriever", similarity_top_k=5, vector_store_query_mode="mmr")
    await RLMQueryEngine.afrom_index(index, corpus="retriever", similarity_top_k=5)
    assert_type(RLMQueryEngine.from_documents(documents, llm=llm, limits=RLMLimits()), RLMQueryEngine)
    assert_type(await RLMQueryEngine.afrom_documents(documents, streaming=True), RLMQueryEngine)


def what_is_refused(index: VectorStoreIndex, documents: list[Document]) -> None:
    RLMQueryEngine.from_index(index, similarity_top_k="five")  # pyright: ignore[reportArgumentType]
    RLMQueryEngine.from_index(index, max_iterations=3)  # pyright: ignore[reportCallIssue]
    RLMQueryEngine.from_documents(documents, similarity_top_k=5)  # pyright: ignore[reportCallIssue]
    RLMQueryEngine.from_documents(documents, trace="all")  # pyright: ignore[reportArgumentType]
