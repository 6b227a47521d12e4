"""LlamaIndex's evaluators judge the engine's responses, one by one and in batches."""

from __future__ import annotations

import warnings

import pytest
from llama_index.core import Document, SummaryIndex
from llama_index.core.evaluation import (
    BatchEvalRunner,
    CorrectnessEvaluator,
    FaithfulnessEvaluator,
    RelevancyEvaluator,
)
from llama_index.core.node_parser import SentenceSplitter

FOUND = "heliotrope under glass"
QUERY = "What is the passphrase?"


@pytest.fixture
def index(long_text):
    return SummaryIndex(SentenceSplitter(chunk_overlap=0)([Document(text=long_text, doc_id="ledger")]))


@pytest.fixture
def engine(index, finding_llm):
    return index.as_query_engine(engine="rlm", llm=finding_llm())


@pytest.fixture
def unread_engine(index, scripted):
    """Answers the same without having read a thing, so that its response has no sources."""
    code = f"```repl\nanswer['content'] = {FOUND!r}\nanswer['ready'] = True\n```"
    return index.as_query_engine(engine="rlm", llm=scripted([code]))


@pytest.mark.parametrize("evaluator", [FaithfulnessEvaluator, RelevancyEvaluator])
async def test_an_answer_is_held_against_its_sources(evaluator, engine, judge):
    response = engine.query(QUERY)
    assert evaluator(llm=judge).evaluate_response(QUERY, response).passing
    result = await evaluator(llm=judge).aevaluate_response(QUERY, response)
    assert result.passing
    assert any(FOUND in context for context in result.contexts)


@pytest.mark.parametrize("evaluator", [FaithfulnessEvaluator, RelevancyEvaluator])
def test_an_answer_that_rests_on_nothing_does_not_pass(evaluator, unread_engine, judge):
    response = unread_engine.query(QUERY)
    assert (response.response, response.source_nodes) == (FOUND, [])
    assert not evaluator(llm=judge).evaluate_response(QUERY, response).passing


def test_an_answer_is_held_against_the_right_one(engine, scripted):
    judge = scripted(["4.5\nIt names the passphrase."])
    evaluator = CorrectnessEvaluator(llm=judge)
    result = evaluator.evaluate_response(QUERY, engine.query(QUERY), reference=f"It is: {FOUND}.")
    assert (result.passing, result.score, result.feedback) == (True, 4.5, "It names the passphrase.")
    assert judge.requests[0][-1].content.count(FOUND) == 2


@pytest.fixture
def runner(judge):
    """Its semaphore binds it to one event loop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it calls what LlamaIndex has deprecated
        return BatchEvalRunner(
            {"faithfulness": FaithfulnessEvaluator(llm=judge), "relevancy": RelevancyEvaluator(llm=judge)}, workers=3
        )


QUERIES = [f"{QUERY} ({number})" for number in range(4)]


def check(results):
    assert set(results) == {"faithfulness", "relevancy"}
    for judged in results.values():
        assert [(result.query, result.response) for result in judged] == [(query, FOUND) for query in QUERIES]
        assert all(result.passing for result in judged)


async def test_a_batch_of_questions_is_asked_and_judged(runner, engine):
    check(await runner.aevaluate_queries(engine, QUERIES))


@pytest.mark.filterwarnings("ignore:There is no current event loop:DeprecationWarning")  # asked for by asyncio_run
def test_a_batch_is_judged_from_sync_code(runner, engine):
    check(runner.evaluate_queries(engine, QUERIES))
