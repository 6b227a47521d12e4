"""`route="auto"` of RLMRunnable, ChatRLM and the middleware's tool: one call, and the message says so."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from pydantic import BaseModel

from rlm_integrations import InvalidArgumentError, RLMTrace
from rlm_integrations.langchain import ChatRLM, RLMRunnable

LETTERS = [
    Document(f"The {'mayor' if n == 7 else 'baker'} closed arch {n}. " + "Regards. " * 100, id=f"l{n}")
    for n in range(12)
]
EVIDENCE = "\n<evidence>\n[l7] The mayor closed arch 7.\n</evidence>"
SAYS = f"say:The mayor.{EVIDENCE}"


@pytest.mark.parametrize("face", [RLMRunnable, ChatRLM])
@pytest.mark.parametrize("path", ["sync", "async"])
async def test_what_is_short_is_one_call(root_model: Any, face: Any, path: str) -> None:
    llm = root_model(SAYS)
    rlm = face(llm=llm, context=LETTERS, route="auto", limits={"direct_tokens": 20_000})
    question = "Who but the baker closed an arch?"
    message = rlm.invoke(question) if path == "sync" else await rlm.ainvoke(question)
    assert message.content == "The mayor."
    told = message.response_metadata["rlm"]
    assert told["route"] == "direct"
    assert [cited["document_id"] for cited in told["citations"]] == ["l7"]
    assert RLMTrace.of(message).iteration_count == 1
    assert message.usage_metadata["input_tokens"] == 10


def test_sources_are_the_documents_cited_ones_first(root_model: Any) -> None:
    rlm = RLMRunnable(llm=root_model(SAYS), context=LETTERS, route="auto", limits={"direct_tokens": 20_000})
    output = rlm.with_sources().invoke("Who but the baker closed an arch?")
    assert [document.id for document in output["context"]][:2] == ["l7", "l0"]


class Closed(BaseModel):
    by: str


def test_a_structured_output(root_model: Any) -> None:
    rlm = RLMRunnable(
        llm=root_model('say:{"by": "the mayor"}' + EVIDENCE),
        context=LETTERS,
        route="auto",
        limits={"direct_tokens": 20_000},
    )
    assert rlm.with_structured_output(Closed).invoke("Who?") == Closed(by="the mayor")


def test_a_figure_is_counted_by_code(root_model: Any) -> None:
    rlm = RLMRunnable(
        llm=root_model('answer["content"] = len(context)\nanswer["ready"] = True'), context=LETTERS, route="auto"
    )
    message = rlm.invoke("How many letters are there?")
    assert (message.content, message.response_metadata["rlm"]["route"]) == ("12", "rlm")


def test_an_unknown_route(root_model: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="route"):
        RLMRunnable(llm=root_model(), route="direct")
