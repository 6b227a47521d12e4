"""Source nodes of answers that no document says: counts, sums, lists."""

from __future__ import annotations

import pytest
from llama_index.core import Document
from llama_index.core.evaluation import FaithfulnessEvaluator, RelevancyEvaluator
from llama_index.core.schema import TextNode
from pydantic import BaseModel

from rlm_integrations.llama_index import RLMQueryEngine

QUESTION = "In how many documents did Alice meet Bob?"
COUNT = "hits = [d for d in context if 'Alice met Bob' in d['text']]\n"
ANSWER = "answer['content'] = str(len(hits))\nanswer['ready'] = True\n"
EVALUATORS = pytest.mark.parametrize("evaluator", [FaithfulnessEvaluator, RelevancyEvaluator])


class Count(BaseModel):
    number: int


def reply(code):
    return f"```repl\n{code}\n```"


@pytest.fixture
def many():
    """137 of these 400 documents are meant."""
    return [
        Document(text=f"Doc {i:05d}. Alice met {'Bob' if i < 137 else 'nobody'} that day.", doc_id=f"d{i}")
        for i in range(1_000, 1_400)
    ] + [Document(text=f"Ledger {i:05d}: Alice met Bob again.", doc_id=f"b{i}") for i in range(137)]


@pytest.fixture
def judge(scripted):
    """Says YES where what is to be judged and the context that it is shown both hold the count."""
    return scripted(always=lambda messages: "YES" if messages[-1].content.count("137") > 1 else "NO")


@pytest.fixture
def ask(many, scripted):
    def ask(*codes, **options):
        engine = RLMQueryEngine.from_documents(many, llm=scripted([reply(code) for code in codes]), **options)
        return engine.query(QUESTION)

    return ask


WAYS = {
    "counted at once": [COUNT + ANSWER],
    "counted, then set": [COUNT, ANSWER],
    "printed, then written down": [COUNT + "print(len(hits))", "answer['content'] = '137'\nanswer['ready'] = True"],
    "after a look at samples": [COUNT + "print(hits[0]['text'], hits[1]['text'])", ANSWER],
}


@EVALUATORS
@pytest.mark.parametrize("codes", WAYS.values(), ids=WAYS)
async def test_a_count_passes(codes, evaluator, ask, judge):
    response = ask(*codes)
    assert response.response == "137"
    assert evaluator(llm=judge).evaluate_response(QUESTION, response).passing
    assert (await evaluator(llm=judge).aevaluate_response(QUESTION, response)).passing


@EVALUATORS
def test_a_number_that_was_made_up_does_not(evaluator, ask, judge):
    response = ask("print(len(context))", "answer['content'] = '1137'\nanswer['ready'] = True")
    assert not evaluator(llm=judge).evaluate_response(QUESTION, response).passing


def test_the_node_says_what_it_is(ask):
    response = ask(COUNT + ANSWER)
    [source] = response.source_nodes
    assert isinstance(source.node, TextNode)
    assert source.node_id.startswith("rlm-computation-")
    assert source.node.metadata == {"rlm": "computation"}
    assert source.score is None
    assert "not the text of any document" in source.text
    assert COUNT in source.text
    assert response.metadata[source.node_id] == {"rlm": "computation"}
    assert ask(COUNT + ANSWER).source_nodes[0].node_id == source.node_id


def test_it_is_the_last_one_and_documents_that_were_read_come_before_it(ask):
    *read, computed = ask(*WAYS["after a look at samples"]).source_nodes
    assert [source.node_id for source in read] == ["b0", "b1"]
    assert computed.metadata == {"rlm": "computation"}


def test_it_has_a_place_among_as_many_sources_as_there_may_be(ask):
    response = ask(COUNT + "for d in hits: print(d['text'])", ANSWER)
    assert len(response.source_nodes) == 50
    assert response.source_nodes[-1].metadata == {"rlm": "computation"}
    assert response.metadata["rlm"]["more_sources"] is True


def test_a_typed_count_has_it_too(ask):
    response = ask(COUNT + ANSWER.replace("str(len(hits))", "{'number': len(hits)}"), output_cls=Count)
    assert response.response == Count(number=137)
    assert [source.metadata for source in response.source_nodes] == [{"rlm": "computation"}]


@pytest.mark.parametrize(
    "code",
    [
        "cite(context[0]['text'])\nanswer['content'] = context[0]['text']\nanswer['ready'] = True",
        "print(context[0]['text'])\nanswer['content'] = context[0]['text']\nanswer['ready'] = True",
    ],
)
def test_what_a_source_says_needs_none(code, ask):
    assert [source.node_id for source in ask(code).source_nodes] == ["d1000"]


def test_an_answer_with_citations_has_only_them(ask):
    """Code of users reads the metadata of source nodes, which a node of ours has not."""
    response = ask(COUNT + "cite(hits[0]['text'], hits[0])\n" + ANSWER)
    assert response.response == "137"
    assert len(response.source_nodes) == 1
    assert response.source_nodes[0].metadata != {"rlm": "computation"}


def test_an_answer_that_rests_on_nothing_has_no_source(ask):
    assert ask("answer['content'] = '137'\nanswer['ready'] = True").source_nodes == []


def test_where_all_that_there_is_stands_among_the_sources_there_is_none(many, scripted):
    llm = scripted([reply("answer['content'] = len(context)\nanswer['ready'] = True")])
    response = RLMQueryEngine.from_documents(many[:5], llm=llm).query("How many are there?")
    assert [source.node_id for source in response.source_nodes] == [document.doc_id for document in many[:5]]
