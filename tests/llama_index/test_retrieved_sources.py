"""The source nodes of an answer over a retriever are those whose text was read, whatever ids they came with."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import (
    ImageNode,
    NodeRelationship,
    NodeWithScore,
    QueryBundle,
    RelatedNodeInfo,
    TextNode,
)

from rlm_integrations import RLMTrace
from rlm_integrations.core.corpus.found_document import FoundDocument
from rlm_integrations.llama_index import RLMChatEngine, RLMQueryEngine
from rlm_integrations.llama_index.retriever import node_with_score
from rlm_integrations.testing.llama_index import ScriptedLLM

SEARCH = "```repl\nfound = retrieve('more')\nprint(found)\n```"
CITE = """```repl
for document in [*context, *retrieve("again")]:
    cite(document["text"], document["id"])
answer = {"content": str([d["id"] for d in context]), "ready": True}
```"""
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


def rent(of: int, name: str = "lease", kind: type[TextNode] = TextNode, **more: Any) -> NodeWithScore:
    node = kind(
        id_=name,
        text=f"In year {of} the rent was {of * 7} pounds.",
        metadata={"year": of, "file_name": f"rent-{of}.txt"},
        excluded_llm_metadata_keys=["file_name"],
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"ledger {of}")},
        start_char_idx=of,
        **more,
    )
    return NodeWithScore(node=node, score=of / 10)


class Rents(BaseRetriever):
    """What it finds for these queries; for any other, what it finds for "first"."""

    def __init__(self, **hits: list[NodeWithScore]) -> None:
        super().__init__()
        self.hits = hits

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self.hits.get(query_bundle.query_str, self.hits["first"])


class AsyncRents(Rents):
    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        await asyncio.sleep(0)
        return self._retrieve(query_bundle)


async def asked(path: str, engine: RLMQueryEngine) -> Any:
    return engine.query("q") if path == "sync" else await engine.aquery("q")


def years(response: Any) -> list[int]:
    return [source.node.metadata["year"] for source in response.source_nodes]


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_a_query_that_goes_on_in_another_process_shows_what_was_read_before(path: str, tmp_path: Path) -> None:
    """What stands in for another process: other objects throughout, and nothing that they share but the file."""

    def engine(year: int, *replies: Any) -> RLMQueryEngine:
        picture = rent(year + 1, "map", ImageNode, image=PICTURE)
        retriever = Rents(first=[rent(year)], more=[picture])
        return RLMQueryEngine.from_retriever(retriever, llm=ScriptedLLM([*replies]), journal=tmp_path / "runs.sqlite")

    with pytest.raises(ConnectionError):
        await asked(path, engine(1, SEARCH, ConnectionError("cut")))
    resumed = await asked(path, engine(3, CITE))
    assert RLMTrace.of(resumed).journal == "resumed"
    assert resumed.response == "['lease', 'map', 'lease#2']"
    again = rent(3)
    again.node.id_ = "lease#2"
    assert resumed.source_nodes == [rent(1), rent(2, "map", ImageNode, image=PICTURE), again]
    answered = await asked(path, engine(5))
    assert RLMTrace.of(answered).journal == "finished"
    assert answered.source_nodes == resumed.source_nodes


async def test_a_hit_with_the_id_of_a_long_message_is_the_source_that_it_is() -> None:
    hit = rent(1, "message-1")
    engine = RLMQueryEngine.from_retriever(Rents(first=[hit]), llm=ScriptedLLM([CITE]), limits={"message_chars": 5_000})
    response = await engine.aquery("What was the rent, of all that " + "the clerk wrote down " * 300 + "?")
    assert response.response == "['message-1', 'message-1#2']"
    (source,) = response.source_nodes
    assert (source.node.node_id, source.text) == ("message-1#2", hit.text)
    *_, citation = response.metadata["rlm"]["citations"]
    assert [place["node_id"] for place in citation["nodes"]] == ["message-1#2"]


class Twofold(BaseNodePostprocessor):
    """Makes a second hit of the same id of each one."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return [*nodes, *(rent(100 + each.node.metadata["year"], each.node.node_id) for each in nodes)]


@pytest.mark.parametrize("way", ["run", "retrieve"])
async def test_hits_of_one_query_that_share_an_id_are_each_their_own_source(way: str) -> None:
    retriever = Rents(first=[rent(1), rent(2, "other")])
    engine = RLMQueryEngine.from_retriever(retriever, llm=ScriptedLLM([CITE]), node_postprocessors=[Twofold()])
    found = (await engine.aquery("q")).source_nodes if way == "run" else engine.retrieve(QueryBundle("q"))
    assert [(each.node.node_id, each.node.metadata["year"]) for each in found] == [
        ("lease", 1),
        ("other", 2),
        ("lease#2", 101),
        ("other#2", 102),
    ]


async def test_a_later_question_of_a_chat_knows_what_was_found_for_an_earlier_one() -> None:
    retriever = Rents(first=[rent(1)], second=[rent(2)], again=[rent(3)])
    chat = RLMChatEngine(RLMQueryEngine.from_retriever(retriever, llm=ScriptedLLM([CITE, CITE])))
    first, second = await chat.achat("first"), await chat.achat("second")
    assert (years(first), years(second)) == ([1, 3], [1, 3, 2])
    chat.reset()


def test_what_an_older_file_has_becomes_a_node_too() -> None:
    made = node_with_score(FoundDocument("a", "text", {"n": 1}))
    assert made == NodeWithScore(node=TextNode(id_="a", text="text", metadata={"n": 1}))


class Noting(TextNode):
    """Notes the threads in which its text is read."""

    def get_content(self, *args: Any, **kwargs: Any) -> str:
        READERS.add(threading.current_thread())
        return super().get_content(*args, **kwargs)


READERS = set[threading.Thread]()


@pytest.mark.parametrize("hits", [1, 300])
@pytest.mark.parametrize("kind", [Rents, AsyncRents])
async def test_hits_are_read_off_the_loop(kind: type[Rents], hits: int, tmp_path: Path) -> None:
    found = [NodeWithScore(node=Noting(id_=f"{number}", text=f"Hit {number}.")) for number in range(hits)]
    code = "```repl\nanswer = {'content': str(len(context + retrieve('more'))), 'ready': True}\n```"
    READERS.clear()
    engine = RLMQueryEngine.from_retriever(kind(first=found), llm=ScriptedLLM([code]), journal=tmp_path / "runs.sqlite")
    assert (await engine.aquery("q")).response == str(2 * hits)
    assert READERS
    assert threading.current_thread() not in READERS
