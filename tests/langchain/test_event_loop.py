"""ainvoke and its kin never block the caller's event loop, as blockbuster sees it (and LangGraph's server with it)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockingError, blockbuster_ctx
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.retrievers import BaseRetriever
from langgraph.graph import START, MessagesState, StateGraph

from rlm_integrations import Journal
from rlm_integrations.langchain import RLMRunnable

LOOK = "print(search('a', limit=3))"
ASK = """
import json
answer["content"] = llm_query(json.dumps([len(context), population("Rome")]))
answer["ready"] = True
"""


@pytest.fixture
def _watched() -> Iterator[None]:
    with blockbuster_ctx():
        yield


class Shelf(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(Path(__file__).read_text(encoding="utf-8"))]  # a sync retriever may block: it has a thread


def population(city: str) -> int:
    return len(Path(__file__).read_text(encoding="utf-8"))


@pytest.mark.usefixtures("_watched")
async def test_blocking_calls_are_seen() -> None:
    with pytest.raises(BlockingError):
        population("Rome")


@pytest.mark.usefixtures("_watched")
@pytest.mark.parametrize("context", ["a" * 30_000, ["a" * 20_000] * 3, Shelf(), "b c " * 750_000])
async def test_a_run_never_blocks_the_loop(context: Any, root_model: Callable[..., Any], sub_model: Any) -> None:
    def rlm() -> RLMRunnable:
        return RLMRunnable(llm=root_model(LOOK, ASK), sub_llm=sub_model, context=context, tools=[population])

    assert (await rlm().ainvoke("q")).content.startswith("len=")
    assert "".join([str(chunk.content) async for chunk in rlm().astream("q")]).startswith("len=")
    assert (await rlm().abatch(["q"]))[0].content.startswith("len=")


@pytest.mark.usefixtures("_watched")
@pytest.mark.parametrize("lines", [30, 30_000])
async def test_sources_are_found_without_blocking_the_loop(lines: int, root_model: Callable[..., Any]) -> None:
    text = "".join(f"Line {number} of the ledger.\n" for number in range(lines))
    code = "print(context[0]['text'][-2000:])\nanswer['content'] = 'x'\nanswer['ready'] = True"
    rlm = RLMRunnable(llm=root_model(code), context=[Document(text), Document("another")]).with_sources()
    assert [document.page_content for document in (await rlm.ainvoke("q"))["context"]] == [text]


@pytest.mark.usefixtures("_watched")
async def test_what_a_call_brings_is_read_in_a_thread(root_model: Callable[..., Any], sub_model: Any) -> None:
    rlm = RLMRunnable(llm=root_model(LOOK, ASK), sub_llm=sub_model, tools=[population])
    message = await rlm.ainvoke({"context": Path(__file__), "question": "q"})
    assert message.content.startswith("len=")


@pytest.mark.usefixtures("_watched")
async def test_a_node_never_blocks_its_graph(root_model: Callable[..., Any], sub_model: Any) -> None:
    rlm = RLMRunnable(llm=root_model(LOOK, ASK), sub_llm=sub_model, context="a" * 30_000, tools=[population])
    graph = StateGraph(MessagesState).add_node("rlm", rlm.as_node()).add_edge(START, "rlm").compile()
    state = await graph.ainvoke({"messages": [HumanMessage("q")]})
    assert state["messages"][-1].content.startswith("len=")


@pytest.mark.usefixtures("_watched")
async def test_a_journal_never_blocks_the_loop(root_model: Callable[..., Any], sub_model: Any, tmp_path: Path) -> None:
    """Neither its file, nor what is kept in it, nor an answer out of it."""

    def rlm() -> RLMRunnable:
        llm = root_model(LOOK, ASK, LOOK, ASK)
        context = ["a" * 20_000] * 3
        journal = Journal(tmp_path / "runs.sqlite", cache_sub_calls=True, keep_days=1, max_mb=1)
        return RLMRunnable(llm=llm, sub_llm=sub_model, context=context, tools=[population], journal=journal)

    for _ in range(2):  # in the second round it is answered from the file
        assert (await rlm().ainvoke("q")).content.startswith("len=")
        answers = await rlm().abatch(["q", "q"], {"max_concurrency": 1})
        assert [message.content[:4] for message in answers] == ["len="] * 2
