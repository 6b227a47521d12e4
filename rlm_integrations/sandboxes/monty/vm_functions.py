"""What the VM calls outside of itself: the functions of the REPL, with plain values in and out.

The prelude in the VM says documents by ("held", id), ("document", dict) or ("match", passage), compiled patterns by
("pattern", str, flags), and a value of a kind that is none of theirs by ("other", name of its type). Long results go
back in parts. Everything that comes from the VM is hostile: a wrong form raises here, and so in the model's code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from re import compile as compile_pattern
from typing import Any, cast

from rlm_integrations.repl.chunks import Chunks
from rlm_integrations.repl.cite import Cite
from rlm_integrations.repl.corpus_view import CorpusView, DocumentDict
from rlm_integrations.repl.host_calls import Retrieve, tool_function
from rlm_integrations.repl.host_port import HostPort
from rlm_integrations.repl.llm_reduce import LlmReduce
from rlm_integrations.repl.matches import Match, Passage, printed_form
from rlm_integrations.repl.rlm_query import Rlms
from rlm_integrations.repl.search import Search
from rlm_integrations.repl.sub_calls import FailedSubCall, SubCalls
from rlm_integrations.sandboxes.monty.vm_maps import VmMaps
from rlm_integrations.wire.settings import ReplSettings

_PART_CHARS = 16_000_000  # the VM takes at most 256 MiB at once

TOO_MUCH_AT_ONCE = "its result takes more memory than the session has; ask for less at once"
"""How the MemoryError of a function ends."""

Part = tuple[list[Any], bool]
"""Items, and whether more are to be fetched."""


class VmFunctions:
    """The functions over one corpus."""

    def __init__(self, context: str | list[DocumentDict] | None, host: HostPort, settings: ReplSettings) -> None:
        corpus = CorpusView(context, settings.said_columns)
        self._documents = {document["id"]: document for document in _documents_of(context)}
        self._printed_chars = settings.printed_chars
        self._search = Search(corpus, settings.printed_chars).search
        self._chunks = Chunks(corpus, settings.chunk_chars).chunks
        self._cite = Cite(host, corpus).cite
        self._retrieve = Retrieve(host, corpus).retrieve
        self._sub_calls = SubCalls(host, corpus, settings.sub_call_chars)
        self._rlms = Rlms(host, corpus, settings.sub_call_chars) if settings.depth > 1 else self._sub_calls
        self._maps = VmMaps(host, self._sub_calls, self._one)
        self._llm_reduce = LlmReduce(
            self._sub_calls.llm_query_batched,
            corpus,
            chunk_chars=settings.chunk_chars,
            max_chars=settings.sub_call_chars,
        ).llm_reduce
        self._texts: list[str] = []
        """Texts outside of the corpus that matches were found in."""
        self._numbers: dict[str, int] = {}
        """Their places in that list."""
        self._rest: Iterator[Any] = iter(())
        self._next_items: list[Any] = []
        self.depth, self.retriever = settings.depth, settings.retriever
        self._tools = {f"_rlm_host_tool_{name}": tool_function(host, name) for name in settings.tools}

    def by_name(self) -> dict[str, Callable[..., Any]]:
        """By the names that the prelude calls them."""
        functions: dict[str, Callable[..., Any]] = {
            "_rlm_host_search": self.search,
            "_rlm_host_chunks": self.chunks,
            "_rlm_host_cite": self._cite,
            "_rlm_host_more": self.more,
        }
        if self.depth:
            functions |= {
                "_rlm_host_llm_query": self.llm_query,
                "_rlm_host_llm_query_batched": self.llm_query_batched,
                "_rlm_host_rlm_query": self.rlm_query,
                "_rlm_host_rlm_query_batched": self.rlm_query_batched,
                "_rlm_host_map": self.map,
                "_rlm_host_map_again": self.map_again,
                "_rlm_host_map_left": self._maps.left,
                "_rlm_host_llm_reduce": self.llm_reduce,
            }
        if self.retriever:
            functions["_rlm_host_retrieve"] = self.retrieve
        functions |= self._tools
        return {name: _within_memory(name.removeprefix("_rlm_host_"), function) for name, function in functions.items()}

    def search(self, pattern: Any, docs: Any, limit: Any, around: Any) -> tuple[int, int, int, int, Part]:
        found = self._search(_value(pattern), self._docs(docs), limit, around)
        part = self._parts(map(self._match, found))
        return found.total, found.found_in, found.searched, self._printed_chars, part

    def chunks(self, docs: Any, size: Any) -> Part:
        return self._parts(self._chunks(self._docs(docs), size))

    def llm_query(self, prompt: Any, context: Any, schema: Any, images: Any) -> Any:
        return self._sub_calls.llm_query(_value(prompt), self._docs(context), schema, self._docs(images))

    def llm_query_batched(self, prompts: list[Any]) -> Part:
        return self._parts(map(_reply, self._sub_calls.llm_query_batched(self._prompts(prompts))))

    def rlm_query(self, prompt: Any, context: Any) -> str:
        return self._rlms.rlm_query(_value(prompt), self._docs(context))

    def rlm_query_batched(self, prompts: list[Any]) -> Part:
        return self._parts(map(_reply, self._rlms.rlm_query_batched(self._prompts(prompts))))

    def map(self, *asked: Any) -> tuple[int, Part]:
        number, outcomes = self._maps.ask(*map(_value, asked[:2]), *asked[2:])
        return number, self._parts(outcomes)

    def map_again(self, *asked: Any) -> Part:
        return self._parts(self._maps.again(*asked))

    def llm_reduce(self, instruction: Any, docs: Any) -> str:
        return self._llm_reduce(_value(instruction), self._docs(docs))

    def retrieve(self, query: Any) -> list[tuple[str, DocumentDict | None]]:
        """Ids in order, each with its document where that is new."""
        found: list[tuple[str, DocumentDict | None]] = []
        for document in self._retrieve(_value(query)):
            new = document["id"] not in self._documents
            self._documents.setdefault(document["id"], document)
            found.append((document["id"], document if new else None))
        return found

    def more(self) -> Part:
        """The next part of the last result that had more than one."""
        items, self._next_items = self._next_items, []
        room = _PART_CHARS
        for item in self._rest:
            room -= _size(item)
            if room < 0 and items:
                self._next_items = [item]
                return items, True
            items.append(item)
        return items, False

    def _parts(self, items: Iterable[Any]) -> Part:
        self._rest, self._next_items = iter(items), []
        return self.more()

    def _match(self, match: Match) -> tuple[Any, ...]:
        begin, stop = match.window
        return (
            *(match.id, match.start, match.end, match.text, match.groups, match.groupdict()),
            *(match.line, match.around, begin, stop, printed_form(match), self._passage(match.passage)),
        )

    def _passage(self, passage: Passage) -> str | int:
        """How the VM names the text of a match: by the id of a document, or by a number for another text."""
        held = self._documents.get(passage.id)
        if held is not None and held["text"] == passage.text:
            return passage.id
        number = self._numbers.setdefault(passage.text, len(self._texts))
        if number == len(self._texts):
            self._texts.append(passage.text)
        return number

    def _docs(self, docs: Any) -> Any:
        if isinstance(docs, list):
            return [self._one(item) for item in cast("list[Any]", docs)]
        return docs if docs is None else self._one(docs)

    def _prompts(self, prompts: list[Any]) -> list[Any]:
        return [self._pair(cast("list[Any]", item)) if isinstance(item, list) else _value(item) for item in prompts]

    def _pair(self, item: list[Any]) -> list[Any]:
        return [_value(part) if place == 0 else self._docs(part) for place, part in enumerate(item)]

    def _one(self, item: Any) -> Any:
        match item:
            case ("held", str(id_)):
                return self._documents[id_]
            case ("document", dict()):
                return cast("DocumentDict", item[1])
            case ("match", str(id_)):
                return self._documents[id_]
            case ("match", int(number)):
                return {"id": "", "text": self._texts[number], "metadata": {}}
            case _:
                return _value(item)


def _documents_of(context: str | list[DocumentDict] | None) -> list[DocumentDict]:
    if isinstance(context, str):
        return [{"id": "", "text": context, "metadata": {}}]
    return context or []


def _value(value: Any) -> Any:
    """A value, or one of a type by that name in place of what the VM could not send: errors will name the type."""
    match value:
        case ("other", str(name)):
            return type(name, (), {})()
        case ("pattern", str(pattern), int(flags)):
            return compile_pattern(pattern, flags)
        case _:
            return value


def _reply(reply: str) -> str | tuple[str, str]:
    return (str(reply), reply.error) if isinstance(reply, FailedSubCall) else reply


def _size(item: Any) -> int:
    """Characters that an item of a result counts: many small ones take more memory than their text."""
    if isinstance(item, str):
        return 100 + len(item)
    return 200 + sum(len(part if isinstance(part, str) else repr(part)) for part in item)


def _within_memory(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function; memory that runs out here, beside the VM, is said to be that."""

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except MemoryError:
            raise MemoryError(f"{name}: {TOO_MUCH_AT_ONCE}") from None

    return call
