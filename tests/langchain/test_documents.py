"""LangChain documents, loaders and retrievers as a corpus, and the way back."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_classic.retrievers import MergerRetriever
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore

from rlm_integrations import RLMTrace
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.langchain.documents import RunContext, prepare_brought, prepare_context
from rlm_integrations.testing.langchain import ScriptedChatModel


class TwoPages(BaseLoader):
    def lazy_load(self):
        yield Document("first page", metadata={"page": 1})
        yield Document("second page", metadata={"page": 2})


def cite_all(*names: str) -> str:
    """Code that cites all of these documents, and answers with the ids that there are."""
    return f"""
for name in {names}:
    cite(next(d["text"] for d in context if d["id"] == name), name)
answer = {{"content": str([d["id"] for d in context]), "ready": True}}
"""


@pytest.mark.parametrize("context", [TwoPages(), TwoPages().lazy_load(), TwoPages().load()])
def test_loaders_and_lists_of_documents(context):
    corpus = prepare_context(context).corpus
    assert [(d.id, d.text, d.metadata) for d in corpus.documents] == [
        ("doc-1", "first page", {"page": 1}),
        ("doc-2", "second page", {"page": 2}),
    ]


def test_a_single_document_and_a_str():
    assert prepare_context(Document("alone", id="a")).corpus.by_id["a"].text == "alone"
    assert prepare_context("a long text").corpus.kind == "str"


def test_a_folder_of_files_is_read(tmp_path: Path, root_model):
    (tmp_path / "a.txt").write_text("A")
    (tmp_path / "b.txt").write_text("B")
    name = (tmp_path / "b.txt").as_posix()
    rlm = RLMRunnable(llm=root_model(cite_all(name)), context=[tmp_path]).with_sources()
    assert [d.page_content for d in rlm.invoke("q")["context"]] == ["B"]


def test_what_is_prepared_is_taken_as_it_is():
    prepared = prepare_context(["a", "b"])
    assert prepare_context(prepared) is prepared


def test_sources_are_the_users_own_objects_also_with_equal_ids(root_model):
    first, second, brought = (Document(text, id="same") for text in ("one", "two", "three"))
    rlm = RLMRunnable(llm=root_model(cite_all("same#3", "same")), context=[first, second]).with_sources()
    given = rlm.invoke({"question": "q", "context": [brought]})
    assert given["answer"] == "['same', 'same#3', 'same#2']"
    assert [id(d) for d in given["context"]] == [id(first), id(brought)]


def test_a_text_among_the_sources_becomes_a_document(root_model):
    rlm = RLMRunnable(llm=root_model(cite_all("doc-1")), context=["plain text"]).with_sources()
    assert rlm.invoke("q")["context"] == [Document("plain text", id="doc-1")]


def test_a_call_context_goes_first_and_the_constructors_is_shared():
    base = prepare_context(["shared"])
    joined = base.preceded_by(prepare_brought("brought"))
    assert [d.text for d in joined.corpus.documents] == ["brought", "shared"]
    assert joined.corpus.shared is base.corpus


def test_a_document_that_a_call_brings_again_counts_once():
    own = [Document(f"Letter {n}.", id=f"letter-{n}", metadata={"year": n}) for n in range(3)]
    base = prepare_context(own)
    again = [Document(own[1].page_content, id=own[1].id, metadata={"year": 1}), Document("Another.", id="other")]
    joined = base.preceded_by(prepare_brought(again))
    assert [document.id for document in joined.corpus.documents] == ["other", "letter-0", "letter-1", "letter-2"]
    assert base.preceded_by(prepare_brought(own)).corpus is base.corpus
    changed = Document(own[1].page_content, id=own[1].id, metadata={"year": 2})  # it is another one
    assert len(base.preceded_by(prepare_brought([changed])).corpus.documents) == 4


@pytest.mark.parametrize("found", [[], "", " \n"])
def test_a_search_that_found_nothing_is_warned_of(found):
    rlm = RLMRunnable(llm=ScriptedChatModel(["There are 12."]))
    with pytest.warns(RuntimeWarning, match="context: it holds no text, as where a search has found nothing"):
        message = rlm.invoke({"question": "How many?", "context": found})
    assert RLMTrace.of(message).warnings[0].startswith("context: it holds no text")


def test_alone_a_brought_str_stays_a_str():
    assert prepare_context(None).preceded_by(prepare_brought("brought")).corpus.kind == "str"


def test_a_search_without_hits_is_an_empty_corpus_and_no_error():
    corpus = prepare_context(None).preceded_by(prepare_brought([])).corpus
    assert (corpus.kind, corpus.documents) == ("documents", ())


async def test_a_retriever_is_asked_in_sync_and_async():
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_documents([Document(f"text {n}", id=f"v{n}") for n in range(3)])
    run = RunContext(prepare_context(store.as_retriever(search_kwargs={"k": 2})))
    retriever = run.corpus.retriever
    assert retriever is not None
    ids = [d.id for d in await retriever.retrieve("text 1")]
    assert ids == [d.id for d in retriever.retrieve_sync("text 1")]
    assert len(ids) == 2


async def test_retrieved_documents_without_ids_get_the_same_one_each_time():
    texts = {"q1": ["a", "b"], "q2": ["b", "c"]}
    search = RunnableLambda(lambda query: [Document(text) for text in texts[query]])
    retriever = RunContext(prepare_context(search)).corpus.retriever
    assert retriever is not None
    first, second = await retriever.retrieve("q1"), await retriever.retrieve("q2")
    assert first[1].id == second[0].id
    assert len({d.id for d in [*first, *second]}) == 3


async def test_a_hit_that_several_searches_of_one_retriever_find_is_one_document(root_model):
    for name in ("v1", None):
        store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
        store.add_documents([Document("the only text", id=name, metadata={"page": 1}), Document("another", id="v2")])
        both = MergerRetriever(retrievers=[store.as_retriever(), store.as_retriever()])
        assert len(both.invoke("q")) == 4
        count = "answer['content'] = str([len(context), len(retrieve('again')), len(context)])\nanswer['ready'] = True"
        rlm = RLMRunnable(llm=root_model(count, count), context=both)
        assert (rlm.invoke("q").content, (await rlm.ainvoke("q")).content) == ("[2, 2, 2]", "[2, 2, 2]")


@pytest.mark.parametrize("way", ["constructor", "call"])
def test_documents_that_are_given_again_count_once_and_those_that_are_alike_stay(way, root_model):
    found = [Document("one", id="a"), Document("two", id="b"), Document("other", id="a"), Document("row")]
    again = [Document("one", id="a"), Document("row"), found[1]]
    ids = "answer['content'] = str([d['id'] for d in context])\nanswer['ready'] = True"
    if way == "constructor":
        answer = RLMRunnable(llm=root_model(ids), context=found + again).invoke("q").content
    else:
        answer = RLMRunnable(llm=root_model(ids)).invoke({"question": "q", "context": found + again}).content
    assert answer == "['a', 'b', 'a#2', 'doc-4', 'doc-5']"


def test_a_retriever_beside_documents_keeps_both():
    search = RunnableLambda(lambda query: [Document(query, id="hit")])
    run = RunContext(prepare_context(["kept"]).preceded_by(prepare_brought(search)))
    assert [d.text for d in run.corpus.documents] == ["kept"]
    assert run.corpus.retriever is not None


async def test_a_retriever_that_returns_something_else_is_named():
    for wrong, says in (("a str", "returned str, not a list"), (["text"], "item 1 that the retriever returned is str")):
        retriever = RunContext(prepare_context(RunnableLambda(lambda _, wrong=wrong: wrong))).corpus.retriever
        assert retriever is not None
        with pytest.raises(InvalidArgumentError, match=says):
            await retriever.retrieve("q")


def test_what_cannot_be_a_context_says_what_to_pass():
    with pytest.raises(InvalidArgumentError, match="as_retriever"):
        prepare_context(InMemoryVectorStore(DeterministicFakeEmbedding(size=8)))
    for wrong, says in ((5, "int is not a corpus"), (b"text", "decode it"), ([(Document("a"), 0.5)], "of pairs")):
        with pytest.raises(InvalidArgumentError, match=says):
            prepare_context(wrong)
    search = RunnableLambda(lambda query: [Document(query)])
    with pytest.raises(InvalidArgumentError, match="pass one of them"):
        prepare_context(search).preceded_by(prepare_brought(search))


def test_a_corpus_is_taken_as_it_is():
    corpus = Corpus.of(["a"])
    assert prepare_context(corpus).corpus is corpus


# -- with_sources

NAMED = [("a", "one"), ("b", "two"), ("c", "three")]
CITE = """
cite("two", doc_id="b")
print(context[2]["text"])
answer = {"content": "two", "ready": True}
"""


@pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])
async def test_sources_are_the_users_own_documents_cited_ones_first(mode, root_model):
    documents = [Document(f"number {word}, a document long enough to be known again", id=name) for name, word in NAMED]
    runnable = RLMRunnable(llm=root_model(CITE), context=documents).with_sources()
    if mode == "invoke":
        given = runnable.invoke("q")
    elif mode == "ainvoke":
        given = await runnable.ainvoke("q")
    else:
        pieces = list(runnable.stream("q")) if mode == "stream" else [piece async for piece in runnable.astream("q")]
        given = sum(pieces[1:], pieces[0])
    assert [id(document) for document in given["context"]] == [id(documents[1]), id(documents[2])]
    assert (given["answer"], given["message"].content) == ("two", "two")


async def test_sources_of_a_retriever_are_what_it_returned(root_model):
    found = [Document(f"number {word}, a document long enough to be known again", id=name) for name, word in NAMED]
    rlm = RLMRunnable(llm=root_model(CITE), context=RunnableLambda(lambda query: found))
    assert [document.id for document in (await rlm.with_sources().ainvoke("q"))["context"]] == ["b", "c"]


@pytest.mark.parametrize("quote", ["Abel pays 900", "Cain pays 1200", "Eve pays 700"])
def test_a_hit_and_a_document_of_one_id_are_each_the_source_of_what_they_say(quote, root_model):
    lease = Document("Cain pays 1200 (from the leases).", id="1")
    mails = {
        "q": Document("Abel pays 900 (from the mails).", id="1"),
        "more": Document("Eve pays 700 (from the mails).", id="1"),
        "again": Document(lease.page_content, id="1"),
    }
    code = f"""
more = retrieve("more") + retrieve("again")
cite({quote!r})
answer = {{"content": str([d["text"][:4] for d in more + context]), "ready": True}}
"""
    rlm = RLMRunnable(llm=root_model(code), context=[lease]).with_sources()
    given = rlm.invoke({"question": "q", "context": RunnableLambda(lambda query: [mails[query]])})
    assert given["answer"] == "['Eve ', 'Cain', 'Abel', 'Cain', 'Eve ']"
    assert [id(source) for source in given["context"][:1]] == [
        id(each) for each in (lease, *mails.values()) if quote in each.page_content
    ][:1]
