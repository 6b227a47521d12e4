"""Engines that are copied and pickled, as LlamaIndex's own can be."""

from __future__ import annotations

import copy
import pickle

import pytest
from llama_index.core import Document, SummaryIndex, VectorStoreIndex
from llama_index.core.base.response.schema import Response
from llama_index.core.llms import MockLLM
from llama_index.core.prompts import PromptTemplate

from rlm_integrations.llama_index import RLMQueryEngine

CODE = "```repl\ncite(context[1]['text'])\nanswer['content'] = f'{len(context)} there'\nanswer['ready'] = True\n```"


def by_pickle(engine):
    return pickle.loads(pickle.dumps(engine))


COPIES = pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, by_pickle])


def echo(word: str) -> str:
    return word


@COPIES
@pytest.mark.parametrize("kind", ["documents", "index", "retriever", "text"])
async def test_a_copy_answers_as_the_engine_does(copied, kind, documents, scripted):
    llm = scripted(["5 there"] * 4) if kind == "text" else scripted([CODE] * 4)
    options = {"llm": llm, "tools": [echo], "limits": {"max_iterations": 3}}
    match kind:
        case "documents":
            engine = RLMQueryEngine.from_documents(documents, **options)
        case "index":
            engine = SummaryIndex.from_documents(documents).as_query_engine(engine="rlm", **options)
        case "retriever":
            engine = RLMQueryEngine.from_retriever(SummaryIndex.from_documents(documents).as_retriever(), **options)
        case _:
            engine = RLMQueryEngine(context="five", **options)
    other = copied(engine)
    assert other is not engine
    for one in (engine, other):
        for response in (one.query("How many are there?"), await one.aquery("How many are there?")):
            assert response.response == "5 there"
            assert response.source_nodes[0].text == ("five" if kind == "text" else "Doc 1. Alice met Bob number 1.")
            assert response.metadata["rlm"]["trace"]["limits"]["max_iterations"] == 3


@COPIES
def test_a_copy_has_prompts_of_its_own(copied, documents, scripted):
    engine = RLMQueryEngine.from_documents(documents, llm=scripted([CODE] * 2), instructions="Be terse.")
    other = copied(engine)
    other.update_prompts({"instructions": PromptTemplate("Be verbose.")})
    for one, told in ((engine, "Be terse."), (other, "Be verbose.")):
        one.query("q?")
        assert one._llm.llm.requests[-1][0].content.endswith(told)


@COPIES
def test_a_copy_tells_its_own_callback_manager(copied, documents, scripted):
    from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler

    debug = LlamaDebugHandler(print_trace_on_end=False)
    engine = RLMQueryEngine.from_documents(documents, llm=scripted([CODE] * 2))
    other = copied(engine)
    other.callback_manager = CallbackManager([debug])
    engine.query("q?")
    assert not debug.get_event_pairs(CBEventType.FUNCTION_CALL)
    other.query("q?")
    assert len(debug.get_event_pairs(CBEventType.FUNCTION_CALL)) == 1


def test_what_the_default_engine_can_be_pickled_with_so_can_ours(documents):
    index = VectorStoreIndex.from_documents(documents)
    llm = MockLLM(max_tokens=4)
    for engine in (index.as_query_engine(llm=llm), index.as_query_engine(engine="rlm", llm=llm)):
        assert pickle.loads(pickle.dumps(engine)).query("q?") is not None


def test_what_cannot_be_pickled_is_said_to_be_it(documents, scripted):
    engine = RLMQueryEngine.from_documents(documents, llm=scripted(), on_event=lambda event: None)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(engine)
    assert copy.copy(engine)._on_event is engine._on_event


def test_what_cannot_be_pickled_stays_where_it_is(documents, scripted):
    """LlamaIndex's components drop it from the object that is pickled, which goes on being used."""
    engine = RLMQueryEngine.from_documents(documents, llm=scripted(always=lambda messages: CODE))
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(engine)
    assert engine.query("q?").response == "5 there"


@pytest.mark.parametrize("streaming", [False, True])
def test_a_response_is_copied_and_pickled(streaming, documents, scripted):
    response = RLMQueryEngine.from_documents(documents, llm=scripted([CODE]), streaming=streaming).query("q?")
    response = response.get_response() if streaming else response
    for other in (copy.copy(response), copy.deepcopy(response), by_pickle(response)):
        assert isinstance(other, Response)
        assert other == response


def test_a_large_corpus_is_not_copied_with_its_engine():
    documents = [Document(text="x" * 1_000_000)]
    engine = RLMQueryEngine.from_documents(documents, llm=MockLLM())
    corpora = [each._context.core_context for each in (engine, copy.copy(engine))]
    assert corpora[0] is corpora[1]
