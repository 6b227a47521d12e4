"""Splits as a corpus: what a splitter repeats counts once, or is said to count twice."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_text_splitters import RecursiveCharacterTextSplitter

from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.langchain.documents import prepare_brought, prepare_context

WORDS = ["kiln", "clerk", "letter", "seal", "harbour", "winter", "ledger", "bread", "oil", "salt"]
COUNT = "answer['content'] = sum(d['text'].count('pineapple') for d in context)\nanswer['ready'] = True"
CITE = """found = [d for d in context if "pineapple" in d["text"]][0]
cite("pineapple", found["id"])
answer["content"], answer["ready"] = "one", True"""


def prose(words: int, seed: int, places: tuple[int, ...] = ()) -> str:
    chance = random.Random(seed)
    text = [chance.choice(WORDS) + str(chance.randrange(1000)) for _ in range(words)]
    for place in places:
        text[place] = "pineapple"
    return " ".join(text)


def split(documents: list[Document], size: int = 200, overlap: int = 80, *, starts: bool = True) -> list[Document]:
    splitter = RecursiveCharacterTextSplitter(chunk_size=size, chunk_overlap=overlap, add_start_index=starts)
    return splitter.split_documents(documents)


SOURCES = [
    Document(prose(300, seed, (5, 40, 41, 200)), metadata={"source": f"{seed}.txt", "year": 1990 + seed})
    for seed in range(3)
]


def test_counts_over_splits_are_those_of_the_documents(root_model):
    splits = split(SOURCES)
    assert sum(each.page_content.count("pineapple") for each in splits) > 12
    rlm = RLMRunnable(llm=root_model(COUNT, COUNT), context=splits)
    assert rlm.invoke("How many?").content == "12"
    assert RLMRunnable(llm=root_model(COUNT)).invoke({"question": "q", "context": splits}).content == "12"


def test_the_documents_are_those_that_were_split_in_any_order_of_the_splits():
    splits = split(SOURCES)
    random.Random(1).shuffle(splits)
    documents = {d.id: d for d in prepare_context(splits).corpus.documents}
    assert {name: (d.text, d.metadata) for name, d in documents.items()} == {
        each.metadata["source"]: (each.page_content, each.metadata) for each in SOURCES
    }


@given(words=st.integers(1, 120), size=st.integers(40, 300), overlap=st.integers(0, 39), seed=st.integers(0, 50))
def test_any_splits_of_words_count_as_the_text_does(words, size, overlap, seed):
    text = prose(words, seed)
    splits = split([Document(text, metadata={"source": "a"})], size, overlap)
    (document,) = prepare_context(splits).corpus.documents
    assert document.text.split() == text.split()


def test_without_a_source_positions_that_begin_again_are_another_document():
    texts = [prose(100, seed) for seed in range(3)]
    documents = prepare_context(split([Document(text) for text in texts])).corpus.documents
    assert [document.text for document in documents] == texts


def test_pages_of_one_file_stay_apart():
    pages = [Document(prose(100, page), metadata={"source": "a.pdf", "page": page}) for page in range(3)]
    documents = prepare_context(split(pages)).corpus.documents
    assert [(d.id, d.text, d.metadata["page"]) for d in documents] == [
        (name, page.page_content, page.metadata["page"])
        for name, page in zip(("a.pdf", "a.pdf#2", "a.pdf#3"), pages, strict=True)
    ]


def test_a_split_alone_and_what_is_no_split_stay_as_they_are():
    alone = Document("a lone split", id="s1", metadata={"source": "a", "start_index": 40})
    plain = Document("no split", id="d1")
    documents = prepare_context([plain, alone, "a text"]).corpus.documents
    assert [(d.id, d.text, d.metadata) for d in documents] == [
        ("d1", "no split", {}),
        ("s1", "a lone split", {"source": "a", "start_index": 40}),
        ("doc-3", "a text", {}),
    ]


def test_positions_that_are_not_true_of_the_text_lose_nothing():
    liars = [Document(text, metadata={"source": "a", "start_index": at}) for text, at in (("abcdef", 0), ("uvwxyz", 3))]
    assert [d.text for d in prepare_context(liars).corpus.documents] == ["abcdef", "uvwxyz"]


MAILS = [
    "Tenant Abel. Rent is 900 a month in Rome.",
    "Tenant Cain. Rent is 1200 a month. The deposit is 3600. Pets are forbidden in the flat.",
    "Tenant Eve.",
]


@pytest.mark.parametrize("places", [(0, 1), (1, 0), (2, 2, 2), (0, 0, 0), (2, 1, 0), (1, 1, 2, 0)])
@pytest.mark.parametrize("overlap", [0, 15])
def test_documents_of_one_source_stay_apart_also_those_that_are_alike(places, overlap):
    texts = [MAILS[place] for place in places]
    splits = split([Document(text, metadata={"source": "inbox"}) for text in texts], 40, overlap)
    documents = prepare_context(splits).corpus.documents
    assert [document.text.split() for document in documents] == [text.split() for text in texts]


@given(
    lengths=st.lists(st.integers(1, 80), min_size=1, max_size=6),
    size=st.integers(40, 300),
    overlap=st.integers(0, 39),
    seed=st.integers(0, 50),
)
def test_any_documents_of_one_source_come_back(lengths, size, overlap, seed):
    texts = [prose(words, seed + words) for words in lengths]
    splits = split([Document(text, metadata={"source": "a"}) for text in texts], size, overlap)
    assert [each.text.split() for each in prepare_context(splits).corpus.documents] == [each.split() for each in texts]


def test_a_split_that_is_given_twice_counts_once():
    splits = split(SOURCES[:1])
    again = [*splits, *splits[:2], splits[3]]
    assert [d.text for d in prepare_context(again).corpus.documents] == [SOURCES[0].page_content]


@pytest.mark.parametrize("overlap", [0, 80])
def test_splits_of_several_documents_of_one_source_in_any_order_are_warned_of_and_never_mixed(overlap):
    texts = [prose(300, seed) for seed in range(3)]
    splits = split([Document(text, metadata={"source": "inbox"}) for text in texts], 200, overlap)
    random.Random(1).shuffle(splits)
    with pytest.warns(UserWarning, match=r"context: (\d+) of \1 splits contradict .* 'source' of its own") as caught:
        documents = prepare_context(splits).corpus.documents
    assert caught[0].filename == __file__
    assert all(any(document.text in text for text in texts) for document in documents)
    assert all(any(each.page_content in document.text for document in documents) for each in splits)


def test_after_a_contradiction_nothing_is_joined_across_a_gap():
    starts = [("The first lease.", 0), ("The second lease.", 0), ("Of a third lease.", 300)]
    splits = [Document(text, metadata={"source": "a", "start_index": at}) for text, at in starts]
    with pytest.warns(UserWarning, match="contradict"):
        assert [d.text for d in prepare_context(splits).corpus.documents] == [text for text, _ in starts]


def test_an_id_that_is_made_up_gives_way_to_a_given_one_among_splits_too():
    split_alone = Document("a split", metadata={"source": "a", "start_index": 0})
    given = [Document("plain", id=None), split_alone, Document("x", id="doc-1"), Document("y", id="doc-2")]
    assert [d.id for d in prepare_context(given).corpus.documents] == ["doc-1#2", "doc-2#2", "doc-1", "doc-2"]


def test_a_split_without_text_is_no_part_of_another():
    splits = [Document(text, metadata={"source": "a", "start_index": 0}) for text in ("", "", "a text")]
    assert [d.text for d in prepare_context(splits).corpus.documents] == ["", "", "a text"]


def test_the_sources_of_an_answer_are_the_users_splits(root_model):
    places = (4, 150)
    splits = split([Document(prose(300, 7, places), metadata={"source": "a.txt"})])
    given = RLMRunnable(llm=root_model(CITE), context=[*splits, Document("other", id="o")]).with_sources().invoke("q")
    assert [id(document) for document in given["context"]] == [id(splits[0])]


# -- splits whose positions are not known


def test_overlap_that_cannot_be_taken_out_is_said_with_the_count():
    splits = split(SOURCES, starts=False)
    with pytest.warns(
        UserWarning, match=r"context: \d+ of \d+ documents begin with the end of the one before"
    ) as caught:
        prepare_context(splits)
    assert caught[0].filename == __file__
    assert "add_start_index=True" in str(caught[0].message)
    with pytest.warns(UserWarning, match="counts twice"):
        prepare_brought(splits)


def numbered(splits: list[Document]) -> list[Document]:
    """The splits, each with its number, as some splitters and many programs add it."""
    return [Document(each.page_content, metadata={**each.metadata, "chunk": n}) for n, each in enumerate(splits)]


@pytest.mark.parametrize(
    "splits",
    [
        split([Document(prose(300, 1))], starts=False),
        split([Document(prose(300, 1), metadata={"title": "A"})], starts=False),
        numbered(split(SOURCES, starts=False)),
        numbered(split(SOURCES)),
        numbered(split([Document(prose(300, 1))])),
    ],
    ids=["no source", "a title", "numbers", "numbers and positions", "numbers and positions, no source"],
)
def test_overlap_of_splits_of_which_nothing_says_whence_they_are_is_said_too(splits):
    with pytest.warns(UserWarning, match=r"context: \d+ of \d+ documents begin with the end .* number no splits"):
        assert len(prepare_context(splits).corpus.documents) == len(splits)


@pytest.mark.parametrize(
    "documents",
    [
        split(SOURCES, overlap=0, starts=False),
        [Document("kind: letter, hand: of a clerk", metadata={"source": "a.csv", "row": n}) for n in range(5)],
        [Document(f"{'-' * 40}\nLetter {n}.\n{'-' * 40}") for n in range(5)],
        [Document("Kind regards to all\nof you", metadata={"source": f"{n}"}) for n in range(5)],
        [Document("The same head for all. " * 3, metadata={"source": f"{n}.txt"}) for n in range(5)],
        [Document(f"row: {n}\nname: {n}", metadata={"source": "a.csv", "row": n}) for n in range(5)],
        [Document("no source " * 9), Document("no source " * 9)],
        ["a text that ends as", "a text that ends as it begins"],
    ],
)
def test_what_does_not_overlap_is_not_warned_of(documents):
    assert len(prepare_context(documents).corpus.documents) == len(documents)
