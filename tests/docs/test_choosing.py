"""The tables of docs/choosing.md: what conversations took, which form makes which corpus, models of one's own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_openai import ChatOpenAI
from langchain_text_splitters import RecursiveCharacterTextSplitter
from llama_index.core import Document as LlamaIndexDocument
from llama_index.core import SummaryIndex
from llama_index.core.llms import LLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.llms.openai_like import OpenAILike
from pandas import DataFrame

from rlm_integrations import RLMEngine, RLMLimits
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.wording import number
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.openai import OpenAIModel
from rlm_integrations.testing import ReplayingModel
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM
from rlm_integrations.testing.recording import RootRecord, is_sub_call, read_records

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/choosing.md").read_text(encoding="utf-8")
PLAYED = ROOT / "tests/played"
DESCRIBE = """```repl
stuffed = not isinstance(context, str) and context[0]["id"].startswith("message")
count = len(context)
answer["content"] = "one text" if stuffed or isinstance(context, str) else f"{count} document{'s' * (count > 1)}"
answer["ready"] = True
```"""


def table(header: str) -> list[list[str]]:
    """The cells of the table whose first column has that header."""
    rows = re.search(rf"^\| {header} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, flags=re.MULTILINE)
    assert rows is not None
    return [[cell.strip() for cell in row.strip()[1:-1].split(" | ")] for row in rows[1].splitlines()]


FORMS = [(row[0].strip("`"), row[1]) for row in table("pass as context")]
CONVERSATIONS = table("conversation")


class Letters(BaseLoader):
    def lazy_load(self) -> Any:
        yield from (Document(f"Letter {n}.", id=str(n)) for n in range(3))


class Hits(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document("Letter 0.", id="0"), Document("Letter 1.", id="1")]


def describe(messages: Sequence[Message]) -> str:
    return DESCRIBE


@pytest.fixture(scope="module")
def long_documents() -> dict[str, Any]:
    """What LlamaIndex makes of long documents, once: its splitter takes a second for them."""
    long = [LlamaIndexDocument(text=" ".join(f"Word {n}-{m}." for m in range(300)), doc_id=str(n)) for n in range(3)]
    nodes = SentenceSplitter(chunk_size=256, chunk_overlap=0).get_nodes_from_documents(long)
    return {"index": SummaryIndex.from_documents(long), "nodes": nodes}


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long_documents: dict[str, Any]) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    Path("letters").mkdir()
    for name in ("a", "b"):
        Path("letters", f"{name}.txt").write_text(f"Letter {name}.")
    whole = Document(" ".join(f"word{n}" for n in range(900)), metadata={"source": "a.txt"})
    splitter = RecursiveCharacterTextSplitter(chunk_size=500, chunk_overlap=100, add_start_index=True)
    return {
        "DataFrame": DataFrame,
        "Path": Path,
        "documents": [Document(f"Letter {n}.", id=str(n)) for n in range(3)],
        "splits": splitter.split_documents([whole]),
        "loader": Letters(),
        "retriever": Hits(),
        "rag_prompt": ChatPromptTemplate.from_template("Answer from this:\n{context}\n\nQuestion: {question}"),
        **long_documents,
    }


@pytest.mark.parametrize(("form", "corpus"), FORMS)
def test_a_form_makes_that_corpus(form: str, corpus: str, names: dict[str, Any]) -> None:
    context = eval(form, names)
    if form in ("index", "nodes"):
        made = RLMQueryEngine(ScriptedLLM(always=describe), context=context)
        assert str(made.query("What is there?")) == corpus
        return
    llm = ScriptedChatModel(always=describe)
    if form == "rag_prompt":
        asked = {
            "context": "\n\n".join(["Letter 0. " + "The weather is fine. " * 20] * 3),
            "question": "What is there?",
        }
        assert (context | RLMRunnable(llm=llm)).invoke(asked).text == corpus
        return
    assert RLMRunnable(llm=llm, context=context).invoke("What is there?").text == corpus


@pytest.mark.parametrize("row", CONVERSATIONS, ids=lambda row: row[0].strip("`"))
def test_a_conversation_took_that_much(row: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """All are replayed without a framework here: what a corpus sends does not depend on it."""
    monkeypatch.chdir(PLAYED)
    name = row[0].strip("`")
    path = PLAYED / "conversations" / f"{name}.jsonl"
    lines = Path("corpora/minutes.jsonl").read_text(encoding="utf-8").splitlines()
    licences = name in ("exact_quote", "search")
    context: Any = [Path("corpora/licences")] if licences else [json.loads(line) for line in lines]
    question = next(record.question for record in read_records(path) if isinstance(record, RootRecord))
    with ReplayingModel.from_file(path) as llm:
        trace = RLMEngine(llm).run(question, context).trace
    roots = [iteration.call.prompt_chars for iteration in trace.iterations]
    sub_chars = [sum(len(message.content) for message in request) for request in llm.requests if is_sub_call(request)]
    assert [*row[1:3], row[4]] == [trace.context, number(len(roots)), number(trace.sub_call_count)]
    for cell, chars in ((row[3], sum(roots)), (row[5], sum(sub_chars))):  # a prompt's wording may change a little
        assert int(cell.replace(",", "")) == pytest.approx(chars, rel=0.15)


def test_every_conversation_is_told_of() -> None:
    assert {row[0].strip("`") for row in CONVERSATIONS} == {path.stem for path in (PLAYED / "conversations").iterdir()}


def test_the_limits_that_cap_a_run() -> None:
    for row in table("limit"):
        assert row[0].strip("`") in RLMLimits.model_fields
    words = " ".join(PAGE.split())
    assert f"{RLMLimits().max_total_tokens:,} unless you say less" in words
    assert f"limit of {RLMLimits().max_total_tokens:,} tokens in all" in words
    assert f"at most {RLMLimits().max_output_chars:,} characters" in words
    assert f"({RLMLimits().inline_chars:,} characters)" in words
    assert f"up to {RLMLimits().max_concurrency} (max_concurrency) at once" in words


def test_models_of_ones_own_server_are_made_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    known = {"ChatOpenAI": ChatOpenAI, "OpenAILike": OpenAILike, "OpenAIModel": OpenAIModel}
    made = [eval(row[1].strip("`"), known) for row in table("framework")]
    assert [type(model) for model in made] == [ChatOpenAI, OpenAILike, OpenAIModel]
    assert isinstance(made[0], BaseChatModel)
    assert isinstance(made[1], LLM)
    priced = re.search(r"`prices=(\{.*\})`", PAGE)
    assert priced is not None
    for model in (made[0], made[1]):
        make = RLMRunnable if model is made[0] else RLMQueryEngine
        make(llm=model, context="x", limits={"max_cost_usd": 1}, prices=eval(priced[1]))
