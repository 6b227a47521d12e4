"""Chunks are put together into the documents that they were cut from."""

from __future__ import annotations

import base64
import re
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core import Document
from llama_index.core.node_parser import SentenceSplitter, SentenceWindowNodeParser, TokenTextSplitter
from llama_index.core.schema import BaseNode, ImageNode, MediaResource, NodeRelationship, RelatedNodeInfo, TextNode

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index.documents import NodeCorpus
from rlm_integrations.llama_index.node_text import beside_text

from .merging import merge_nodes


@pytest.fixture(scope="module")
def long_text(long_text: str) -> str:
    """Three quarters of it: LlamaIndex's splitters take most of the time here."""
    return long_text[:40_000].rpartition("\n")[0]


def chunk(text: str, start: int, source: str = "s", **metadata: object) -> TextNode:
    return TextNode(
        text=text,
        start_char_idx=start,
        end_char_idx=start + len(text),
        metadata=metadata,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=source)},
    )


@cache
def default_chunks(text: str) -> list[BaseNode]:
    return SentenceSplitter().get_nodes_from_documents([Document(text=text, doc_id="ledger")])


def test_the_default_splitter_is_undone_exactly(long_text):
    nodes = default_chunks(long_text)
    assert len(nodes) > 10
    assert sum(len(node.text) for node in nodes) > 1.1 * len(long_text)
    (merged,) = merge_nodes(nodes)
    assert merged.document.id == "ledger"
    assert merged.document.text == long_text
    assert [span.node for span in merged.spans] == nodes
    assert all(merged.document.text[span.start : span.end] == span.node.text for span in merged.spans)


def test_text_that_repeats_itself_is_not_taken_for_overlap():
    rows = "".join(f"Row {n % 50}: nothing to report. " for n in range(1_000)).strip()
    nodes = SentenceSplitter().get_nodes_from_documents([Document(text=rows, doc_id="log")])
    assert nodes[1].start_char_idx < len(nodes[0].text) / 2  # the splitter took the first place where it stands
    assert [merged.document.text for merged in merge_nodes(nodes)] == [rows]


def test_text_of_one_repeated_line_is_not_lost():
    nodes = SentenceSplitter().get_nodes_from_documents([Document(text="Same here. " * 1_500, doc_id="log")])
    (merged,) = merge_nodes(nodes)
    assert 0.9 <= merged.document.text.count("Same here.") / 1_500 <= 1.3
    assert all(merged.document.text[span.start : span.end] == span.node.text for span in merged.spans)


def test_chunks_that_overlap_by_more_than_half_are_put_together_exactly(long_text):
    splitter = SentenceSplitter(chunk_size=256, chunk_overlap=200)
    nodes = splitter.get_nodes_from_documents([Document(text=long_text, doc_id="ledger")])
    assert sum(len(node.text) for node in nodes) > 2 * len(long_text)
    assert [merged.document.text for merged in merge_nodes(nodes)] == [long_text]


def test_large_gaps_divide():
    texts = [merged.document.text for merged in merge_nodes([chunk("first", 0), chunk("second", 70)])]
    assert texts == ["first", "second"]


def test_small_gaps_become_a_newline():
    (merged,) = merge_nodes([chunk("first", 0), chunk("second", 7)])
    assert merged.document.text == "first\nsecond"
    assert [(span.start, span.end) for span in merged.spans] == [(0, 5), (6, 12)]


def test_order_comes_from_positions():
    (merged,) = merge_nodes([chunk("world", 6), chunk("hello ", 0)])
    assert merged.document.text == "hello world"


def test_a_change_of_metadata_where_chunks_overlap_is_told_of_ranges_of_one_document():
    nodes = [
        chunk("abcdef", 0, page=1, by="ann"),
        chunk("efgh", 4, page=1, by="ann"),
        chunk("ghij", 6, page=2, by="ann"),
    ]
    (merged,) = merge_nodes(nodes)
    assert (merged.document.id, merged.document.text) == ("s", "abcdefghij")
    assert merged.document.metadata == {
        "by": "ann",
        "by_chunk": [{"start": 0, "end": 8, "page": 1}, {"start": 6, "end": 10, "page": 2}],
    }
    assert [(span.start, span.end, span.node) for span in merged.spans] == [
        (0, 6, nodes[0]),
        (4, 8, nodes[1]),
        (6, 10, nodes[2]),
    ]


def test_a_change_of_metadata_where_chunks_do_not_overlap_begins_a_new_document():
    nodes = [chunk("abcdef", 0, page=1), chunk("efgh", 4, page=1), chunk("ij", 8, page=2), chunk("kl", 11, page=3)]
    merged = merge_nodes(nodes)
    assert [(each.document.text, each.document.metadata) for each in merged] == [
        ("abcdefgh", {"page": 1}),
        ("ij", {"page": 2}),
        ("kl", {"page": 3}),
    ]
    assert [each.document.id for each in merged] == [nodes[0].node_id, nodes[2].node_id, nodes[3].node_id]
    assert [[(span.start, span.end, span.node) for span in each.spans] for each in merged] == [
        [(0, 6, nodes[0]), (4, 8, nodes[1])],
        [(0, 2, nodes[2])],
        [(0, 2, nodes[3])],
    ]


RECORDS = "\n\n".join(f"Section {i}. The mill of parish {i} pays {i * 37 % 91} guilders a year." for i in range(200))


@pytest.mark.parametrize("key", ["excerpt_keywords", "section_summary"])
@pytest.mark.parametrize("overlap", [0, 30])
def test_no_record_is_cut_in_two_where_an_extractor_writes_on_each_chunk(key, overlap):
    splitter = SentenceSplitter(chunk_size=128, chunk_overlap=overlap)
    nodes = splitter.get_nodes_from_documents([Document(text=RECORDS, doc_id="mills", metadata={"year": 1891})])
    for number, node in enumerate(nodes):
        node.metadata[key] = f"of chunk {number}"
    (merged,) = merge_nodes(nodes)
    found = re.findall(r"Section (\d+)\.\s+The mill of parish \1 pays \d+ guilders a year\.", merged.document.text)
    assert found == [str(number) for number in range(200)]
    assert merged.document.metadata["year"] == 1891
    ranges = merged.document.metadata["by_chunk"]
    assert [each[key] for each in ranges] == [node.metadata[key] for node in nodes]
    assert [merged.document.text[each["start"] : each["end"]] for each in ranges] == [node.text for node in nodes]


@pytest.mark.parametrize("links", [True, False])
def test_guessed_places_of_text_that_repeats_itself_are_counted_aloud(links):
    log = "\n".join("2026-01-01 10:00:00 INFO heartbeat ok" for _ in range(2_000))
    nodes = SentenceSplitter(include_prev_next_rel=links).get_nodes_from_documents([Document(text=log)])
    with pytest.warns(UserWarning, match=rf"the place of \d+ of the {len(nodes)} chunks is a guess") as caught:
        corpus = NodeCorpus.of_nodes(nodes)
    assert int(re.search(r"place of (\d+)", str(caught[0].message))[1]) >= len(nodes) - 2
    assert 0.9 <= corpus.corpus.documents[0].text.count("heartbeat") / 2_000 <= 1.3


def test_a_chunk_that_is_missing_between_two_others_divides_their_document(long_text):
    nodes = default_chunks(long_text)
    first, second = merge_nodes([*nodes[:5], *nodes[6:]])
    assert long_text.startswith(first.document.text)
    assert long_text.endswith(second.document.text)
    assert {first.document.id, second.document.id} == {nodes[0].node_id, nodes[6].node_id}


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
    captioned = ImageNode(image=base64.b64encode(b"GIF89a of a dog").decode(), text="A dog on a jetty.")
    with pytest.warns(UserWarning, match="1 of the 3 nodes hold an image, sound or video and no text"):
        corpus = NodeCorpus.of_nodes([mute, captioned, TextNode(text="")])
    assert [document.text for document in corpus.corpus.documents] == ["A dog on a jetty."]
    with pytest.raises(InvalidArgumentError, match="none of the 1 nodes holds text or a picture"):
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
    assert len(nodes) > 10
    (merged,) = merge_nodes(nodes)
    assert (merged.document.id, merged.document.text, merged.document.metadata) == ("d", SENTENCES, {"page": 1})


def test_excluded_metadata_is_not_visible():
    node = TextNode(
        text="t", metadata={"public": 1, "secret": 2, "when": object}, excluded_llm_metadata_keys=["secret"]
    )
    assert beside_text(node)[0] == {"public": 1, "when": str(object)}


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


TEXT = "".join(f"{n:02d}ab \n"[: 3 + n % 4] for n in range(50))
"""No stretch of it stands twice that could be taken for an overlap."""


@settings(max_examples=settings().max_examples * 3 // 2)
@given(cuts=st.lists(st.tuples(st.integers(0, 199), st.integers(1, 60)), min_size=1, max_size=12))
def test_any_true_chunks_give_back_what_they_cover_in_order(cuts):
    nodes = [chunk(TEXT[start : start + size], start) for start, size in cuts if TEXT[start : start + size]]
    covered = sorted({place for node in nodes for place in range(node.start_char_idx, node.end_char_idx)})
    expected = [TEXT[covered[0]]] if covered else []
    for before, place in pairwise(covered):
        if place - before > 5:
            expected.append(TEXT[place])
        else:
            expected[-1] += "\n" * (place - before > 1) + TEXT[place]
    merged = merge_nodes(nodes)
    assert [each.document.text for each in merged] == expected
    for each in merged:
        assert all(each.document.text[span.start : span.end] == span.node.text for span in each.spans)
