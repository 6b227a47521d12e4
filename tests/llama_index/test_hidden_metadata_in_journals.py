"""What is hidden from the model, and cannot be written, ends no run that a journal keeps: words stand in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode

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


class Finds(BaseRetriever):
    def __init__(self, found: TextNode) -> None:
        super().__init__()
        self.found = found

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=self.found, score=0.5)]


ODD = {"huge": 10**5_000, "deep": nested(3_000), "mute": Mute()}
CITE = "```repl\ncite('letter', context[0]['id'])\nFINAL('seen')\n```"


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
async def test_an_answer_out_of_the_journal_has_the_node_again(value: object, tmp_path: Path) -> None:
    node = TextNode(text="the text of a letter", id_="n7", excluded_llm_metadata_keys=["a"])
    node.metadata.update(a=value, page=3)
    parent = RelatedNodeInfo(node_id="book")
    parent.metadata.update(a=value, author="Ann")
    node.relationships[NodeRelationship.SOURCE] = parent

    async def ask() -> Any:
        engine = RLMQueryEngine(llm=ScriptedLLM([CITE]), context=Finds(node), journal=tmp_path / "runs.db")
        return await engine.aquery("What is it?")

    first, again = await ask(), await ask()
    assert (str(first), str(again)) == ("seen", "seen")
    assert first.source_nodes[0].node is node
    kept = again.source_nodes[0].node
    assert (kept.text, kept.metadata["page"], kept.source_node.metadata["author"]) == (node.text, 3, "Ann")
    assert kept.metadata["a"].startswith("<not shown: ")
