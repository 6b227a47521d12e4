"""LlamaIndex nodes with metadata that cannot be written: refused by name, or told of where they are hidden."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, QueryType, TextNode

from rlm_integrations import InvalidArgumentError, RunError
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing.llama_index import ScriptedLLM

from ..odd_values import ODD  # noqa: TID252 - of the tests, which are no package


def node(value: object, **options: Any) -> TextNode:
    made = TextNode(text="the text of a letter", id_="n7", **options)
    made.metadata.update(a=value, page=3)
    return made


class Finds(BaseRetriever):
    """Its `retrieve` is its own: that of older versions of LlamaIndex asks for the str of all metadata of its hits."""

    def __init__(self, found: list[TextNode]) -> None:
        super().__init__()
        self._found = found

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=each, score=0.5) for each in self._found]

    def retrieve(self, str_or_query_bundle: QueryType) -> list[NodeWithScore]:
        return self._retrieve(QueryBundle("any"))


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
async def test_a_node_is_refused_by_its_id_and_the_key(value: object) -> None:
    words, llm = "the metadata of document 'n7' holds .* under 'a'", ScriptedLLM()
    for make in (RLMQueryEngine.afrom_nodes, RLMQueryEngine.afrom_documents):
        with pytest.raises(InvalidArgumentError, match=words):
            await make([node(value)], llm=llm)
    with pytest.raises(RunError, match=f"the retriever failed .*{words}"):
        await RLMQueryEngine(llm=llm, context=Finds([node(value)])).aquery("What is it?")


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
@pytest.mark.parametrize("of", [lambda nodes: nodes, Finds], ids=["nodes", "retriever"])
async def test_what_is_hidden_from_the_model_ends_no_run_that_was_paid_for(value: object, of: Any) -> None:
    hidden = node(value, excluded_llm_metadata_keys=["a"])
    reply = "```repl\ncite('letter', context[0]['id'])\nFINAL(str(context[0]['metadata']))\n```"
    response = await RLMQueryEngine(llm=ScriptedLLM([reply]), context=of([hidden])).aquery("What is it?")
    assert str(response) == "{'page': 3}"
    assert response.source_nodes[0].node is hidden
    shown = response.metadata["n7"]
    assert shown["page"] == 3
    assert shown["a"].startswith("<not shown: ")
