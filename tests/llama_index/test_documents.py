"""Nodes put together again: no character twice, none lost, and the way back to the nodes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core import Document
from llama_index.core.node_parser import (
    HierarchicalNodeParser,
    SentenceSplitter,
    SentenceWindowNodeParser,
    TokenTextSplitter,
    get_leaf_nodes,
)
from llama_index.core.schema import ImageNode, MediaResource, NodeRelationship, RelatedNodeInfo, TextNode

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index.documents import NodeCorpus, merge_nodes, visible_metadata


def chunk(text: str, start: int, source: str = "s", **metadata: object) -> TextNode:
    return TextNode(
        text=text,
        start_char_idx=start,
        end_char_idx=start + len(text),
        metadata=metadata,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=source)},
    )


def test_the_default_splitter_is_undone_exactly(long_text):
    nodes = SentenceSplitter().get_nodes_from_documents([Document(text=long_text, doc_id="ledger")])
    assert len(nodes) > 20
    assert sum(len(node.text) for node in nodes) > 1.1 * len(long_text)
    (merged,) = merge_nodes(nodes)
    assert merged.document.id == "ledger"
    assert merged.document.text == long_text
    assert [span.node for span in merged.spans] == nodes
    assert all(merged.document.text[span.start : span.end] == span.node.text for span in merged.spans)


def test_text_that_repeats_itself_is_not_taken_for_overlap():
    rows = "".join(f"Row {n % 50}: nothing to report. " for n in range(2_000)).strip()
    nodes = SentenceSplitter().get_nodes_from_documents([Document(text=rows, doc_id="log")])
    assert nodes[1].start_char_idx < len(nodes[0].text) / 2  # the splitter took the first place where it stands
    assert [merged.document.text for merged in merge_nodes(nodes)] == [rows]


def test_text_of_one_repeated_line_is_not_lost():
    nodes = SentenceSplitter().get_nodes_from_documents([Document(text="Same here. " * 3_000, doc_id="log")])
    (merged,) = merge_nodes(nodes)
    assert 0.9 <= merged.document.text.count("Same here.") / 3_000 <= 1.3
    assert all(merged.document.text[span.start : span.end] == span.node.text for span in merged.spans)


def test_chunks_that_overlap_by_more_than_half_are_put_together_exactly(long_text):
    splitter = SentenceSplitter(chunk_size=256, chunk_overlap=200)
    nodes = splitter.get_nodes_from_documents([Document(text=long_text, doc_id="ledger")])
    assert sum(len(node.text) for node in nodes) > 2 * len(long_text)
    assert [merged.document.text for merged in merge_nodes(nodes)] == [long_text]


def test_a_hierarchy_of_nodes_counts_once(long_text):
    parser = HierarchicalNodeParser.from_defaults(chunk_sizes=[2048, 512, 128])
    nodes = parser.get_nodes_from_documents([Document(text=long_text, doc_id="ledger")])
    assert [merged.document.text for merged in merge_nodes(nodes)] == [long_text]


def test_leaves_find_their_place_through_ancestors_that_are_no_part_of_the_corpus(long_text):
    parser = HierarchicalNodeParser.from_defaults(chunk_sizes=[2048, 512, 128])
    nodes = parser.get_nodes_from_documents([Document(text=long_text, doc_id="ledger")])
    leaves = get_leaf_nodes(nodes)
    (merged,) = merge_nodes(leaves, {node.node_id: node for node in nodes})
    assert (merged.document.id, merged.document.text) == ("ledger", long_text)
    assert all(long_text[span.start : span.end] == span.node.text for span in merged.spans)


def test_leaves_without_their_ancestors_make_a_document_for_each_parent(long_text):
    parser = HierarchicalNodeParser.from_defaults(chunk_sizes=[2048, 512])
    nodes = parser.get_nodes_from_documents([Document(text=long_text, doc_id="ledger")])
    parents = [node for node in nodes if node.child_nodes]
    merged = merge_nodes(get_leaf_nodes(nodes))
    assert [each.document.text for each in merged] == [parent.text for parent in parents]


def test_gaps_become_a_newline():
    (merged,) = merge_nodes([chunk("first", 0), chunk("second", 7)])
    assert merged.document.text == "first\nsecond"
    assert [(span.start, span.end) for span in merged.spans] == [(0, 5), (6, 12)]


def test_order_comes_from_positions():
    (merged,) = merge_nodes([chunk("world", 6), chunk("hello ", 0)])
    assert merged.document.text == "hello world"


def test_a_change_of_metadata_begins_a_new_document_without_the_overlap():
    nodes = [chunk("abcdef", 0, page=1), chunk("efgh", 4, page=1), chunk("ghij", 6, page=2)]
    first, second = merge_nodes(nodes)
    assert (first.document.text, second.document.text) == ("abcdefgh", "ij")
    assert (first.document.metadata, second.document.metadata) == ({"page": 1}, {"page": 2})
    assert (first.document.id, second.document.id) == (nodes[0].node_id, nodes[2].node_id)
    assert [(span.start, span.end, span.node) for span in first.spans] == [
        (0, 6, nodes[0]),
        (4, 8, nodes[1]),
        (6, 8, nodes[2]),
    ]
    assert [(span.start, span.end, span.node) for span in second.spans] == [(0, 2, nodes[2])]


def test_text_that_no_longer_fits_its_position_stands_alone():
    rewritten = chunk("EFGH", 4)
    rewritten.text = "a summary of it"
    liar = chunk("XXgh", 4)
    texts = [merged.document.text for merged in merge_nodes([chunk("abcdef", 0), rewritten, liar])]
    assert sorted(texts) == ["XXgh", "a summary of it", "abcdef"]


def test_nodes_without_a_source_or_text():
    alone = TextNode(text="alone", id_="n")
    assert [(m.document.id, m.document.text) for m in merge_nodes([alone, TextNode(text="")])] == [("n", "alone")]


def test_a_node_given_twice_counts_once_and_equal_ids_of_other_text_do_not():
    twice, other = TextNode(id_="n", text="once"), TextNode(id_="n", text="another")
    assert [merged.document.text for merged in merge_nodes([twice, twice, other, twice])] == ["once", "another"]
    assert [merged.document.text for merged in merge_nodes([chunk("abc", 0), chunk("abc", 0)])] == ["abc"]


@pytest.mark.parametrize(
    "mute",
    [
        ImageNode(image_url="https://example.org/cat.png"),
        Document(image_resource=MediaResource(data=b"png")),
        Document(audio_resource=MediaResource(data=b"mp3")),
    ],
)
def test_media_without_text_are_left_out_with_a_warning(mute):
    captioned = ImageNode(image_url="https://example.org/dog.png", text="A dog on a jetty.")
    with pytest.warns(UserWarning, match="1 of the 3 nodes hold an image, sound or video and no text"):
        corpus = NodeCorpus.of_nodes([mute, captioned, TextNode(text="")])
    assert [document.text for document in corpus.corpus.documents] == ["A dog on a jetty."]
    with pytest.raises(InvalidArgumentError, match="none of the 1 nodes holds text"):
        NodeCorpus.of_nodes([mute])


SENTENCES = " ".join(f"Sentence {n} says {n * n}.{chr(10) * (n % 7 // 5)}" for n in range(1_200)).strip()


@pytest.mark.parametrize(
    "parser",
    [
        SentenceSplitter(chunk_size=100, chunk_overlap=40, paragraph_separator="\n\n"),
        TokenTextSplitter(chunk_size=200, chunk_overlap=40),
        SentenceWindowNodeParser(),
    ],
    ids=lambda parser: type(parser).__name__,
)
def test_every_splitter_is_undone(parser):
    document = Document(text=SENTENCES, doc_id="d", metadata={"page": 1})
    nodes = parser.get_nodes_from_documents([document])
    assert len(nodes) > 20
    (merged,) = merge_nodes(nodes)
    assert (merged.document.id, merged.document.text, merged.document.metadata) == ("d", SENTENCES, {"page": 1})


def test_excluded_metadata_is_not_visible():
    node = TextNode(
        text="t", metadata={"public": 1, "secret": 2, "when": object}, excluded_llm_metadata_keys=["secret"]
    )
    assert visible_metadata(node) == {"public": 1, "when": str(object)}


def test_equal_ids_are_told_apart():
    corpus = NodeCorpus.of_nodes(
        [TextNode(id_="x", text="one"), chunk("two", 0, source="x", page=3), chunk("four", 9, source="x")]
    )
    assert len({document.id for document in corpus.corpus.documents}) == 3
    assert all(corpus.spans_of(document.id) for document in corpus.corpus.documents)


def test_a_plain_text_stays_one_str():
    corpus = NodeCorpus.of_corpus(Corpus.of("a text of no node"))
    assert corpus.corpus.kind == "str"
    assert [node.text for node in corpus.nodes] == ["a text of no node"]


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(alphabet="ab \n", min_size=1, max_size=200),
    cuts=st.lists(st.tuples(st.integers(0, 199), st.integers(1, 60)), min_size=1, max_size=12),
)
def test_any_true_chunks_give_back_what_they_cover_in_order(text, cuts):
    nodes = [chunk(text[start : start + size], start) for start, size in cuts if text[start : start + size]]
    covered: set[int] = set()
    for node in nodes:
        covered.update(range(node.start_char_idx, node.end_char_idx))
    merged = merge_nodes(nodes)
    assert len(merged) == (1 if nodes else 0)
    if not merged:
        return
    expected = "".join(
        ("\n" if place - 1 not in covered and any(p < place for p in covered) else "") + text[place]
        for place in sorted(covered)
    )
    assert merged[0].document.text == expected
    assert all(expected[span.start : span.end] == span.node.text for span in merged[0].spans)
