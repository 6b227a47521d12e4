"""LlamaIndex nodes with metadata that cannot be written: refused by name, or told of where they are hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode

from rlm_integrations import InvalidArgumentError, RunError
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing.llama_index import ScriptedLLM


class Mute:
    def __str__(self) -> str:
        raise KeyError("no words")

    __repr__ = __str__


def nested(deep: int) -> object:
    value: object = 1
    for _ in range(deep):
        value = [value]
    return value


ODD = {"huge": 10**5_000, "deep": nested(3_000), "mute": Mute()}


def node(value: object, **options: Any) -> TextNode:
    made = TextNode(text="the text of a letter", id_="n7", **options)
    made.metadata.update(a=value, page=3)
    return made


class Finds(BaseRetriever):
    def __init__(self, found: list[TextNode]) -> None:
        super().__init__()
        self._found = found

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=each, score=0.5) for each in self._found]


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


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
async def test_nor_does_it_end_one_that_a_journal_keeps(value: object, tmp_path: Path) -> None:
    hidden = node(value, excluded_llm_metadata_keys=["a"])
    book = RelatedNodeInfo(node_id="book")
    book.metadata.update(a=value, author="Ann")
    hidden.relationships[NodeRelationship.SOURCE] = book
    reply = "```repl\ncite('letter', context[0]['id'])\nFINAL('seen')\n```"

    async def ask() -> Any:
        engine = RLMQueryEngine(llm=ScriptedLLM([reply]), context=Finds([hidden]), journal=tmp_path / "runs.db")
        return await engine.aquery("What is it?")

    first, again = await ask(), await ask()
    assert first.source_nodes[0].node is hidden
    kept = again.source_nodes[0].node
    assert (kept.text, kept.metadata["page"], kept.source_node.metadata["author"]) == (hidden.text, 3, "Ann")
    assert kept.metadata["a"].startswith("<not shown: ")
