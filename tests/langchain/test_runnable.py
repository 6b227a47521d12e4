"""What RLMRunnable answers with: messages, usage, traces, typed answers."""

from __future__ import annotations

import functools
import json
import pickle
from typing import Any, Literal

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, message_to_dict, messages_from_dict
from langchain_core.messages.ai import add_usage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.events import RunEnded, RunStarted
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.trace.run_errors import LimitReachedError, RootModelError
from rlm_integrations.langchain import ChatRLM, RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

READY = 'answer["content"] = {0}\nanswer["ready"] = True'


async def test_the_message_carries_answer_trace_stop_reason_and_citations(root_model):
    code = 'cite("blue whale", "w")\n' + READY.format('"the blue whale"')
    rlm = RLMRunnable(llm=root_model(code), context=[Document("The blue whale is large.", id="w")])
    message = await rlm.ainvoke("Who?")
    assert message.content == "the blue whale"
    told = message.response_metadata["rlm"]
    assert told["stop_reason"] == "answer"
    [cited] = told["citations"]
    quoted = {"cited_text": "blue whale", "start_index": 4, "end_index": 14, "document_id": "w"}
    assert cited == {**quoted, "iteration": 1, "child": None}
    trace = RLMTrace.model_validate(told["trace"])
    assert trace.detail == "summary"
    assert trace.iterations[0].execution is not None


@pytest.mark.parametrize("detail", ["summary", "none"])
def test_the_message_says_how_many_sub_calls_failed(root_model, detail):
    def answer(messages: list[Any]) -> str:
        if messages[-1].content in ("p2", "p5"):
            raise RuntimeError("Error code: 429")
        return "ok"

    code = READY.format("len([r for r in llm_query_batched([f'p{n}' for n in range(9)]) if r == 'ok'])")
    rlm = RLMRunnable(
        llm=root_model(code, code), sub_llm=ScriptedChatModel(always=answer), context="a line", trace=detail
    )
    message = rlm.invoke("q")
    assert message.text == "7"
    told = message.response_metadata["rlm"]
    assert (told["stop_reason"], told["sub_calls"], told["failed_sub_calls"]) == ("answer", 9, 2)
    (noted,) = rlm.as_node().invoke({"messages": ["q"]})["messages"] if detail == "none" else [message]
    assert noted.response_metadata["rlm"]["failed_sub_calls"] == 2


@pytest.mark.parametrize("detail", ["full", "summary"])
def test_a_message_shows_its_trace_in_a_line_and_holds_it_whole(root_model, detail):
    message = RLMRunnable(llm=root_model("say:yes"), trace=detail).invoke("q")
    assert len(repr(message)) < 800
    assert "'trace': <1 iteration: RLMTrace.of(...)>" in repr(message)
    assert len(str(RLMTrace.of(message))) < 200
    kept = json.loads(json.dumps(message.response_metadata))
    assert kept == message.response_metadata == messages_from_dict([message_to_dict(message)])[0].response_metadata
    assert RLMTrace.model_validate(kept["rlm"]["trace"]) == RLMTrace.of(message)
    assert pickle.loads(pickle.dumps(message)) == message


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


async def test_a_batch_adds_up_to_what_the_counter_of_langchain_has_counted(root_model, sub_model):
    root = root_model(*[READY.format("llm_query('a')")] * 6)
    rlm, counter = RLMRunnable(llm=root, sub_llm=sub_model, context="c"), UsageMetadataCallbackHandler()
    messages = [
        *rlm.batch(["q"] * 3, {"callbacks": [counter]}),
        *await rlm.abatch(["q"] * 3, {"callbacks": [counter]}),
    ]
    counted, told = (
        functools.reduce(add_usage, usages)
        for usages in (counter.usage_metadata.values(), [message.usage_metadata for message in messages])
    )
    assert counted == told
    assert told["input_token_details"] == {"cache_read": 6 * 4}
    assert told["output_token_details"] == {"reasoning": 6}


def test_what_a_tool_spends_is_its_own_and_the_counter_has_both(root_model):
    inner = RLMRunnable(llm=root_model("say:inner"))
    spent = []

    def colleague(question: str) -> str:
        spent.append(inner.invoke(question))
        return spent[0].text

    counter = UsageMetadataCallbackHandler()
    outer = RLMRunnable(llm=root_model(READY.format("colleague('?')")), tools=[colleague], context="c")
    message = outer.invoke("q", {"callbacks": [counter]})
    assert (message.usage_metadata["total_tokens"], spent[0].usage_metadata["total_tokens"]) == (15, 15)
    assert sum(usage["total_tokens"] for usage in counter.usage_metadata.values()) == 30


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
    chat_model_s = {"include_raw": True, "method": "json_schema", "strict": True}
    raw = RLMRunnable(llm=root_model(code), context="c").with_structured_output(Capital, **chat_model_s).invoke("q")
    assert raw["parsed"] == rome
    assert Capital.model_validate_json(raw["raw"].content) == rome


def test_a_schema_that_is_none_is_refused_at_once(root_model):
    with pytest.raises(InvalidArgumentError, match="answer_type"):
        RLMRunnable(llm=root_model("say:x")).with_structured_output(object())
    with pytest.raises(InvalidArgumentError, match="tools: with_structured_output takes no such keyword"):
        RLMRunnable(llm=root_model("say:x")).with_structured_output(Capital, tools=[])


@pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream"])
async def test_an_answer_that_never_fits_is_a_parsing_error_as_chat_models_have_it(root_model, mode):
    def runnable(**options: Any) -> Any:
        llm = root_model(READY.format("{'city': 'Rome'}"), "say:still Rome")
        rlm = RLMRunnable(llm=llm, context="x" * 9_000, limits={"max_iterations": 1})
        return rlm.with_structured_output(Capital, **options)

    with pytest.raises(
        LimitReachedError, match=r"no answer that fits the type asked for \(.*inhabitants: Field required"
    ):
        runnable().invoke("q")
    rlm = runnable(include_raw=True)
    if mode == "stream":
        (given,) = rlm.stream("q")
    else:
        given = rlm.invoke("q") if mode == "invoke" else await rlm.ainvoke("q")
    assert given["parsed"] is None
    assert isinstance(given["parsing_error"], LimitReachedError)
    assert json.loads(given["raw"].content) == {"city": "Rome"}
    assert given["raw"].usage_metadata["total_tokens"] == 30
    assert given["raw"].response_metadata["rlm"]["stop_reason"] == "max_iterations"


def test_a_failed_model_and_a_raised_limit_are_no_parsing_error(root_model):
    down = RLMRunnable(llm=ScriptedChatModel([RuntimeError("down")])).with_structured_output(Capital, include_raw=True)
    with pytest.raises(RootModelError, match="down"):
        down.invoke("q")
    fits = READY.format('{"city": "Rome", "inhabitants": 1}').replace("True", "False")
    last = 'say:{"city": "Rome", "inhabitants": 1}'
    rlm = RLMRunnable(llm=root_model(fits, last), context="x" * 9_000, limits={"max_iterations": 1}, on_limit="raise")
    with pytest.raises(LimitReachedError) as caught:
        rlm.with_structured_output(Capital, include_raw=True).invoke("q")
    assert caught.value.result.answer == Capital(city="Rome", inhabitants=1)


PRICES = {"llm": {"input_price": 10_000, "output_price": 0}}


@pytest.mark.parametrize("kind", [RLMRunnable, ChatRLM])
def test_a_limit_in_money_is_kept_by_the_prices_that_are_given(kind, root_model):
    llm = root_model("x = 1", "x = 2", "say:late")
    rlm = kind(llm=llm, context="x" * 9_000, limits={"max_cost_usd": 0.15}, prices=PRICES)
    with pytest.warns(RuntimeWarning, match=r"reached the limit of 0.15 US dollars \(max_cost_usd\)"):
        message = rlm.invoke("q")
    report = message.response_metadata["rlm"]
    assert (message.text, report["stop_reason"]) == ("late", "max_cost")
    assert RLMTrace.of(message).usage.cost_usd == pytest.approx(0.3)


@pytest.mark.parametrize("kind", [RLMRunnable, ChatRLM])
def test_a_limit_in_money_without_prices_is_refused_with_nothing_sent(kind, root_model):
    llm = root_model("x = 1")
    with pytest.raises(InvalidArgumentError, match=r"llm costs is unknown; pass prices=\{.* or use max_total_tokens"):
        kind(llm=llm, context="x" * 9_000, limits={"max_cost_usd": 1})
    with pytest.raises(InvalidArgumentError, match="what a call of sub_llm costs is unknown"):
        kind(llm=llm, sub_llm=root_model("say:y"), limits={"max_cost_usd": 1}, prices=PRICES)
    assert llm.requests == []
    kind(llm=llm, sub_llm=llm, limits={"max_cost_usd": 1}, prices=PRICES)


def test_a_chain_that_keeps_the_text_alone_warns_of_a_limit(root_model):
    rlm = RLMRunnable(llm=root_model("x = 1", "say:Rome, perhaps."), context="x" * 9_000, limits={"max_iterations": 1})
    with pytest.warns(RuntimeWarning, match="a limit was met: the run for “Which city does he mean") as warned:
        assert (rlm | StrOutputParser()).invoke("Which city does he mean?") == "Rome, perhaps."
    assert len(warned) == 1


def test_a_chain_that_keeps_the_text_alone_warns_where_nothing_was_read(root_model):
    rlm = RLMRunnable(llm=root_model("say:yes", "say:yes"), context="x" * 9_000)
    with pytest.warns(RuntimeWarning, match="no code ran: the root LM answered “Is it Rome") as warned:
        assert (rlm | StrOutputParser()).invoke("Is it Rome?") == "yes"
    assert len(warned) == 1


@pytest.mark.parametrize("schema", [list[str], dict[str, int], Literal["yes", "no"]])
def test_structured_output_of_other_types(root_model, schema):
    value = {list[str]: ["a"], dict[str, int]: {"a": 1}}.get(schema, "yes")
    rlm = RLMRunnable(llm=root_model(READY.format(repr(value))), context="c")
    assert rlm.with_structured_output(schema).invoke("q") == value


def test_chunks_of_a_typed_answer_and_of_sources_add_up(root_model):
    code = READY.format('{"city": "Rome", "inhabitants": 1}')
    typed = RLMRunnable(llm=root_model(code), context="c").with_structured_output(Capital)
    assert list(typed.stream("q")) == [Capital(city="Rome", inhabitants=1)]
    document = Document("The blue whale is large.", id="w")
    cited = 'cite("blue whale", "w")\n' + READY.format('"the blue whale " * 3')
    first, *rest = RLMRunnable(llm=root_model(cited), context=[document]).with_sources().stream("q")
    whole = sum(rest, first)
    assert whole["context"] == [document]
    assert whole["answer"] == whole["message"].text == "the blue whale " * 3
