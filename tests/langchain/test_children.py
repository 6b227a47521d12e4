"""Child RLMs in LangChain: a chain run under the step that called it, in every way to call the runnable."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.documents import Document

from rlm_integrations import Message, RLMTrace
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

DOCUMENTS = [Document(f"Plot {n}.\n" + "Nothing of note.\n" * 300, id=f"plot-{n}") for n in range(20)]
ROOT = """```repl
answers = rlm_query_batched([("How many?", context[:3]), ("How many?", ["plot-7"])])
answer["content"] = ", ".join(answers)
answer["ready"] = True
```"""
CHILD = """```repl
cite("Plot", context[0]["id"])
answer["content"] = f"{len(context)} of " + llm_query("plain")
answer["ready"] = True
```"""


class SubModel(ScriptedChatModel):
    """The root LM of children, and their sub-LM."""


def reply(messages: Sequence[Message]) -> str:
    return CHILD if messages[0].content.startswith("You answer a question about a corpus") else "plain"


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "astream"])
async def test_a_child_is_a_chain_run_under_its_step(way: str, root_model: Any, tracer: Any) -> None:
    usage = UsageMetadataCallbackHandler()
    sub = SubModel(always=reply)
    rlm = RLMRunnable(
        llm=root_model(ROOT.removeprefix("```repl\n").removesuffix("```")), sub_llm=sub, context=DOCUMENTS
    )
    rlm = rlm.model_copy(update={"limits": rlm.limits.model_copy(update={"max_depth": 2}), "trace": "full"})
    config: Any = {"callbacks": [tracer, usage]}
    if way == "invoke":
        message = await asyncio.to_thread(rlm.invoke, "?", config)
    elif way == "ainvoke":
        message = await rlm.ainvoke("?", config)
    else:
        first, *rest = [chunk async for chunk in rlm.astream("?", config)]
        message = sum(rest, first)
    assert message.content == "3 of plain, 1 of plain"
    child = [
        "    rlm_query [chain]",
        "      SubModel [chat_model]",
        "      python_repl [tool]",
        "        SubModel [chat_model]",
    ]
    assert tracer.lines() == ["RLMRunnable [chain]", "  RootModel [chat_model]", "  python_repl [tool]", *child, *child]
    trace = RLMTrace.of(message)
    assert (trace.sub_call_count, sorted(each.document_id for each in trace.citations)) == (4, ["plot-0", "plot-7"])
    counted = usage.usage_metadata.values()
    assert trace.usage.total_tokens == sum(each["total_tokens"] for each in counted)
