"""Both frameworks run over a backend, with what the trace says of it."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document
from llama_index.core import Document as LlamaDocument
from llama_index.core import SummaryIndex

import rlm_integrations.llama_index  # noqa: F401 - query engines of indexes have engine="rlm" now
from rlm_integrations import RLMLimits, collect_rlm_traces
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM

pytest.importorskip("deepagents", reason="deepagents is not installed: pip install 'rlm-integrations[deepagents]'")

TEXTS = [f"Plot {n}. " + "Nothing of note. " * 100 for n in range(20)]
CODE = """```repl
said = llm_query_batched([f"Of note? {d['text'][:8]}" for d in context])
cite("Plot 7.", context[7]["id"])
FINAL(f"{len(context)} documents, {said.count('no')} of them not")
```"""
ANSWER = "20 documents, 20 of them not"
LIMITS = RLMLimits(inline_chars=0)


async def test_langchain(local: Sandbox) -> None:
    rlm = RLMRunnable(
        llm=ScriptedChatModel([CODE]),
        sub_llm=ScriptedChatModel(always=lambda messages: "no"),
        context=[Document(text) for text in TEXTS],
        sandbox=local,
        limits=LIMITS,
    )
    with collect_rlm_traces() as traces:
        message = await rlm.ainvoke("How many are of note?")
    assert message.content == ANSWER
    assert [(trace.sandbox, trace.isolation["confinement"]) for trace in traces] == [
        ("deepagents", "none: commands run on this machine with your rights")
    ]


def test_llama_index(local: Sandbox) -> None:
    index = SummaryIndex.from_documents([LlamaDocument(text=text) for text in TEXTS])
    engine = index.as_query_engine(
        engine="rlm",
        llm=ScriptedLLM([CODE]),
        sub_llm=ScriptedLLM(always=lambda messages: "no"),
        sandbox=local,
        limits=LIMITS,
    )
    response = engine.query("How many are of note?")
    assert str(response) == ANSWER
    assert [node.text[:7] for node in response.source_nodes] == ["Plot 7."]
