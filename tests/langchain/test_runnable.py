"""What RLMRunnable answers with: messages, usage, traces, typed answers."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.events import RunEnded, RunStarted
from rlm_integrations.core.trace import RLMTrace
from rlm_integrations.langchain import RLMRunnable

READY = 'answer["content"] = {0}\nanswer["ready"] = True'


async def test_the_message_carries_answer_trace_stop_reason_and_citations(root_model):
    code = 'cite("blue whale", "w")\n' + READY.format('"the blue whale"')
    rlm = RLMRunnable(llm=root_model(code), context=[Document("The blue whale is large.", id="w")])
    message = await rlm.ainvoke("Who?")
    assert message.content == "the blue whale"
    told = message.response_metadata["rlm"]
    assert told["stop_reason"] == "answer"
    assert told["citations"] == [{"cited_text": "blue whale", "start_index": 4, "end_index": 14, "document_id": "w"}]
    trace = RLMTrace.model_validate(told["trace"])
    assert trace.detail == "summary"
    assert trace.iterations[0].execution is not None


@pytest.mark.parametrize("detail", ["full", "none"])
def test_how_much_of_the_trace_travels_is_the_users_choice(root_model, detail):
    told = RLMRunnable(llm=root_model("say:yes"), trace=detail).invoke("q").response_metadata["rlm"]
    assert (told["trace"] is None) == (detail == "none")
    if detail == "full":
        assert RLMTrace.model_validate(told["trace"]).detail == "full"


def test_usage_counters_of_langchain_see_each_call_once(root_model, sub_model):
    counter = UsageMetadataCallbackHandler()
    code = READY.format("llm_query('a') + llm_query('b')")
    rlm = RLMRunnable(llm=root_model(code), sub_llm=sub_model, context="c")
    message = rlm.invoke("q", {"callbacks": [counter]})
    assert message.usage_metadata is not None
    assert {name: usage["total_tokens"] for name, usage in counter.usage_metadata.items()} == {
        "scripted": 15,
        "sub-1": 10,
    }
    assert message.usage_metadata["total_tokens"] == 25


def test_a_model_that_reports_no_usage_gives_none():
    class Silent(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "silent"

        def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
            return ChatResult(generations=[ChatGeneration(message=AIMessage("ok"))])

    assert RLMRunnable(llm=Silent()).invoke("q").usage_metadata is None


async def test_events_are_handed_on_in_order(root_model):
    seen: list[Any] = []

    async def keep(event: Any) -> None:
        seen.append(event)

    await RLMRunnable(llm=root_model("say:yes"), on_event=keep).ainvoke("q")
    assert isinstance(seen[0], RunStarted)
    assert isinstance(seen[-1], RunEnded)
    RLMRunnable(llm=root_model("say:yes"), on_event=seen.append).invoke("q")
    assert isinstance(seen[-1], RunEnded)


class Capital(BaseModel):
    city: str
    inhabitants: int


async def test_structured_output_is_the_validated_object(root_model):
    code = READY.format('{"city": "Rome", "inhabitants": 2_750_000}')
    rome = Capital(city="Rome", inhabitants=2_750_000)
    assert await RLMRunnable(llm=root_model(code), context="c").with_structured_output(Capital).ainvoke("q") == rome
    raw = RLMRunnable(llm=root_model(code), context="c").with_structured_output(Capital, include_raw=True).invoke("q")
    assert raw["parsed"] == rome
    assert Capital.model_validate_json(raw["raw"].content) == rome


def test_a_schema_that_is_none_is_refused_at_once(root_model):
    with pytest.raises(InvalidArgumentError, match="answer_type"):
        RLMRunnable(llm=root_model("say:x")).with_structured_output(object())
