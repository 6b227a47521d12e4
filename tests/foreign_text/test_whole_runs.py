"""A run takes work in proportion to its corpus, and the caller's loop does no more for a larger one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import pytest
from langchain_core.documents import Document as LangChainDocument
from langchain_core.retrievers import BaseRetriever
from llama_index.core.schema import TextNode
from pydantic import BaseModel, BeforeValidator

from rlm_integrations import RLMEngine
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM

from .work import Work

CLAUSE = "The parties agree that all notices under this contract are to be given in writing, and signed. "
READ_ALL = """
parts = chunks(context)
replies = llm_query_batched(parts)
for hit in search("No. 7"): print(hit)
answer["content"] = f"{len(parts)} parts"
answer["ready"] = True
"""


def contract(number: int) -> str:
    return f"CONTRACT between the city and the builder\n{CLAUSE * 2}\nNo. {number}\n{CLAUSE}"


async def test_a_run_over_thousands_of_contracts_of_one_form_takes_work_in_proportion() -> None:
    looked_at: dict[int, int] = {}
    for count in (300, 1_200, 2_400):
        engine = RLMEngine(
            ScriptedModel([f"```repl\n{READ_ALL}\n```"]), sub_llm=ScriptedModel(always=lambda messages: "nothing found")
        )
        corpus = Corpus.of({f"c{number}": contract(number) for number in range(count)})
        result = await engine.arun("Which contracts are signed?", corpus)
        found = await result.evidence.find_async()
        assert len(found.sources) == count
        looked_at[count] = found.looked_at
    assert looked_at[1_200] <= 1.1 * 4 * looked_at[300]
    assert looked_at[2_400] <= 1.1 * 8 * looked_at[300]


# -- what is done on the caller's loop does not grow

SET = "answer['content'] = {}\nanswer['ready'] = True"


Run = Callable[[], Awaitable[None]]


def over_documents(count: int) -> Run:
    """Beside a question that is a document itself, so that the corpus is joined anew."""
    corpus = Corpus.of([{"id": f"c{number}", "text": contract(number), "year": number} for number in range(count)])

    async def run() -> None:
        engine = RLMEngine(ScriptedModel([f"```repl\n{SET.format('len(context)')}\n```"]))
        assert (await engine.arun("x" * 30_000 + "Which are signed?", corpus)).text == str(count + 1)

    return run


def with_a_tool(count: int) -> Run:
    async def rows() -> list[int]:
        """Many rows."""
        return [1] * count

    async def run() -> None:
        engine = RLMEngine(ScriptedModel([f"```repl\n{SET.format('len(rows())')}\n```"]), tools=[rows])
        assert (await engine.arun("?", "x" * 9_000)).text == str(count)

    return run


def with_a_tool_and_a_journal(count: int) -> Run:
    async def rows() -> list[int]:
        """Many rows."""
        return [1] * (8 * count)

    async def run() -> None:
        with TemporaryDirectory() as folder:
            model = ScriptedModel([f"```repl\n{SET.format('len(rows())')}\n```"])
            engine = RLMEngine(model, tools=[rows], journal=Path(folder, "journal"))
            assert (await engine.arun("?", "x" * 9_000)).text == str(8 * count)

    return run


def with_a_typed_answer(count: int) -> Run:
    class Row(BaseModel):
        place: Annotated[int, BeforeValidator(lambda value: value)]

    async def run() -> None:
        code = SET.format(f"[{{'place': 1}}] * {count}")
        engine = RLMEngine(ScriptedModel([f"```repl\n{code}\n```"]), answer_type=list[Row])
        assert len((await engine.arun("?", "x" * 9_000)).answer) == count

    return run


def with_the_sources_of_langchain(count: int) -> Run:
    code = f"print(context[7]['text'])\n{SET.format('1')}"
    contracts = {f"c{number}": contract(number) for number in range(count)}
    chain = RLMRunnable(llm=ScriptedChatModel([f"```repl\n{code}\n```"]), context=contracts).with_sources()

    async def run() -> None:
        given_back = await chain.ainvoke("Which contract is signed?")
        assert [document.id for document in given_back["context"]] == ["c7"]

    return run


def with_the_metadata_of_llama_index(count: int) -> Run:
    metadata = {f"{number}": number for number in range(count // 8)}  # LlamaIndex takes their square for a node
    nodes = [TextNode(id_=f"n{number}", text=contract(number), metadata=metadata) for number in range(4)]
    for node in nodes:
        node.excluded_llm_metadata_keys = [*metadata]
    engine = RLMQueryEngine.from_nodes(nodes, llm=ScriptedLLM(["All of them."]))

    async def run() -> None:
        response = await engine.aquery("Which are signed?")
        assert len(response.source_nodes) == 4

    return run


def with_a_retriever_of_langchain(count: int) -> Run:
    hits = [LangChainDocument(contract(number), metadata={"source": f"{number}"}) for number in range(count)]

    class Archive(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[LangChainDocument]:
            return hits

        async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> list[LangChainDocument]:
            return hits if query == "more" else hits[:10]

    code = SET.format("len(retrieve('more'))")
    chain = RLMRunnable(llm=ScriptedChatModel([f"```repl\n{code}\n```"]), context=Archive())

    async def run() -> None:
        assert (await chain.ainvoke("Which are signed?")).content == str(count)

    return run


@pytest.mark.parametrize(
    "prepared",
    [
        over_documents,
        with_a_retriever_of_langchain,
        with_a_tool,
        with_a_tool_and_a_journal,
        with_a_typed_answer,
        with_the_sources_of_langchain,
        with_the_metadata_of_llama_index,
    ],
)
async def test_the_callers_loop_does_no_more_for_a_run_over_more(prepared: Callable[[int], Run]) -> None:
    await prepared(2_000)()  # what is done once
    done: list[int] = []
    for count in (2_000, 16_000):
        run = prepared(count)
        with Work() as on_the_loop:
            await run()
        done.append(on_the_loop.done)
    assert done[1] <= 1.5 * done[0]
