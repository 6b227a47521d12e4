"""What a retriever finds has one id for a run, which its core gives, and knows what it was made of."""

from __future__ import annotations

import asyncio
import datetime
import threading
from collections import UserList, deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import RLMEngine, RLMResult, RootModelError
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.found_document import FoundDocument
from rlm_integrations.core.journal.documents import from_kept, kept_rows, to_kept
from rlm_integrations.testing import ScriptedModel

MORE = """```repl
found = [d["id"] for d in retrieve("more")]
answer = {"content": str([found, [d["id"] for d in context]]), "ready": True}
```"""


class Shelf:
    """A retriever that brings what it is given, by the query."""

    def __init__(self, **hits: list[Document]) -> None:
        self.hits = hits

    async def retrieve(self, query: str) -> list[Document]:
        return self.hits[query]


def found(text: str, item: object = None) -> FoundDocument:
    return FoundDocument("a", text, {}, (), item, lambda made_of: {"made of": made_of})


async def test_what_one_query_finds_twice_counts_once_and_another_text_is_another_document() -> None:
    one, other = Document("a", "one"), Document("a", "other")
    engine = RLMEngine(ScriptedModel([MORE]))
    result = await engine.arun("first", Shelf(first=[one], more=[other, one, other, one]))
    assert result.answer == "[['a#2', 'a'], ['a', 'a#2']]"
    assert {name: each.item for name, each in result.evidence.retrieved.items()} == {"a": one, "a#2": other}


@pytest.mark.parametrize("journal", [True, False])
async def test_the_result_knows_what_was_found_by_the_ids_of_the_run(journal: bool, tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite" if journal else None
    shelf = Shelf(first=[found("one", 1)], more=[found("two", 2), found("one", 3)])
    result = await RLMEngine(ScriptedModel([MORE]), journal=path).arun("first", shelf)
    assert {name: (each.text, each.item) for name, each in result.evidence.retrieved.items()} == {
        "a": ("one", 1),
        "a#2": ("two", 2),
    }
    if journal:
        again = await RLMEngine(ScriptedModel([]), journal=path).arun("first", Shelf())
        assert {name: (each.item, each.recorded()) for name, each in again.evidence.retrieved.items()} == {
            "a": (None, '{"made of":1}'),
            "a#2": (None, '{"made of":2}'),
        }


@pytest.mark.parametrize("kind", [tuple, deque, UserList])
async def test_a_users_own_retriever_may_return_any_sequence(kind: Callable[[list[Document]], Any]) -> None:
    one, more = kind([Document("a", "one")]), kind([Document("b", "more")])
    result = await RLMEngine(ScriptedModel([MORE])).arun("first", Shelf(first=one, more=more))
    assert result.answer == "[['b'], ['a', 'b']]"


async def test_metadata_of_a_users_own_retriever_need_not_be_plain() -> None:
    code = "```repl\nanswer = {'content': str([d['metadata'] for d in context]), 'ready': True}\n```"
    hit = Document("a", "text", {"day": datetime.date(2026, 1, 2), "pages": (1, 2)})
    result = await RLMEngine(ScriptedModel([code])).arun("first", Shelf(first=[hit]))
    assert result.answer == "[{'day': '2026-01-02', 'pages': [1, 2]}]"


def test_what_the_journal_keeps_of_many_is_read_as_it_was_and_so_is_what_older_files_have() -> None:
    documents = [FoundDocument(f"{number}", "\ud800 text", {"n": [number]}) for number in range(1_000)]
    kept = to_kept(documents)
    assert len(kept) < 20
    assert from_kept(kept) == documents
    older = [*kept_rows(kept)]
    assert from_kept([{name: each[name] for name in each if name != "item"} for each in older]) == documents


class Noting(Mapping[str, Any]):
    """Metadata that notes the threads in which it is read."""

    def __init__(self) -> None:
        self.readers = set[threading.Thread]()

    def __getitem__(self, key: str) -> Any:
        return {"page": 1}[key]

    def __iter__(self) -> Iterator[str]:
        self.readers.add(threading.current_thread())
        return iter(["page"])

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("journal", [True, False])
@pytest.mark.parametrize("hits", [1, 500])
async def test_hits_are_named_and_kept_off_the_loop(hits: int, journal: bool, tmp_path: Path) -> None:
    metadata = Noting()
    more = [Document(f"{number}", "Text.", metadata) for number in range(hits)]
    engine = RLMEngine(ScriptedModel([MORE]), journal=tmp_path / "runs.sqlite" if journal else None)
    await engine.arun("first", Shelf(first=[], more=more))
    assert metadata.readers
    assert threading.current_thread() not in metadata.readers


SLOW_FIRST = """```repl
import threading
found = {}

def ask(query):
    found[query] = [d["id"] for d in retrieve(query)]

slow = threading.Thread(target=ask, args=("slow",))
slow.start()
ask("fast")
ask("release")
slow.join()
print(sorted(found.items()))
```"""
ANSWER = """```repl
answer = {"content": str([(d["id"], d["text"]) for d in context if d["id"] != "r"]), "ready": True}
```"""


async def test_ids_stay_what_they_were_in_a_run_that_goes_on_whatever_is_answered_first(tmp_path: Path) -> None:
    class Slow:
        def __init__(self) -> None:
            self.released = asyncio.Event()

        async def retrieve(self, query: str) -> list[Document]:
            if query == "first":
                return []
            if query == "release":
                self.released.set()
                return [Document("r", "released")]
            if query == "slow":
                await self.released.wait()
            return [Document("a", query)]

    async def run(*replies: str | Exception) -> RLMResult[Any]:
        return await RLMEngine(ScriptedModel([*replies]), journal=tmp_path / "runs.sqlite").arun("first", Slow())

    with pytest.raises(RootModelError) as cut:
        await run(SLOW_FIRST, ConnectionError("cut"))
    assert cut.value.result
    assert {name: each.text for name, each in cut.value.result.evidence.retrieved.items()} == {
        "a": "fast",
        "a#2": "slow",
        "r": "released",
    }
    result = await run(ANSWER)
    assert not result.trace.warnings
    assert sorted((name, each.text) for name, each in result.evidence.retrieved.items()) == [
        ("a", "fast"),
        ("a#2", "slow"),
        ("r", "released"),
    ]
