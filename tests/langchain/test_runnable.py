"""RLMRunnable in the hands of a LangChain user: arguments, answers, streams, chains, wrappers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from langchain_classic.chains.combine_documents import create_stuff_documents_chain
from langchain_classic.chains.retrieval import create_retrieval_chain
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, RunnableLambda, RunnablePassthrough
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError, LimitReachedError, RootModelError
from rlm_integrations.core.events import RunEnded, RunStarted
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace import RLMTrace
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

READY = 'answer["content"] = {0}\nanswer["ready"] = True'
JOIN = READY.format('" | ".join(document["text"] for document in context)')


class Gate(BaseChatModel):
    """Answers when `barrier.parties` calls are open at once, and counts how many ever were."""

    barrier: Any
    open: int = 0
    most: int = 0

    @property
    def _llm_type(self) -> str:
        return "gate"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        self.open += 1
        self.most = max(self.most, self.open)
        await self.barrier.wait()
        self.open -= 1
        return ChatResult(generations=[ChatGeneration(message=AIMessage("ok"))])


class Hanging(BaseChatModel):
    """Never answers, and says when it was asked and when the call was given up."""

    asked: Any
    given_up: Any

    @property
    def _llm_type(self) -> str:
        return "hanging"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        self.asked.set()
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            self.given_up.set()


# -- arguments


def test_a_misspelt_argument_names_the_close_one(root_model):
    with pytest.raises(InvalidArgumentError, match="sub_lm: unknown argument; did you mean 'sub_llm'"):
        RLMRunnable(llm=root_model("say:x"), sub_lm=root_model("say:y"))


def test_no_model_names_llm():
    with pytest.raises(InvalidArgumentError, match="llm: no model given"):
        RLMRunnable(context="x")
    with pytest.raises(InvalidArgumentError, match="llm: NoneType is not a LangChain model"):
        RLMRunnable(llm=None)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"limits": {"max_iteration": 3}}, "did you mean 'max_iterations'"),
        ({"limits": 3}, "limits: int given"),
        ({"trace": "all"}, "trace='all': input should be"),
        ({"on_limit": "stop"}, "on_limit='stop': input should be"),
        ({"context": []}, "context: is empty"),
        ({"tools": ["search"]}, "tools: item 0 is str"),
        ({"sandbox": "dockr"}, "sandbox: "),
        ({"sub_llm": 5}, "sub_llm: int is not a LangChain model"),
    ],
)
def test_a_wrong_argument_is_told_of_by_the_constructor(root_model, arguments, says):
    with pytest.raises(InvalidArgumentError) as caught:
        RLMRunnable(llm=root_model("say:x"), **arguments)
    assert says in str(caught.value)


def test_a_keyword_meant_for_the_model_is_refused_and_not_lost(root_model):
    with pytest.raises(InvalidArgumentError, match=r"llm\.bind\(stop="):
        RLMRunnable(llm=root_model("say:x")).invoke("q", stop=["\n"])


def test_limits_may_be_a_dict(root_model):
    assert RLMRunnable(llm=root_model("say:x"), limits={"max_iterations": 3}).limits == RLMLimits(max_iterations=3)


def test_a_limit_ends_the_run_with_its_best_answer_or_raises_with_it(root_model):
    def runnable(**options: str) -> RLMRunnable:
        llm = root_model("answer['content'] = 'so far'", "say:the best I have")
        return RLMRunnable(llm=llm, context="x" * 9_000, limits={"max_iterations": 1}, **options)

    message = runnable().invoke("Where?")
    assert (message.content, message.response_metadata["rlm"]["stop_reason"]) == ("the best I have", "max_iterations")
    with pytest.raises(LimitReachedError) as caught:
        runnable(on_limit="raise").invoke("Where?")
    assert caught.value.result is not None
    assert (caught.value.result.text, caught.value.result.stop_reason) == ("the best I have", "max_iterations")


def test_without_langchain_core_the_extra_is_named():
    code = "import sys; sys.modules['langchain_core'] = None\nimport rlm_integrations.langchain"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "rlm-integrations[langchain]"' in ended.stderr.splitlines()[-1]


# -- answers


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


# -- questions and contexts


def test_the_users_own_messages_reach_the_root_in_their_roles(root_model):
    llm = root_model("say:fine")
    RLMRunnable(llm=llm).invoke(
        [SystemMessage("Be brief."), HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("How?")]
    )
    roles = [(message.role, message.content) for message in llm.requests[0][1:-1]]
    assert roles == [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello")]
    assert "How?" in llm.requests[0][-1].content


def test_what_a_call_brings_goes_before_the_constructors_context(root_model):
    rlm = RLMRunnable(llm=root_model(JOIN, JOIN), context=["kept"])
    assert rlm.invoke({"context": [Document("brought")], "question": "q"}).content == "brought | kept"
    assert rlm.invoke("q").content == "kept"


def test_a_lazy_context_is_read_once_and_shared_by_a_rebuilt_runnable(root_model):
    texts = (text for text in ["one", "two"])
    rlm = RLMRunnable(llm=root_model(JOIN, JOIN, JOIN), context=texts)
    named = rlm.configurable_fields(instructions=ConfigurableField(id="instructions"))
    assert rlm.invoke("q").content == "one | two"
    assert named.invoke("q", {"configurable": {"instructions": "Be brief."}}).content == "one | two"
    other = rlm.configurable_fields(context=ConfigurableField(id="corpus"))
    assert other.invoke("q", {"configurable": {"corpus": ["three"]}}).content == "three"


def test_a_classic_lcel_rag_chain_swaps_its_model(root_model):
    prompt = ChatPromptTemplate.from_template("Use: {context}\n\nQuestion: {question}")
    retriever = RunnableLambda(lambda question: [Document("Rome is the capital.")])
    chain = {"context": retriever, "question": RunnablePassthrough()} | prompt | RLMRunnable(llm=root_model("say:Rome"))
    assert (chain | StrOutputParser()).invoke("Which city?") == "Rome"


def test_a_retriever_dict_straight_into_the_runnable_brings_documents(root_model):
    retriever = RunnableLambda(lambda question: [Document("Rome"), Document("Paris")])
    chain = {"context": retriever, "question": RunnablePassthrough()} | RLMRunnable(llm=root_model(JOIN))
    assert chain.invoke("Which?").content == "Rome | Paris"


def test_the_classic_document_chains_take_it_for_a_model(root_model):
    prompt = ChatPromptTemplate.from_template("{context}\n\n{input}")
    documents = [Document("first " * 4_000), Document("second " * 4_000)]
    count = READY.format('sum(document["text"].count("second") for document in context)')
    stuffed = create_stuff_documents_chain(RLMRunnable(llm=root_model(count)), prompt)
    assert stuffed.invoke({"context": documents, "input": "How many?"}) == "4000"

    chain = create_retrieval_chain(RunnableLambda(lambda _: documents), RLMRunnable(llm=root_model(count)))
    given = chain.invoke({"input": "How many?"})
    assert given["answer"].content == "4000"
    assert given["context"] == documents


# -- streams, batches, cancellation


async def test_chunks_add_up_to_the_message(root_model):
    text = "word and word " * 400
    replies = root_model(f"say:{text}", f"say:{text}")
    rlm = RLMRunnable(llm=replies)
    for chunks in (list(rlm.stream("q")), [chunk async for chunk in rlm.astream("q")]):
        whole = sum(chunks[1:], chunks[0])
        assert isinstance(whole, AIMessageChunk)
        assert whole.content == text.strip()
        assert len(chunks) > 20
        assert len({chunk.id for chunk in chunks}) == 1
        assert [chunk.chunk_position for chunk in chunks[-2:]] == [None, "last"]
        assert [bool(chunk.usage_metadata) for chunk in chunks[-2:]] == [False, True]
        assert whole.usage_metadata["total_tokens"] == 15
        assert whole.response_metadata["rlm"]["stop_reason"] == "plain_reply"


@pytest.mark.parametrize(("config", "at_once"), [({}, 8), ({"max_concurrency": 3}, 3)])
async def test_abatch_keeps_few_runs_open_at_once_and_their_order(config, at_once):
    gate = Gate(barrier=asyncio.Barrier(at_once))
    answers = await RLMRunnable(llm=gate).abatch([f"q{n}" for n in range(24)], config)
    assert [answer.content for answer in answers] == ["ok"] * 24
    assert gate.most == at_once


def test_batch_runs_side_by_side_in_threads_over_one_corpus(sub_model):
    root = ScriptedChatModel(always=lambda messages: f"```repl\n{READY.format('llm_query(context)')}\n```")
    rlm = RLMRunnable(llm=root, sub_llm=sub_model, context="x" * 30_000)
    answers = rlm.batch([f"q{n}" for n in range(6)], {"max_concurrency": 3})
    assert {answer.content for answer in answers} == {"len=30000"}


async def test_abatch_returns_exceptions_where_they_are_asked_for(root_model):
    rlm = RLMRunnable(llm=root_model("say:only one"))
    failed, answered = await rlm.abatch(["", "q"], return_exceptions=True)
    assert isinstance(failed, InvalidArgumentError)
    assert answered.content == "only one"
    with pytest.raises(InvalidArgumentError):
        await rlm.abatch([""])
    assert await rlm.abatch([]) == []


def test_max_concurrency_of_a_config_lowers_the_limit_of_the_run(root_model):
    rlm = RLMRunnable(llm=root_model("say:a", "say:b", "say:c"), limits={"max_concurrency": 4}, trace="full")
    for given, used in ((2, 2), (99, 4), (None, 4)):
        message = rlm.invoke("q", {"max_concurrency": given})
        assert message.response_metadata["rlm"]["trace"]["limits"]["max_concurrency"] == used


@pytest.mark.parametrize("mode", ["ainvoke", "astream", "astream_events"])
async def test_a_cancelled_call_ends_its_run_at_once(mode, tracer):
    llm = Hanging(asked=asyncio.Event(), given_up=asyncio.Event())
    rlm, config = RLMRunnable(llm=llm, context="x" * 30_000), {"callbacks": [tracer]}

    async def consume() -> None:
        if mode == "ainvoke":
            await rlm.ainvoke("q", config)
        elif mode == "astream":
            async for _ in rlm.astream("q", config):
                pass
        else:
            async for _ in rlm.astream_events("q", config, version="v2"):
                pass

    task = asyncio.create_task(consume())
    await llm.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await llm.given_up.wait()
    assert "CancelledError" in tracer.roots[0].error


async def test_a_call_cancelled_in_a_step_ends_the_step_and_its_sub_calls(root_model, tracer):
    sub = Hanging(asked=asyncio.Event(), given_up=asyncio.Event())
    rlm = RLMRunnable(llm=root_model(READY.format("llm_query('a')")), sub_llm=sub, context="c")
    task = asyncio.create_task(rlm.ainvoke("q", {"callbacks": [tracer]}))
    await sub.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await sub.given_up.wait()
    (step,) = tracer.named("python_repl")
    assert "CancelledError" in step.error
    assert [run.name for run in step.child_runs] == ["Hanging"]


async def test_the_loop_lives_on_while_code_runs(root_model):
    alive = asyncio.Event()

    async def wait_for_the_loop() -> str:
        """Returns when another task of the caller's loop has run."""
        await alive.wait()
        return "alive"

    async def other() -> None:
        alive.set()

    code = READY.format("wait_for_the_loop()")
    rlm = RLMRunnable(llm=root_model(code), tools=[wait_for_the_loop], context="c")
    run = asyncio.create_task(rlm.ainvoke("q"))
    await asyncio.sleep(0)
    _, message = await asyncio.gather(other(), run)
    assert message.content == "alive"


# -- wrappers


def test_models_with_bind_retry_and_fallbacks(root_model):
    class FlakyError(RuntimeError):
        pass

    flaky = ScriptedChatModel([FlakyError("first"), "retried"])
    retrying = flaky.with_retry(retry_if_exception_type=(FlakyError,), wait_exponential_jitter=False)
    assert RLMRunnable(llm=retrying).invoke("q").content == "retried"
    falling = ScriptedChatModel([FlakyError("down")]).with_fallbacks([root_model("say:fallback")])
    assert RLMRunnable(llm=falling).invoke("q").content == "fallback"
    assert RLMRunnable(llm=root_model("say:bound").bind(stop=["x"])).invoke("q").content == "bound"


def test_the_runnable_itself_falls_back(root_model):
    broken = RLMRunnable(llm=ScriptedChatModel([RuntimeError("down")]))
    with pytest.raises(RootModelError):
        broken.invoke("q")
    broken = RLMRunnable(llm=ScriptedChatModel([RuntimeError("down")]))
    assert broken.with_fallbacks([RLMRunnable(llm=root_model("say:up"))]).invoke("q").content == "up"


def test_graphs_and_schemas_can_be_had(root_model):
    chain = ChatPromptTemplate.from_template("{q}") | RLMRunnable(llm=root_model("say:x"))
    assert "RLMRunnable" in chain.get_graph().draw_mermaid()
    assert chain.last.get_output_schema().model_json_schema()
    assert chain.last.get_input_schema().model_json_schema()
