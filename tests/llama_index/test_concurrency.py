"""One engine, many callers."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from llama_index.core import Document

from rlm_integrations.llama_index import RLMQueryEngine

CALLERS = 40


@pytest.fixture
def engine(long_text, scripted):
    """Answers with a number out of its own question, after one sub-call each."""

    def reply(messages):
        if len(messages) == 2 and messages[-1].content.startswith("echo "):
            return messages[-1].content.removeprefix("echo ")
        number = messages[-1].content.rpartition("caller ")[2].split()[0]
        return f"```repl\nanswer['content'] = llm_query('echo {number}')\nanswer['ready'] = True\n```"

    return RLMQueryEngine.from_documents([Document(text=long_text)], llm=scripted(always=reply))


async def test_gathered_queries_do_not_mix(engine):
    responses = await asyncio.gather(*(engine.aquery(f"I am caller {number} .") for number in range(CALLERS)))
    assert [response.response for response in responses] == [str(number) for number in range(CALLERS)]


def test_threads_do_not_mix(engine):
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda number: engine.query(f"I am caller {number} ."), range(CALLERS)))
    assert [response.response for response in responses] == [str(number) for number in range(CALLERS)]
