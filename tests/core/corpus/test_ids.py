"""Ids that are equal, made up or missing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document as LangChainDocument

from rlm_integrations.core.corpus.corpus import Corpus, unique_ids
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.forms import document_of


def test_equal_ids_are_told_apart() -> None:
    texts = [Document(name, str(place)) for place, name in enumerate(["a", "a", "a#2", "b", "a"])]
    assert [(d.id, d.text) for d in unique_ids(texts)] == [
        ("a", "0"),
        ("a#3", "1"),
        ("a#2", "2"),
        ("b", "3"),
        ("a#4", "4"),
    ]


@pytest.mark.parametrize(
    ("context", "ids"),
    [
        (["first", {"id": "doc-1", "text": "second"}], ["doc-1#2", "doc-1"]),
        ([{"text": "first"}, "second", {"id": "doc-2", "text": "third"}], ["doc-1", "doc-2#2", "doc-2"]),
        ([{"id": "doc-2", "text": "first"}, {"text": "second"}], ["doc-2", "doc-2#2"]),
        ([{"id": "doc-1", "text": "a"}, {"id": "doc-1", "text": "b"}, {"id": "doc-1#2", "text": "c"}], None),
        ([LangChainDocument("first"), Document("doc-1", "second")], ["doc-1#2", "doc-1"]),
        ([{"id": None, "n": 1}, {"id": "row-0", "n": 2}], ["row-0#2", "row-0"]),
    ],
)
def test_an_id_that_is_made_up_gives_way_to_a_given_one(context: list[Any], ids: list[str] | None) -> None:
    assert [document.id for document in Corpus.of(context).documents] == (ids or ["doc-1", "doc-1#3", "doc-1#2"])


@given(st.lists(st.sampled_from(["a", "a#2", "a#2#2", "a#3", "b", ""]), max_size=12))
def test_ids_are_unique_and_no_document_is_lost(names: list[str]) -> None:
    documents = [Document(name, str(place), {"n": place}) for place, name in enumerate(names)]
    unique = unique_ids(documents)
    assert len({document.id for document in unique}) == len(names)
    assert [(d.text, d.metadata) for d in unique] == [(d.text, d.metadata) for d in documents]
    assert all(new.id == old.id or new.id.startswith(f"{old.id}#") for new, old in zip(unique, documents, strict=True))
    for name in set(names):  # the first of a name keeps it
        assert next(d for d in unique if d.id == name).text == str(names.index(name))


def test_many_equal_ids_take_no_time_to_speak_of() -> None:
    unique = unique_ids([Document("same", "")] * 50_000)
    assert unique[-1].id == "same#50000"


def test_a_document_without_an_id_is_named_by_its_place() -> None:
    assert document_of("text", 7) == Document("doc-7", "text")
