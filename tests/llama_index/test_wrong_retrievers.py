"""What is passed as a retriever and is none: the error names that argument, and what to pass."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import SummaryIndex

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index import RLMQueryEngine

WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    "query engine": (lambda index: index.as_query_engine(), "RetrieverQueryEngine given; pass its .retriever"),
    "index": (lambda index: index, "SummaryIndex given; pass its as_retriever()"),
    "documents": (lambda index: [*index.docstore.docs.values()], "list given; pass a retriever of LlamaIndex"),
    "str": (lambda index: "a text", "str given; pass a retriever of LlamaIndex"),
    "None": (lambda index: None, "NoneType given; pass a retriever of LlamaIndex"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_from_retriever_names_it(kind, documents):
    wrong, told = WRONG[kind]
    index = SummaryIndex.from_documents(documents)
    with pytest.raises(InvalidArgumentError, match=re.escape(f"retriever: {told}")):
        RLMQueryEngine.from_retriever(wrong(index))


def test_so_does_an_index_that_is_given_one(documents):
    index = SummaryIndex.from_documents(documents)
    with pytest.raises(InvalidArgumentError, match=r"retriever: RetrieverQueryEngine given; pass its \.retriever"):
        index.as_query_engine(engine="rlm", retriever=index.as_query_engine())
