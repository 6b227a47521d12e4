"""RLMQueryEngine end to end: a scripted root LM, a real sandbox, real indexes."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from llama_index.core import Document, StorageContext, SummaryIndex, VectorStoreIndex
from llama_index.core.base.response.schema import AsyncStreamingResponse, PydanticResponse, Response, StreamingResponse
from llama_index.core.instrumentation.events.query import QueryEndEvent
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.prompts import PromptTemplate
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import FunctionTool
from llama_index.core.vector_stores.simple import SimpleVectorStore
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.trace.run_errors import LimitReachedError, RootModelError
from rlm_integrations.llama_index import RLMQueryEngine

FOUND = "heliotrope under glass"


def ready(expression: str) -> str:
    return f"```repl\nanswer['content'] = {expression}\nanswer['ready'] = True\n```"


class Entry(BaseModel):
    clerk: int
    line: str


@pytest.fixture
def ledger(long_text):
    return Document(
        text=long_text, doc_id="ledger", metadata={"year": 1891, "key": "k"}, excluded_llm_metadata_keys=["key"]
    )


def test_every_kind_of_index_answers_over_its_whole_corpus(index_kind, build_index, documents, scripted):
    index = build_index(index_kind, documents)
    llm = scripted([ready("' '.join(sorted(d['text'] for d in context))")])
    response = index.as_query_engine(engine="rlm", llm=llm, limits={"inline_chars": 0}).query("All of it?")
    assert response.response == " ".join(document.text for document in documents)


def test_sync_answer_with_sources_and_report(ledger, finding_llm):
    index = VectorStoreIndex.from_documents([ledger])
    response = index.as_query_engine(engine="rlm", llm=finding_llm()).query("What is the passphrase?")
    assert type(response) is Response
    assert response.response == str(response) == FOUND
    assert 1 <= len(response.source_nodes) <= 2
    assert all(FOUND in source.node.text and source.node.ref_doc_id == "ledger" for source in response.source_nodes)
    assert response.source_nodes[0].node == index.docstore.get_node(response.source_nodes[0].node_id)
    assert response.metadata[response.source_nodes[0].node_id] == {"year": 1891, "key": "k"}
    report = response.metadata["rlm"]
    assert report["stop_reason"] == "answer"
    assert [citation["cited_text"] for citation in report["citations"]] == [FOUND]
    assert RLMTrace.model_validate(report["trace"]).answer == FOUND
    assert len(json.dumps(report["trace"])) <= 16_384


async def test_async_answer_equals_the_sync_one(ledger, finding_llm):
    engine = RLMQueryEngine.from_documents([ledger], llm=finding_llm())
    response = await engine.aquery(QueryBundle("What is the passphrase?"))
    again = engine.query("What is the passphrase?")  # inside the running loop
    for each in (response, again):
        assert each.response == FOUND
        (source,) = each.source_nodes
        assert (source.node_id, source.node.ref_doc_id, source.text) == ("ledger", "ledger", ledger.text)
    assert response.metadata["rlm"]["citations"] == again.metadata["rlm"]["citations"]
    assert response.metadata is not again.metadata


class WaitingStore(SimpleVectorStore):
    """A vector store that lists its nodes only once the event loop has let it."""

    stores_text: bool = True
    kept: Any = None
    let: Any = None

    def add(self, nodes, **kwargs):
        self.kept = [*(self.kept or ()), *nodes]
        return super().add(nodes, **kwargs)

    def get_nodes(self, node_ids=None, filters=None):
        assert self.let.wait(30), "the loop stands still"
        return self.kept


async def test_an_index_is_read_while_the_loop_goes_on(documents, scripted):
    store = WaitingStore()
    store.let = threading.Event()
    index = VectorStoreIndex(documents, storage_context=StorageContext.from_defaults(vector_store=store))
    making = asyncio.create_task(RLMQueryEngine.afrom_index(index, llm=scripted(["They met."]), doc_ids=["d1"]))
    await asyncio.sleep(0)
    store.let.set()
    response = await (await making).aquery("q?")
    assert (response.response, [source.node_id for source in response.source_nodes]) == ("They met.", ["d1"])


async def test_async_constructors_make_what_the_others_make(documents, scripted):
    def corpus(engine: RLMQueryEngine) -> list[str]:
        return [document.text for document in engine._context.core_context.documents]

    whole, llm = [document.text for document in documents], scripted([])
    assert corpus(await RLMQueryEngine.afrom_documents(documents, llm=llm)) == whole
    assert corpus(await RLMQueryEngine.afrom_nodes(iter(documents), llm=llm)) == whole
    index = VectorStoreIndex([])
    assert corpus(await RLMQueryEngine.afrom_index(index, documents=documents, llm=llm)) == whole
    with pytest.raises(InvalidArgumentError, match="corpus: 'x' is unknown"):
        await RLMQueryEngine.afrom_index(index, corpus="x")
    with pytest.raises(TypeError, match="no argument 'max_steps'"):
        await RLMQueryEngine.afrom_nodes(documents, max_steps=3)
    with pytest.warns(UserWarning, match="does not use similarity_top_k") as caught:
        await RLMQueryEngine.afrom_documents(documents, llm=llm, similarity_top_k=3)
    assert [warning.filename for warning in caught] == [__file__]


def test_the_response_travels_in_events_as_json(ledger, finding_llm):
    index = VectorStoreIndex.from_documents([ledger])
    response = index.as_query_engine(engine="rlm", llm=finding_llm(), trace="full").query("q?")
    event = json.loads(QueryEndEvent(query="q?", response=response).model_dump_json())
    assert event["response"]["metadata"]["rlm"]["trace"]["detail"] == "full"


@pytest.mark.parametrize(("trace", "expected"), [("none", None), ("summary", "summary"), ("full", "full")])
def test_the_trace_comes_as_asked_for(ledger, finding_llm, trace, expected):
    report = RLMQueryEngine.from_documents([ledger], llm=finding_llm(), trace=trace).query("q?").metadata["rlm"]
    assert (report["trace"] and report["trace"]["detail"]) == expected


def test_a_response_shows_its_trace_in_a_word(ledger, finding_llm):
    response = RLMQueryEngine.from_documents([ledger], llm=finding_llm(), trace="full").query("q?")
    assert "'trace': <1 iteration: RLMTrace.of(...)>" in repr(response)
    assert json.loads(json.dumps(response.metadata["rlm"]["trace"]))["detail"] == "full"


def test_ten_megabytes_never_enter_a_request(finding_llm):
    line = "An ordinary line of an ordinary ledger, of which there are very many indeed.\n"
    texts = [line * 13_500 for _ in range(10)]
    texts[7] += f"the passphrase is {FOUND}"
    llm = finding_llm()
    engine = RLMQueryEngine.from_documents(
        [Document(text=text, doc_id=str(i)) for i, text in enumerate(texts)], llm=llm
    )
    assert sum(map(len, texts)) > 10_000_000
    response = engine.query("What is the passphrase?")
    assert response.response == FOUND
    assert [source.node.node_id for source in response.source_nodes] == ["7"]
    assert max(sum(len(message.content) for message in request) for request in llm.requests) < 20_000


def test_excluded_metadata_never_reaches_the_model(ledger, scripted):
    llm = scripted([ready("str(context[0]['metadata'])")])
    response = RLMQueryEngine.from_documents([ledger], llm=llm).query("What metadata is there?")
    assert response.response == "{'year': 1891}"


@pytest.mark.parametrize("build", [VectorStoreIndex.from_documents, lambda docs: docs], ids=["index", "documents"])
def test_sub_calls_go_to_the_sub_llm_and_their_nodes_are_sources(long_text, scripted, build):
    context = build([Document(text=long_text, doc_id="ledger")])
    code = (
        "```repl\nat = context[0]['text'].index('passphrase')\n"
        "piece = context[0]['text'][at - 400:at + 400]\n"
        "answer['content'] = llm_query('What is the passphrase?\\n' + piece)\nanswer['ready'] = True\n```"
    )
    llm, sub_llm = scripted([code]), scripted([FOUND])
    response = RLMQueryEngine(llm, sub_llm, context).query("What is the passphrase?")
    assert response.response == FOUND
    assert len(sub_llm.requests) == 1
    assert 1 <= len(response.source_nodes) <= 3
    assert any(FOUND in source.text for source in response.source_nodes)


def test_of_a_context_shown_whole_all_nodes_are_sources(documents, scripted):
    response = (
        SummaryIndex.from_documents(documents).as_query_engine(engine="rlm", llm=scripted(["They met."])).query("q?")
    )
    assert response.response == "They met."
    assert [source.node.ref_doc_id for source in response.source_nodes] == ["d0", "d1", "d2", "d3", "d4"]
    assert all(source.score is None for source in response.source_nodes)


def test_a_response_carries_a_bounded_number_of_sources(scripted):
    documents = [Document(text=f"Note {n}.", doc_id=f"n{n}") for n in range(120)]
    response = RLMQueryEngine.from_documents(documents, llm=scripted(["Many notes."])).query("q?")
    assert [source.node_id for source in response.source_nodes] == [f"n{n}" for n in range(50)]


def test_a_plain_text_as_context(scripted):
    response = RLMQueryEngine(scripted([ready("type(context).__name__")]), context="a text " * 3_000).query("Its type?")
    assert response.response == "str"


def test_streaming_replays_the_answer(ledger, finding_llm):
    response = RLMQueryEngine.from_documents([ledger], llm=finding_llm(), streaming=True).query("q?")
    assert isinstance(response, StreamingResponse)
    words = list(response.response_gen)
    assert len(words) == 3
    assert "".join(words) == FOUND
    assert response.source_nodes
    assert response.metadata["rlm"]["stop_reason"] == "answer"


async def test_async_streaming_and_its_str_inside_the_loop(ledger, finding_llm):
    engine = RLMQueryEngine.from_documents([ledger], llm=finding_llm(), streaming=True)
    response = await engine.aquery("q?")
    assert isinstance(response, AsyncStreamingResponse)
    assert "".join([word async for word in response.async_response_gen()]) == FOUND
    assert str(await engine.aquery("q?")) == FOUND


def test_output_cls_gives_a_validated_object(ledger, scripted):
    wrong, right = ready("{'clerk': 'nobody', 'line': 'x'}"), ready("{'clerk': 13, 'line': 'x'}")
    llm = scripted([wrong, right])
    response = RLMQueryEngine.from_documents([ledger], llm=llm, output_cls=Entry).query("Which entry?")
    assert isinstance(response, PydanticResponse)
    assert response.response == Entry(clerk=13, line="x")
    assert response.clerk == 13
    assert response.get_response().metadata["rlm"]["stop_reason"] == "answer"
    assert len(llm.requests) == 2


def test_a_structured_llm_does_the_same(ledger, scripted):
    llm = scripted([ready("{'clerk': 13, 'line': 'x'}")]).as_structured_llm(Entry)
    assert RLMQueryEngine.from_documents([ledger], llm=llm).query("Which entry?").response == Entry(clerk=13, line="x")


def test_tools_are_functions_of_the_repl(ledger, scripted):
    def fine(days: int, rate: float = 0.5) -> float:
        """The fine for so many days."""
        return days * rate

    llm = scripted([ready("fine(4) + fine(days=2, rate=1.0)")])
    response = RLMQueryEngine.from_documents([ledger], llm=llm, tools=[FunctionTool.from_defaults(fine)]).query("q?")
    assert response.response == "4.0"
    assert "fine(days" in llm.requests[0][0].content


def test_prompts_can_be_seen_and_replaced(ledger, scripted):
    llm = scripted([ready("1"), ready("2"), ready("3")])
    engine = RLMQueryEngine.from_documents([ledger], llm=llm, instructions="Be terse.")
    assert engine.get_prompts()["instructions"].get_template() == "Be terse."
    engine.query("q?")
    engine.update_prompts({"instructions": PromptTemplate("Use {braces}.")})
    engine.query("q?")
    engine.update_prompts({"system_prompt": PromptTemplate("You are a clerk: d = {'a': 1}")})
    engine.query("q?")
    systems = [request[0].content for request in llm.requests]
    assert systems[0].endswith("Be terse.")
    assert systems[1].endswith("Use {braces}.")
    assert systems[2] == "You are a clerk: d = {'a': 1}\n\nFurther instructions:\nUse {braces}."


def test_the_system_prompt_can_be_seen_changed_and_put_back(ledger, scripted):
    def fine(days: int) -> float:
        """The fine for so many days."""
        return days / 2

    llm = scripted([ready("1"), ready("2"), ready("3"), ready("4")])
    engine = RLMQueryEngine.from_documents([ledger], llm=llm, tools=[fine])
    engine.query("q?")
    seen = engine.get_prompts()["system_prompt"].get_template()
    assert "{context_kind}" in seen
    engine.update_prompts(engine.get_prompts())
    engine.query("q?")
    engine.update_prompts({"system_prompt": PromptTemplate(f"You are a clerk.\n{seen}\n{{sub_calls}}")})
    engine.query("q?")
    engine.update_prompts({"system_prompt": PromptTemplate("")})
    engine.query("q?")
    original, same, changed, back = (request[0].content for request in llm.requests)
    assert original == same == back
    assert changed.startswith(f"You are a clerk.\n{original}\n")
    assert changed.count("fine(days") == 2


def test_limits_are_met_as_asked_for(ledger, scripted):
    looking = "```repl\nprint(len(context))\n```"
    llm = scripted([looking, "One document."])
    with pytest.warns(RuntimeWarning, match=r"a limit was met: the run for “How many\?” reached the limit of 1 step"):
        response = RLMQueryEngine.from_documents([ledger], llm=llm, limits={"max_iterations": 1}).query("How many?")
    assert response.metadata["rlm"]["stop_reason"] == "max_iterations"
    engine = RLMQueryEngine.from_documents(
        [ledger], llm=scripted([looking, "One."]), limits={"max_iterations": 1}, on_limit="raise"
    )
    with pytest.raises(LimitReachedError) as raised:
        engine.query("How many?")
    assert raised.value.result.trace.iterations


def test_a_response_for_which_nothing_was_read_is_warned_of(ledger, scripted):
    engine = RLMQueryEngine.from_documents([ledger], llm=scripted(["yes", "yes"]), limits={"inline_chars": 0})
    with pytest.warns(RuntimeWarning, match="no code ran: the root LM answered “Is it paid"):
        response = engine.query("Is it paid?")
    [warning] = RLMTrace.of(response).warnings
    assert (response.response, warning[:11]) == ("yes", "no code ran")


@pytest.mark.parametrize("kind", ["documents", "nodes", "hits"])
def test_nodes_that_were_formatted_into_a_question_are_warned_of(ledger, scripted, kind):
    node = TextNode(text="Paid.")
    stuffed = {"documents": [ledger], "nodes": [node], "hits": [NodeWithScore(node=node)]}[kind]
    engine = RLMQueryEngine.from_documents([ledger], llm=scripted(["```repl\nFINAL('yes')\n```"]))
    with pytest.warns(RuntimeWarning, match="question: holds documents as Python shows them"):
        engine.query(f"Is it paid? {stuffed}")


def test_a_limit_in_money_needs_prices_and_is_kept_by_them(ledger, scripted):
    index, llm = SummaryIndex.from_documents([ledger]), scripted(["```repl\nprint(len(context))\n```", "One."])
    with pytest.raises(InvalidArgumentError, match="llm costs is unknown; pass prices="):
        index.as_query_engine(engine="rlm", llm=llm, limits={"max_cost_usd": 0.01})
    with pytest.raises(TypeError, match="did you mean 'prices'"):
        index.as_query_engine(engine="rlm", llm=llm, input_price=1)
    assert llm.requests == []
    prices = {"llm": {"input_price": 10_000, "output_price": 10_000}}
    engine = index.as_query_engine(engine="rlm", llm=llm, limits={"max_cost_usd": 0.01}, prices=prices)
    with pytest.warns(RuntimeWarning, match=r"the limit of 0\.01 US dollars \(max_cost_usd\)"):
        response = engine.query("How many?")
    assert (str(response), response.metadata["rlm"]["stop_reason"]) == ("One.", "max_cost")


async def test_a_failing_llm_is_a_run_error_with_its_cause(ledger, scripted):
    engine = RLMQueryEngine.from_documents(
        [ledger], llm=scripted([ConnectionError("refused"), ConnectionError("refused")])
    )
    with pytest.raises(RootModelError) as raised:
        engine.query("q?")
    assert isinstance(raised.value.__cause__, ConnectionError)
    with pytest.raises(RootModelError, match="refused"):
        await engine.aquery("q?")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "context: none given"),
        ({"context": []}, "context: is empty"),
        ({"context": [Document(text="")]}, "context: none of the 1 nodes holds text"),
        ({"context": "x", "output_cls": int}, "output_cls: .* is not a pydantic model class"),
        ({"context": "x", "trace": "brief"}, "trace: 'brief' is unknown"),
        ({"context": "x", "limits": {"max_iteration": 3}}, "limits: unknown name 'max_iteration'; did you mean"),
        ({"context": "x", "on_limit": "stop"}, "on_limit: 'stop' is unknown"),
        ({"context": "x", "llm": "gpt-5"}, "llm: 'gpt-5' cannot be used"),
        ({"context": "x", "tools": 5}, "tools: int given; pass a list of LlamaIndex tools or functions"),
        ({"context": "x", "tools": None}, "tools: NoneType given; pass a list of LlamaIndex tools or functions"),
        ({"context": "x", "node_postprocessors": 5}, "node_postprocessors: int given; pass a list of node postproc"),
        (
            {"context": "x", "node_postprocessors": SimilarityPostprocessor()},
            "SimilarityPostprocessor given; pass a list",
        ),
        ({"context": "x", "node_postprocessors": [SimilarityPostprocessor]}, "item 1 is the class SimilarityPostproc"),
        ({"context": "x", "node_postprocessors": ["cutoff"]}, "node_postprocessors: item 1 is str; pass node postproc"),
        ({"context": "x", "streaming": "no"}, "streaming: 'no' given; pass True or False"),
        ({"context": "x", "inline_citations": "yes"}, "inline_citations: 'yes' given; pass True or False"),
        ({"context": "x", "sub_llm": ""}, "sub_llm: '' cannot be used"),
        ({"context": "x", "system_prompt": 5}, "system_prompt: int given; pass a str, or leave it out"),
        ({"context": "x", "instructions": 5}, "instructions: int given; pass a str, or leave it out"),
        ({"context": "x", "on_event": 5}, "on_event: int given; pass a function"),
    ],
)
def test_wrong_arguments_are_refused_at_construction(arguments, problem):
    with pytest.raises(InvalidArgumentError, match=problem):
        RLMQueryEngine(**arguments)
