"""The sources of an answer over a retriever are the Documents whose text was read, whatever ids they came with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import Runnable, RunnableLambda

from rlm_integrations import RLMTrace
from rlm_integrations.core.corpus.found_document import FoundDocument
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.langchain.retriever import langchain_document
from rlm_integrations.testing.langchain import ScriptedChatModel

LOOK = "```repl\nprint([d['text'] for d in context])\n```"
CITE = """```repl
for document in [*context, *retrieve("more")]:
    cite(document["text"], document["id"])
answer = {"content": str([d["id"] for d in context]), "ready": True}
```"""
SEARCH = "```repl\nfound = retrieve('more')\nprint(found)\n```"
AFTERWARDS = """```repl
for document in [*context, *retrieve("again")]:
    cite(document["text"], document["id"])
answer = {"content": str([d["id"] for d in context]), "ready": True}
```"""


def model(*replies: str | Exception) -> ScriptedChatModel:
    return ScriptedChatModel(replies=[*replies])


def searching(**hits: list[Document]) -> Runnable[str, list[Document]]:
    return RunnableLambda(lambda query: hits.get(query, hits["first"]))


async def asked(path: str, runnable: Runnable[Any, Any]) -> dict[str, Any]:
    return runnable.invoke("q") if path == "sync" else await runnable.ainvoke("q")


def rent(of: int, name: str | None) -> Document:
    return Document(f"In year {of} the rent was {of * 7} pounds.", id=name, metadata={"year": of, "by": ["Ann", 1.5]})


@pytest.mark.parametrize("path", ["sync", "async"])
@pytest.mark.parametrize("name", ["lease", None])
async def test_a_run_that_goes_on_in_another_process_shows_what_was_read_before(
    path: str, name: str | None, tmp_path: Path
) -> None:
    """What stands in for another process: other objects throughout, and nothing that they share but the file."""

    def rlm(year: int, *replies: Any) -> Runnable[Any, Any]:
        context = searching(first=[rent(year, name)], more=[rent(year + 1, name)])
        return RLMRunnable(llm=model(*replies), context=context, journal=tmp_path / "runs.sqlite").with_sources()

    with pytest.raises(ConnectionError):
        await asked(path, rlm(1, SEARCH, ConnectionError("cut")))
    resumed = await asked(path, rlm(3, AFTERWARDS))
    assert RLMTrace.of(resumed["message"]).journal == "resumed"
    assert resumed["context"] == [rent(1, name), rent(2, name), rent(3, name)]
    answered = await asked(path, rlm(5))
    assert RLMTrace.of(answered["message"]).journal == "finished"
    assert answered["context"] == resumed["context"]


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_another_text_under_an_id_of_before_is_a_source_of_its_own(path: str, tmp_path: Path) -> None:
    now = rent(2, "lease")
    journal = tmp_path / "runs.sqlite"
    rlm = RLMRunnable(llm=model(LOOK, ConnectionError("cut")), context=searching(first=[rent(1, "lease")]))
    with pytest.raises(ConnectionError):
        await asked(path, rlm.model_copy(update={"journal": journal}))
    rlm = RLMRunnable(llm=model(CITE), context=searching(first=[now]), journal=journal)
    given = await asked(path, rlm.with_sources())
    assert given["answer"] == "['lease', 'lease#2']"
    assert given["context"] == [rent(1, "lease"), now]
    assert given["context"][1] is now


@pytest.mark.parametrize("name", ["lease", None])
async def test_hits_of_one_query_that_share_an_id_or_have_none_are_each_their_own_source(name: str | None) -> None:
    hits = [rent(year, name) for year in (1, 2, 1)]
    rlm = RLMRunnable(llm=model(CITE), context=searching(first=hits, more=hits[::-1])).with_sources()
    given = await rlm.ainvoke("q")
    assert [id(document) for document in given["context"]] == [id(hits[0]), id(hits[1])]


@pytest.mark.parametrize("cited", [0, 1])
async def test_a_hit_with_the_id_of_a_long_message_is_the_source_of_what_it_says_alone(cited: int) -> None:
    hit = rent(1, "message-1")
    code = f"""```repl
cite(context[{cited}]["text"][:30], context[{cited}]["id"])
answer = {{"content": str([d["id"] for d in context]), "ready": True}}
```"""
    rlm = RLMRunnable(llm=model(code), context=searching(first=[hit]), limits={"message_chars": 5_000}).with_sources()
    given = await rlm.ainvoke("What was the rent, of all that " + "the clerk wrote down " * 300 + "?")
    assert given["answer"] == "['message-1', 'message-1#2']"
    assert [id(document) for document in given["context"]] == [id(hit)][:cited]


async def test_a_later_question_of_a_session_knows_what_was_found_for_an_earlier_one() -> None:
    hits = {"one": rent(1, "lease"), "two": rent(2, "lease"), "more": rent(3, "lease")}
    context = RunnableLambda(lambda query: [hits[query]])
    rlm = RLMRunnable(llm=model(CITE, CITE), context=context).with_sources()
    within: Any = {"configurable": {"session_id": "s"}}
    first, second = await rlm.ainvoke("one", within), await rlm.ainvoke("two", within)
    assert [id(each) for each in first["context"]] == [id(hits["one"]), id(hits["more"])]
    assert [id(each) for each in second["context"]] == [id(hits["one"]), id(hits["more"]), id(hits["two"])]


def test_what_an_older_file_has_becomes_a_document_too() -> None:
    assert langchain_document(FoundDocument("a", "text", {"n": 1})) == Document("text", id="a", metadata={"n": 1})


class Noting(dict[str, Any]):
    """Metadata that notes the threads in which it is read."""

    readers: set[threading.Thread]

    def items(self) -> Any:
        self.readers.add(threading.current_thread())
        return super().items()

    def __iter__(self) -> Iterator[str]:
        self.readers.add(threading.current_thread())
        return super().__iter__()


@pytest.mark.parametrize("hits", [1, 300])
async def test_hits_are_read_off_the_loop(hits: int, tmp_path: Path) -> None:
    metadata = Noting(page=1)
    metadata.readers = set()
    found = [Document(f"Hit {number}.", id=str(number)) for number in range(hits)]
    for each in found:
        each.metadata = metadata
    rlm = RLMRunnable(llm=model(CITE), context=searching(first=found), journal=tmp_path / "runs.sqlite")
    assert len((await rlm.with_sources().ainvoke("q"))["context"]) == hits
    assert metadata.readers
    assert threading.current_thread() not in metadata.readers
