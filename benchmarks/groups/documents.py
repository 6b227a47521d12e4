"""Corpora of many documents, of each kind that is passed as one: first use and next run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.documents import Document
from llama_index.core.schema import TextNode

from benchmarks.registry import Group, Scale
from benchmarks.repeats import median_of, milliseconds, seconds
from benchmarks.repls import DONE, dicts_of, pieces_of, run
from benchmarks.row import Row
from rlm_integrations import Corpus
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM

DOCUMENTS, MB_IN_ALL = 100_000, 100


def dicts(scale: Scale) -> list[Row]:
    given = dicts_of(scale.of(MB_IN_ALL, 0.1), scale.of(DOCUMENTS, 100))
    made: list[Corpus] = []
    read = seconds(lambda: made.append(Corpus.of(given)))
    first = seconds(lambda: run(made[0]))
    following = median_of(lambda: milliseconds(lambda: run(made[0])), scale.of(9, 1))
    label = f"{DOCUMENTS:,} dicts, {MB_IN_ALL} MB: "
    return [
        Row(label + "first use", "s", read + first, {"reading them alone": read}, bound=0.9),
        Row(label + "next run", "ms", following),
    ]


def langchain_documents(scale: Scale) -> list[Row]:
    given = [
        Document(piece, id=f"d{number}", metadata={"source": f"{number}.txt"})
        for number, piece in enumerate(pieces_of(scale.of(MB_IN_ALL, 0.1), scale.of(DOCUMENTS, 100)))
    ]
    made: list[RLMRunnable] = []
    read = seconds(lambda: made.append(RLMRunnable(llm=ScriptedChatModel(always=_done), context=given)))
    return _first_and_next(f"{DOCUMENTS:,} LangChain documents", read, lambda: made[0].invoke("?"), scale)


def llama_index_nodes(scale: Scale) -> list[Row]:
    given = [
        TextNode(text=piece, id_=f"d{number}")
        for number, piece in enumerate(pieces_of(scale.of(MB_IN_ALL, 0.1), scale.of(DOCUMENTS, 100)))
    ]
    made: list[RLMQueryEngine] = []
    read = seconds(lambda: made.append(RLMQueryEngine(llm=ScriptedLLM(always=_done), context=given)))
    return _first_and_next(f"{DOCUMENTS:,} LlamaIndex nodes", read, lambda: made[0].query("?"), scale)


def _first_and_next(what: str, read: float, ask: Callable[[], Any], scale: Scale) -> list[Row]:
    label = f"{what}, {MB_IN_ALL} MB: "
    first = seconds(ask)
    return [
        Row(label + "first use", "s", first, {"reading them before, in the constructor": read}),
        Row(label + "next run", "ms", median_of(lambda: milliseconds(ask), scale.of(9, 1))),
    ]


def _done(messages: object) -> str:
    return DONE


GROUP = Group("Many documents", (dicts, langchain_documents, llama_index_nodes))
