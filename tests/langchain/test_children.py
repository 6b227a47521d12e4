"""Child RLMs in LangChain: a chain run under the step that called it, in every way to call the runnable."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.documents import Document

from rlm_integrations import RLMTrace
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel


class SubModel(ScriptedChatModel):
    """The root LM of children, and their sub-LM."""


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "astream"])
async def test_a_child_is_a_chain_run_under_its_step(way: str, root_model: Any, tracer: Any, child_script: Any) -> None:
    usage = UsageMetadataCallbackHandler()
    documents = [Document(text, id=name) for name, text in child_script.texts.items()]
    llm, sub_llm = root_model(child_script.root_code), SubModel(always=child_script.sub_reply)
    rlm = RLMRunnable(llm=llm, sub_llm=sub_llm, context=documents, limits={"max_depth": 2}, trace="full")
    config: Any = {"callbacks": [tracer, usage]}
    if way == "invoke":
        message = await asyncio.to_thread(rlm.invoke, "?", config)
    elif way == "ainvoke":
        message = await rlm.ainvoke("?", config)
    else:
        first, *rest = [chunk async for chunk in rlm.astream("?", config)]
        message = sum(rest, first)
    assert message.content == child_script.answer
    child = [
        "    rlm_query [chain]",
        "      SubModel [chat_model]",
        "      python_repl [tool]",
        "        SubModel [chat_model]",
    ]
    assert tracer.lines() == ["RLMRunnable [chain]", "  RootModel [chat_model]", "  python_repl [tool]", *child, *child]
    trace = RLMTrace.of(message)
    assert trace.sub_call_count == child_script.sub_calls
    assert sorted(each.document_id for each in trace.citations) == [*child_script.cited]
    counted = usage.usage_metadata.values()
    assert trace.usage.total_tokens == sum(each["total_tokens"] for each in counted)
