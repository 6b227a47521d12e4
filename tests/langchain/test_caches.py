"""LangChain's cache of replies (`set_llm_cache`, or a model's own), and what a run makes of its hits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.caches import BaseCache, InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult, Generation
from langchain_core.runnables import RunnableLambda
from pydantic import Field

from rlm_integrations import RLMTrace
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.usage import Usage
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.langchain.language_model import LangChainModel

BATCH = (
    "```repl\nreplies = llm_query_batched([f'piece {n}: {context[n * 100:][:80]}' for n in range(5)])\n"
    "print(replies)\n```"
)
LOOK = "```repl\nprint(context[:3_000])\nprint(llm_query('one more'))\n```"
DONE = "```repl\nFINAL(len(replies))\n```"
LONG = "".join(f"line {n}: nothing to see\n" for n in range(2_000))


class CountedModel(BaseChatModel):
    """Plays the root LM's three steps, answers sub-calls, and counts what reaches it. Reports usage where told to."""

    name_sent: str
    reports: bool = True
    asked: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "counted"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"name": self.name_sent}

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.asked.append(str(messages[-1].text))
        replies = sum(message.type == "ai" for message in messages)
        said = f"read {messages[-1].text}" if self.name_sent == "sub" else (BATCH, LOOK, DONE)[replies]
        usage: Any = {"input_tokens": 50_000, "output_tokens": 7, "total_tokens": 50_007} if self.reports else None
        return ChatResult(generations=[ChatGeneration(message=AIMessage(said, usage_metadata=usage))])


class TextCache(BaseCache):
    """A cache that keeps of each reply the text alone, as some do."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], list[Generation]] = {}

    def lookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        return self.kept.get((prompt, llm_string))

    def update(self, prompt: str, llm_string: str, return_val: Any) -> None:
        self.kept[prompt, llm_string] = [Generation(text=each.text) for each in return_val]

    def clear(self, **kwargs: Any) -> None:
        self.kept.clear()


PRICES: Any = {"input_price": 1.0, "output_price": 1.0}


@pytest.fixture(params=[InMemoryCache, TextCache])
def cache(request: pytest.FixtureRequest) -> Iterator[BaseCache]:
    kept = request.param()
    set_llm_cache(kept)
    yield kept
    set_llm_cache(None)


@pytest.mark.parametrize("reports", [True, False])
@pytest.mark.parametrize("path", ["sync", "async"])
def test_a_repeated_run_is_all_hits_costs_nothing_and_meets_no_limit(
    cache: BaseCache, reports: bool, path: str
) -> None:
    root, sub = (CountedModel(name_sent=name, reports=reports) for name in ("root", "sub"))

    def run(**limits: Any) -> AIMessage:
        llm, prices = root.with_retry(), {"llm": PRICES, "sub_llm": PRICES} if limits else None
        rlm = RLMRunnable(llm=llm, sub_llm=sub, context=LONG, limits=limits, prices=prices, trace="full")
        return rlm.invoke("How many?") if path == "sync" else asyncio.run(rlm.ainvoke("How many?"))

    first = run()
    assert (first.content, len(root.asked), len(sub.asked)) == ("5", 3, 6)
    assert not any(iteration.call.cached for iteration in RLMTrace.of(first).iterations)
    again = run(max_cost_usd=0.01, max_total_tokens=50)
    assert (again.content, len(root.asked), len(sub.asked)) == ("5", 3, 6)
    trace = RLMTrace.of(again)
    assert trace.stop_reason == "answer"
    assert trace.usage == Usage()
    assert again.usage_metadata is None
    assert trace.warnings == []
    calls = [iteration.call for iteration in trace.iterations]
    calls += [call for execution in trace.executions for call in execution.sub_calls]
    assert len(calls) == 9
    assert all(call.cached for call in calls)


def test_a_models_own_cache_is_known_too_and_a_model_that_has_none_is_asked() -> None:
    root, sub = CountedModel(name_sent="root", cache=InMemoryCache()), CountedModel(name_sent="sub", cache=False)
    rlm = RLMRunnable(llm=root, sub_llm=sub, context=LONG, trace="full")
    rlm.invoke("How many?")
    trace = RLMTrace.of(rlm.invoke("How many?"))
    assert (len(root.asked), len(sub.asked)) == (3, 12)
    assert trace.root_usage == Usage()
    assert trace.sub_usage.input_tokens == 6 * 50_000


@pytest.mark.parametrize("usage", [None, {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}])
def test_a_message_without_an_id_that_no_chat_model_said_is_no_hit(usage: Any) -> None:
    model = LangChainModel(RunnableLambda(lambda messages: AIMessage("said", usage_metadata=usage)), "root")
    assert not model.complete_sync([Message("user", "?")]).cached
