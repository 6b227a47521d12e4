"""The event loop is never held up by reading a context: in a coroutine it is read by the first run, in a thread."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.runnables import Runnable

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain import ChatRLM, RLMRunnable

COUNT = "answer['content'] = f'{len(context)} documents'\nanswer['ready'] = True"


class Shelf(BaseLoader):
    """Notes the threads that load from it; may be empty, and may hold who loads up."""

    def __init__(self) -> None:
        self.readers: list[threading.Thread] = []
        self.closed = False
        self.go = threading.Event()
        self.go.set()

    def lazy_load(self) -> Iterator[Document]:
        self.readers.append(threading.current_thread())
        assert self.go.wait(30)
        if self.closed:
            raise ConnectionError("the shelf is closed")
        yield from (Document(f"Row {number}.") for number in range(5))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture(params=[RLMRunnable, ChatRLM])
def rlm(request: pytest.FixtureRequest, root_model: Callable[..., Any]) -> Callable[..., Runnable[Any, Any]]:
    return lambda context, runs=9: request.param(llm=root_model(*[COUNT] * runs), context=context)


async def test_in_a_coroutine_a_loader_loads_in_a_thread_at_the_first_run(shelf: Shelf, rlm: Any) -> None:
    made = rlm(shelf)
    assert shelf.readers == []
    shelf.go.clear()
    asking = [asyncio.ensure_future(made.ainvoke("q")) for _ in range(3)]
    while not shelf.readers:
        await asyncio.sleep(0)
    asking[0].cancel()
    shelf.go.set()  # nobody but this loop can have done it
    assert {message.content for message in await asyncio.gather(*asking[1:])} == {"5 documents"}
    assert "".join([str(chunk.content) async for chunk in made.astream("q")]) == "5 documents"
    assert made.invoke("q").content == "5 documents"
    assert len(shelf.readers) == 1
    assert threading.main_thread() not in shelf.readers


def test_in_sync_code_it_loads_when_it_is_made(shelf: Shelf, rlm: Any) -> None:
    made = rlm(shelf)
    assert shelf.readers == [threading.current_thread()]
    assert made.invoke("q").content == "5 documents"


async def test_a_sync_run_in_a_coroutine_reads_where_it_is_called(shelf: Shelf, rlm: Any) -> None:
    assert rlm(shelf).invoke("q").content == "5 documents"
    assert shelf.readers == [threading.current_thread()]


async def test_a_failure_is_told_by_the_run_and_the_next_reads_again(shelf: Shelf, rlm: Any) -> None:
    made = rlm(shelf)
    shelf.closed = True
    told = await asyncio.gather(*(made.ainvoke("q") for _ in range(3)), return_exceptions=True)
    assert [str(each) for each in told] == ["the shelf is closed"] * 3
    shelf.closed = False
    assert (await made.ainvoke("q")).content == "5 documents"


async def test_what_a_call_brings_is_joined_to_what_is_read(shelf: Shelf, root_model: Callable[..., Any]) -> None:
    rlm = RLMRunnable(llm=root_model(COUNT), context=shelf)
    assert (await rlm.ainvoke({"question": "q", "context": [Document("more")]})).content == "6 documents"
    assert threading.main_thread() not in shelf.readers


async def test_a_long_list_is_read_later_as_it_was(rlm: Any) -> None:
    documents = [Document(f"Row {number}.") for number in range(1000)]
    made = rlm(documents)
    assert made.context.describe() == "1,000 documents"
    documents.clear()
    assert (await made.ainvoke("q")).content == "1000 documents"


async def test_files_are_read_later(tmp_path: Path, rlm: Any) -> None:
    (tmp_path / "a.txt").write_text("A file.")
    made = rlm([tmp_path])
    (tmp_path / "b.txt").write_text("Another one.")
    assert (await made.ainvoke("q")).content == "2 documents"


async def test_what_is_wrong_at_first_sight_is_raised_at_once(rlm: Any) -> None:
    for context, message in (
        ([], "is empty"),
        (7, "int is not a corpus"),
        (b"x", "bytes is not"),
        ([3], "item 1 is int"),
    ):
        with pytest.raises(InvalidArgumentError, match=message):
            rlm(context)


async def test_tools_tell_what_is_known_unread(shelf: Shelf, root_model: Callable[..., Any]) -> None:
    rlm = RLMRunnable(llm=root_model(COUNT), context=shelf)
    tool = rlm.as_tool()
    assert "a corpus (documents)" in tool.description
    assert shelf.readers == []
    assert await tool.ainvoke("q") == "5 documents"
    assert threading.main_thread() not in shelf.readers


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda context: pickle.loads(pickle.dumps(context))])
async def test_a_copy_holds_what_was_read(copied: Callable[[Any], Any], root_model: Callable[..., Any]) -> None:
    rlm = RLMRunnable(llm=root_model(COUNT), context=[f"Row {number}." for number in range(200)])
    assert len(copied(rlm.context).read().corpus.documents) == 200


async def test_a_warning_of_the_reading_points_at_the_line_that_made_it(root_model: Callable[..., Any]) -> None:
    text = "".join(f"Line {number} of the ledger.\n" for number in range(6000))
    splits = [Document(text[at : at + 1000], metadata={"source": "a"}) for at in range(0, len(text) - 1000, 800)]
    rlm = RLMRunnable(llm=root_model(COUNT), context=splits)
    made_at = test_a_warning_of_the_reading_points_at_the_line_that_made_it.__code__.co_firstlineno + 3
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await rlm.ainvoke("q")
    (warning,) = [each for each in caught if "begin with the end of the one before" in str(each.message)]
    assert (warning.filename, warning.lineno) == (__file__, made_at)
