"""protocol="tool" in LlamaIndex: function-calling LLMs, the same runs, and errors at construction."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import Document, SummaryIndex
from llama_index.core.llms import MockLLM
from llama_index.llms.openai_like import OpenAILike

from rlm_integrations import InvalidArgumentError, RLMTrace
from rlm_integrations.llama_index import RLMQueryEngine, install
from rlm_integrations.testing import PythonCalls
from rlm_integrations.testing.llama_index import ScriptedLLM

DOCUMENTS = [
    Document(text=f"Plot {n}.\n" + "".join(f"Line {line}.\n" for line in range(300)), doc_id=f"plot-{n}")
    for n in range(20)
]
DONE = "answer['content'] = x\nanswer['ready'] = True"


def root(*replies: Any) -> ScriptedLLM:
    return ScriptedLLM(replies, is_function_calling_model=True)


@pytest.mark.parametrize("sync", [True, False])
async def test_an_index_has_it_by_as_query_engine(sync: bool) -> None:
    install()
    llm = root(PythonCalls("x = 1", "x += 1", text="Look."), "Hm.", PythonCalls(DONE))
    index: Any = SummaryIndex.from_documents(DOCUMENTS)
    engine = index.as_query_engine(engine="rlm", llm=llm, protocol="tool", trace="full")
    response = engine.query("?") if sync else await engine.aquery("?")
    assert str(response) == "2"
    assert RLMTrace.of(response).executions[0].blocks == ["x = 1", "x += 1"]
    assert "Call the tool `python`" in llm.double.requests[0][0].content


async def test_a_copy_keeps_it() -> None:
    engine = RLMQueryEngine.from_documents(DOCUMENTS, llm=root(PythonCalls("x = 1\n" + DONE)), protocol="tool")
    copied = object.__new__(RLMQueryEngine)
    copied.__setstate__(engine.__getstate__())
    assert str(await copied.aquery("?")) == "1"


@pytest.mark.parametrize(
    ("llm", "words"),
    [
        (MockLLM(), r"MockLLM cannot call tools \(it is no FunctionCallingLLM\)"),
        (
            OpenAILike(model="m", is_chat_model=True, api_base="http://localhost:1", api_key="none"),
            r"OpenAILike cannot call tools \(its metadata says so; .* OpenAILike\(is_function_calling_model=True, .*",
        ),
    ],
)
def test_an_llm_that_cannot_call_tools_is_refused_at_construction(llm: Any, words: str) -> None:
    whole = (
        rf'protocol: "tool" needs an llm that calls tools natively, and {words}; pass as llm .* leave protocol="fence"'
    )
    with pytest.raises(InvalidArgumentError, match=whole):
        RLMQueryEngine.from_documents(DOCUMENTS, llm=llm, protocol="tool")
    RLMQueryEngine.from_documents(DOCUMENTS, llm=llm)


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="protocol: 'json' is unknown"):
        RLMQueryEngine.from_documents(DOCUMENTS, llm=ScriptedLLM(["x"]), protocol="json")  # type: ignore[arg-type]
