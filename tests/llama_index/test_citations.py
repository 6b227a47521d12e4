"""Checked quotes become source nodes, with their place in the node, and marks in the answer where asked for."""

from __future__ import annotations

import json
import re
from functools import cache

import pytest
from llama_index.core import Document
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.llama_index.citation_marks import inline_instructions
from rlm_integrations.llama_index.source_nodes import SOURCE_NODES

FOUND = "heliotrope under glass"


def citing(*quotes: str, content: str = "'Done.'") -> str:
    """A reply that cites the quotes and answers with an expression, in which their marks are `marks`."""
    cite = f"marks = [f'[[{{cite(quote)}}]]' for quote in {quotes!r}]"
    return f"```repl\n{cite}\nanswer['content'] = {content}\nanswer['ready'] = True\n```"


def places(response):
    """For each citation the nodes that hold it, and what stands in them there."""
    texts = {source.node_id: source.node.text for source in response.source_nodes}
    return [
        [(node["node_id"], texts[node["node_id"]][node["start_index"] : node["end_index"]]) for node in cited["nodes"]]
        for cited in response.metadata["rlm"]["citations"]
    ]


def chunk(node_id: str, text: str, start: int, **metadata: object) -> TextNode:
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="book")}
    return TextNode(
        id_=node_id,
        text=text,
        start_char_idx=start,
        end_char_idx=start + len(text),
        metadata=metadata,
        relationships=source,
    )


def test_a_quote_that_several_nodes_hold_has_a_place_in_each(long_text, scripted):
    nodes = SentenceSplitter(chunk_size=256, chunk_overlap=128)([Document(text=long_text, doc_id="ledger")])
    holding = [node for node in nodes if FOUND in node.text]
    assert len(holding) > 1
    response = RLMQueryEngine.from_nodes(nodes, llm=scripted([citing(FOUND)])).query("q?")
    assert [source.node for source in response.source_nodes] == holding
    assert places(response) == [[(node.node_id, FOUND) for node in holding]]
    assert json.loads(json.dumps(response.metadata)) == response.metadata


def test_a_quote_that_runs_over_two_nodes_has_its_parts_there(scripted):
    nodes = [chunk("a", "The kiln was lit in ", 0), chunk("b", "May, and again in June.", 20)]
    llm = scripted([citing("lit in May, and", content="f'In May {marks[0]}.'")])
    response = RLMQueryEngine.from_nodes(nodes, llm=llm, inline_citations=True).query("q?")
    assert places(response) == [[("a", "lit in "), ("b", "May, and")]]
    assert response.response == "In May [1][2]."


def test_a_place_is_one_in_the_node_where_its_metadata_begin_a_document_within_it(scripted):
    """The overlap stands in the document of the first node alone: in the second a quote begins later."""
    nodes = [
        chunk("a", "The kiln was lit in May. The kiln cooled.", 0, page=1),
        chunk("b", "The kiln cooled. The kiln broke.", 25, page=2),
    ]
    response = RLMQueryEngine.from_nodes(nodes, llm=scripted([citing("The kiln broke", "kiln cooled.")])).query("q?")
    assert places(response) == [[("b", "The kiln broke")], [("a", "kiln cooled."), ("b", "kiln cooled.")]]


class Two(BaseRetriever):
    def _retrieve(self, query_bundle):
        texts = {"hit-1": "The kiln was lit in May.", "hit-2": "It was lit again in June."}
        return [NodeWithScore(node=TextNode(id_=key, text=text), score=0.5) for key, text in texts.items()]


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_of_a_retrieved_node(path, scripted):
    llm = scripted([citing("again in June", content="f'In June {marks[0]}.'")])
    engine = RLMQueryEngine.from_retriever(Two(), llm=llm, inline_citations=True)
    response = engine.query("q?") if path == "sync" else await engine.aquery("q?")
    assert places(response) == [[("hit-2", "again in June")]]
    assert [source.node_id for source in response.source_nodes] == ["hit-2", "hit-1"]
    assert response.response == "In June [1]."


@pytest.fixture
def notes() -> list[Document]:
    return [Document(text=f"Note {n}: the kiln was lit on day {n} of May.", doc_id=f"n{n}") for n in range(120)]


def marked(notes, llm, **options):
    return RLMQueryEngine.from_documents(notes, llm=llm, inline_citations=True, **options)


async def test_a_mark_names_the_source_node_that_holds_the_quote(notes, scripted):
    code = citing("lit on day 99 of", "lit on day 7 of", "day 99", content="f'On 7 {marks[1]}, on 99 ({marks[0]}).'")
    for delivery in ("whole", "streamed"):
        engine = marked(notes, scripted([code, code]), streaming=delivery == "streamed")
        for response in (engine.query("q?"), await engine.aquery("q?")):
            assert str(response) == "On 7 [2], on 99 [1]."
            assert [source.node_id for source in response.source_nodes] == ["n99", "n7"]
    assert "[[lit on day 99 of]]" in RLMQueryEngine.from_documents(notes, llm=scripted([code])).query("q?").response


def test_a_quote_in_the_answer_itself_is_marked_without_brackets(notes, scripted):
    code = citing("lit on day 99 of", content="f'It was {cite(\"lit on day 99 of\")} May.'")
    assert marked(notes, scripted([code])).query("q?").response == "It was lit on day 99 of [1] May."


def test_a_citation_beyond_the_last_source_node_has_no_mark(notes, scripted):
    quotes = [f"lit on day {n} of" for n in range(SOURCE_NODES + 3)]
    response = marked(notes, scripted([citing(*quotes, content="', '.join(marks)")])).query("q?")
    assert [int(number) for number in re.findall(r"\[(\d+)\]", response.response)] == [*range(1, SOURCE_NODES + 1)]
    assert "[[" not in response.response
    assert len(response.source_nodes) == SOURCE_NODES
    assert response.metadata["rlm"]["more_sources"] is True
    assert len(response.metadata["rlm"]["citations"]) == SOURCE_NODES + 3


def test_the_root_lm_is_told_how_to_mark_and_the_example_runs(notes, scripted):
    [example] = re.findall(r'`(f".+")`', inline_instructions())
    setting = "doc_id = 'n3'\nquote = 'lit on day 3 of May'"
    llm = scripted([f"```repl\n{setting}\nanswer['content'] = {example}\nanswer['ready'] = True\n```"])
    assert marked(notes, llm, instructions="Be terse.").query("q?").response == "Payment was late once [1]."
    system = llm.requests[0][0].content
    assert inline_instructions() in system
    assert system.endswith("Be terse.")


class Typed(BaseModel):
    text: str


def test_an_object_cannot_be_marked(notes, scripted):
    with pytest.raises(InvalidArgumentError, match="inline_citations: stand in a text"):
        marked(notes, scripted([]), output_cls=Typed)
    with pytest.raises(InvalidArgumentError, match="inline_citations: stand in a text"):
        marked(notes, scripted([]).as_structured_llm(Typed))


MAP = """```repl
replies = llm_query_batched([f"When was it lit?\\n{piece}" for piece in chunks(size=200)])
answer["content"] = "Twice: " + "; ".join(reply for reply in replies if "lit" in reply)
answer["ready"] = True
```"""


@pytest.fixture
def reading(scripted):
    """A sub-LM that finds something in two of the notes."""

    def reply(messages):
        found = [n for n in (88, 61) if f"Note {n}:" in messages[-1].content]
        return f"It was lit on day {found[0]}, as Ann noted." if found else "Nothing of interest."

    return scripted(always=reply)


def test_of_a_whole_corpus_that_was_read_those_come_first_that_the_answer_draws_on(notes, scripted, reading):
    response = RLMQueryEngine.from_documents(notes, llm=scripted([MAP]), sub_llm=reading).query("When was it lit?")
    assert response.response == "Twice: It was lit on day 61, as Ann noted.; It was lit on day 88, as Ann noted."
    sent = [call.content for [*_, call] in reading.requests]
    first = {source.node_id for source in response.source_nodes[:6]}
    assert {"n61", "n88"} <= first
    assert all(any(f"document {key}]" in text and ("61:" in text or "88:" in text) for text in sent) for key in first)
    assert len(response.source_nodes) == SOURCE_NODES
    assert response.metadata["rlm"]["more_sources"] is True


def test_the_same_over_the_nodes_of_one_document(long_text, scripted, reading):
    nodes = SentenceSplitter(chunk_size=128, chunk_overlap=0)([Document(text=long_text, doc_id="ledger")])
    assert len(nodes) > SOURCE_NODES
    [holding] = [node for node in nodes if FOUND in node.text]
    sub_llm = scripted(always=lambda messages: FOUND if FOUND in messages[-1].content else "Nothing.")
    code = MAP.replace("size=200", "size=2_000").replace('"lit"', '"glass"')
    response = RLMQueryEngine.from_nodes(nodes, llm=scripted([code]), sub_llm=sub_llm).query("What is it?")
    assert holding in [source.node for source in response.source_nodes[:12]]


@cache
def ledger_nodes(chars: int) -> list[BaseNode]:
    text = "\n".join(f"Line {n:05} of another ledger, entry {n * 7919 % 100_003}." for n in range(3_000))
    return SentenceSplitter(chunk_size=256, chunk_overlap=0)([Document(text=text[:chars], doc_id="ledger")])


@pytest.mark.parametrize("path", ["sync", "async"])
@pytest.mark.parametrize("chars", [40_000, 120_000])
async def test_of_a_long_text_the_nodes_are_sources_that_were_sent(chars, path, scripted):
    """Of much text the async path finds them in a thread."""
    nodes = ledger_nodes(chars)
    sent = [node for node in nodes if node.start_char_idx < 9_000 and node.end_char_idx > 5_000]
    code = "answer['content'] = llm_query('Read: ' + context[0]['text'][5_000:9_000])\nanswer['ready'] = True"
    engine = RLMQueryEngine.from_nodes(nodes, llm=scripted([f"```repl\n{code}\n```"]), sub_llm=scripted(["A kiln."]))
    response = engine.query("q?") if path == "sync" else await engine.aquery("q?")
    assert [source.node for source in response.source_nodes] == sent


def test_what_was_read_fits(documents, scripted):
    response = RLMQueryEngine.from_documents(documents, llm=scripted(["They met."])).query("q?")
    assert response.metadata["rlm"]["more_sources"] is False
