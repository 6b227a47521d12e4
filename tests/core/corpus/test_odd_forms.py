"""What users have at hand and pass for a corpus: read as anyone would expect, or refused with what to pass instead."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import pandas
import pytest
from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import HumanMessage
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core import SummaryIndex
from llama_index.core.base.response.schema import Response
from llama_index.core.llms import ChatMessage
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import BaseModel

from rlm_integrations import Image, InvalidArgumentError, Message, RLMEngine
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM


class Row(NamedTuple):
    id: str
    text: str


@dataclasses.dataclass
class Record:
    title: str


class Model(BaseModel):
    title: str


class Series:
    """Iterable as its class has it, and of nothing, as an array without a dimension."""

    def __iter__(self) -> Any:
        raise TypeError("iteration over nothing")

    def __len__(self) -> int:
        raise TypeError("len() of nothing")


FRAME = pandas.DataFrame({"text": ["a", "b"]})
HITS = [NodeWithScore(node=TextNode(text="a node", id_="n1"), score=0.5)]
NODES = SummaryIndex([TextNode(text="a node")])
STORE = InMemoryVectorStore(DeterministicFakeEmbedding(size=3))
ALONE = "is one document in a list of them, and names of texts where it stands alone; pass [document]"
MESSAGES = "messages are a question: pass them as that, or as the corpus [message.content for message in messages]"
MISSING = "which is not a document; pandas has it where a text is missing: leave it out, series.dropna()"
PAIRS = "of pairs of documents and scores pass the documents: [document for document, score in pairs]"
ODD: list[tuple[object, str]] = [
    ({"id": "x", "text": "A text."}, ALONE),
    ({"page_content": "A text.", "metadata": {"page": 1}}, ALONE),
    ({"a": ["one", "two"], "b": ["three"]}, "the value of 'a' is list, not str; .*join what one name has"),
    ({"a": LangChainDocument("a text")}, "the value of 'a' is Document, not str; .*[*mapping.values()]"),
    ({"a": TextNode(text="a text")}, "the value of 'a' is TextNode, not str; .*[*mapping.values()]"),
    ({"a": Path("a.txt")}, "Path, not str; .*[*mapping.values()]"),
    ({"a": FRAME}, "the value of 'a' is DataFrame, not str; .*[*mapping.values()]"),
    ({"a": b"bytes"}, "the value of 'a' is bytes, not str; .*decode it"),
    ({"a": {"text": "b"}}, "the value of 'a' is dict, not str; .*pass a dict with a text for each"),
    ({"a": None}, "the value of 'a' is NoneType, not str; .*leave it out"),
    ([FRAME, FRAME], "item 1 is DataFrame, which is not a document; pass the table alone, or of several one"),
    ([(LangChainDocument("a text"), 0.5)], PAIRS),
    ([("a text", 0.5)], PAIRS),
    ([("a", "a text")], "of pairs of names and texts pass dict(pairs)"),
    ({"a": "a text"}.items(), "of pairs of names and texts pass dict(pairs)"),
    (["a text", None], "item 2 is NoneType, which is not a document; leave it out: [document for document in"),
    (pandas.Series(["a text", None]), f"item 2 is float, {MISSING}"),
    (["a text", pandas.NA], f"item 2 is NAType, {MISSING}"),
    ([STORE.as_retriever()], "item 1 is VectorStoreRetriever, which is not a document; a retriever is a context by"),
    ([NODES.as_retriever()], "item 1 is SummaryIndexRetriever, which is not a document; a retriever is a context by"),
    ([HumanMessage("a text")], MESSAGES),
    ([ChatMessage(content="a text")], MESSAGES),
    ([Message("user", "a text")], MESSAGES),
    (
        Response("an answer", source_nodes=HITS),
        "Response is not a corpus; pass what it rests on, response.source_nodes",
    ),
    (memoryview(b"bytes"), "memoryview is not a corpus; decode it"),
    (numpy.array("a text"), "ndarray is not a corpus; pass a str"),
    (Series(), "Series is not a corpus; pass a str"),
    (Row("a", "a text"), "Row is not a corpus; pass a list of dicts, each record._asdict()"),
    ([Record("a")], "item 1 is Record, which is not a document; pass a list of dicts, each dataclasses.asdict(record)"),
    (Model(title="a"), "Model is not a corpus; pass a list of dicts, each record.model_dump()"),
    (["https://a.org/1", "https://a.org/2"], "the 2 str are URLs ('https://a.org/1' and so on), which are not fetched"),
    (["notes.txt", "letters.md"], "the 2 str look like names of files ('notes.txt' and so on), and not all of them"),
]


def by_core(context: object) -> object:
    return RLMEngine(ScriptedModel()).run("What is in it?", context)


def by_langchain(context: Any) -> object:
    return RLMRunnable(llm=ScriptedChatModel(), context=context)


def by_call(context: object) -> object:
    return RLMRunnable(llm=ScriptedChatModel()).invoke({"question": "What is in it?", "context": context})


def by_llama_index(context: Any) -> object:
    return RLMQueryEngine(llm=ScriptedLLM(), context=context)


@pytest.mark.parametrize("make", [by_core, by_langchain, by_call, by_llama_index])
@pytest.mark.parametrize(("context", "words"), ODD)
def test_what_is_no_corpus_is_refused_with_what_to_pass(
    context: object, words: str, make: Callable[[object], object]
) -> None:
    pattern = ".*".join(map(re.escape, words.split(".*")))
    with pytest.raises(InvalidArgumentError, match=f"context: .*{pattern}"):
        make(context)


def test_what_a_collection_of_chroma_gives_is_refused_with_what_makes_documents_of_it() -> None:
    chromadb = pytest.importorskip("chromadb")
    client = chromadb.EphemeralClient(chromadb.config.Settings(anonymized_telemetry=False))
    collection = client.create_collection("letters")
    try:
        collection.add(ids=["1", "2"], documents=["one", "two"], embeddings=[[1.0, 0.0], [0.0, 1.0]])
        got = collection.get()
    finally:
        client.delete_collection("letters")
    with pytest.raises(InvalidArgumentError, match="pass a dict for each: ") as caught:
        Corpus.of(got)
    code = str(caught.value).partition("pass a dict for each: ")[2]
    documents = Corpus.of(eval(code, {"got": got})).documents
    assert [(each.id, each.text) for each in documents] == [("1", "one"), ("2", "two")]


def test_a_vector_store_is_refused_without_a_word_of_its_files() -> None:
    with pytest.raises(InvalidArgumentError, match="is not a corpus; pass the documents that it holds, or a retriever"):
        Corpus.of(STORE)


@pytest.mark.parametrize(
    "form", [set, iter, tuple, lambda names: map(str, names), lambda names: dict.fromkeys(names).keys()]
)
def test_names_of_files_are_no_texts_in_whatever_they_come(
    form: Callable[[list[str]], Iterable[str]], tmp_path: Path
) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    names = sorted(str(each) for each in tmp_path.iterdir())
    with pytest.raises(InvalidArgumentError, match="the 2 str name existing files"):
        Corpus.of(form(names))
    with pytest.raises(InvalidArgumentError, match=r"look like names of files .* pass \[Path\(folder, name\)"):
        Corpus.of(form(os.listdir(tmp_path)))


@pytest.mark.parametrize(
    ("context", "texts"),
    [
        ({"text": "A text."}, {"text": "A text."}),
        ({"a": "A text.", "b": Image(b"\x89PNG\r\n\x1a\n", name="b.png")}, {"a": "A text.", "b": ""}),
        ([{"text": "notes.txt"}, {"text": "letters.md"}], {"doc-1": "notes.txt", "doc-2": "letters.md"}),
        (["notes.txt", "a text"], {"doc-1": "notes.txt", "doc-2": "a text"}),
        (numpy.array(["one", "two"]), {"doc-1": "one", "doc-2": "two"}),
        (pandas.Series(["one", "two"]), {"doc-1": "one", "doc-2": "two"}),
        (HITS, {"n1": "a node"}),
        ([Row("a", "a text")._asdict()], {"a": "a text"}),
        ([{"role": "user", "content": "a text"}], {"doc-1": "a text"}),
    ],
)
def test_what_is_one_is_read_as_anyone_would_expect(context: object, texts: dict[str, str]) -> None:
    assert {each.id: each.text for each in Corpus.of(context).documents} == texts


@pytest.mark.parametrize("context", [[" \n"], "  ", [LangChainDocument("\n\n"), LangChainDocument("")]])
def test_a_corpus_of_white_space_is_warned_of(context: object) -> None:
    with (
        ScriptedModel(["```repl\nFINAL('nothing')\n```"]) as llm,
        pytest.warns(RuntimeWarning, match="context: it holds no text"),
    ):
        RLMEngine(llm).run("What is in it?", context)
