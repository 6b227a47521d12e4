"""`route="auto"` of RLMQueryEngine: one call, native sources, and the response says so."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import Document, SummaryIndex
from llama_index.core.schema import TextNode
from pydantic import BaseModel

from rlm_integrations import RLMTrace
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing.llama_index import ScriptedLLM

LETTERS = [
    Document(text=f"The {'mayor' if n == 7 else 'baker'} closed arch {n}. " + "Regards. " * 100, doc_id=f"l{n}")
    for n in range(12)
]
QUESTION = "Who but the baker closed an arch?"
EVIDENCE = "\n<evidence>\n[l7] The mayor closed arch 7.\n</evidence>"


def engine(reply: str, **options: Any) -> Any:
    index = SummaryIndex([TextNode(text=letter.text, id_=letter.doc_id) for letter in LETTERS])
    limits = {"direct_tokens": 20_000}
    return index.as_query_engine(engine="rlm", llm=ScriptedLLM([reply]), route="auto", limits=limits, **options)


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_what_is_short_is_one_call(path: str) -> None:
    asked = engine(f"The mayor.{EVIDENCE}")
    response = asked.query(QUESTION) if path == "sync" else await asked.aquery(QUESTION)
    assert response.response == "The mayor."
    assert response.metadata["rlm"]["route"] == "direct"
    assert response.source_nodes[0].node.node_id == "l7"
    assert len(response.source_nodes) == len(LETTERS)
    assert RLMTrace.of(response).iteration_count == 1


def test_inline_citations_stand_where_the_quotes_stood() -> None:
    reply = f"The mayor did [[The mayor closed arch 7.]].{EVIDENCE}"
    assert engine(reply, inline_citations=True).query(QUESTION).response == "The mayor did [1]."


class Closed(BaseModel):
    by: str


def test_an_output_class() -> None:
    response = engine('{"by": "the mayor"}' + EVIDENCE, output_cls=Closed).query(QUESTION)
    assert response.response == Closed(by="the mayor")


def test_a_figure_is_counted_by_code() -> None:
    code = '```repl\nanswer["content"] = len(context)\nanswer["ready"] = True\n```'
    asked = RLMQueryEngine(llm=ScriptedLLM([code]), context=LETTERS, route="auto")
    response = asked.query("How many letters are there?")
    assert (response.response, response.metadata["rlm"]["route"]) == ("12", "rlm")
