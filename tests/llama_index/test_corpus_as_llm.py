"""LlamaIndex's own engines take a retriever first: RLMQueryEngine takes an LLM, and says where the other goes."""

from __future__ import annotations

import pytest
from llama_index.core import Document, SummaryIndex

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index import RLMQueryEngine

INDEX = SummaryIndex.from_documents([Document(text="a")])


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        (INDEX, "the engine over an index is RLMQueryEngine.from_index(index, llm=...)"),
        (INDEX.as_retriever(), "the engine over a retriever is RLMQueryEngine.from_retriever(retriever, llm=...)"),
        (object(), "pass an LLM of llama_index, for instance OpenAI(model=...)"),
    ],
    ids=["an index", "a retriever", "neither"],
)
def test_what_is_no_llm_is_told_where_it_goes(given, remedy):
    with pytest.raises(InvalidArgumentError) as raised:
        RLMQueryEngine(given)
    assert str(raised.value).startswith("llm: ")
    assert str(raised.value).endswith(remedy)
