"""Documents, questions and citations are read in linear time, whatever stands in them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

from rlm_integrations import Message
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.description import describe
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.forms import read_documents
from rlm_integrations.core.corpus.own_ids import OwnIds
from rlm_integrations.core.corpus.question import read_question
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.trace.anchors import AnchorIndex
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.heads import found_lines_in, heads_in
from rlm_integrations.core.trace.own_text import OwnTextFinder
from rlm_integrations.llama_index.citation_marks import mark_citations
from rlm_integrations.llama_index.response import bounded
from rlm_integrations.testing import ScriptedModel
from tests.llama_index.merging import merge_nodes

from .work import LIMITS, Counted, Reader, assert_in_proportion, every_shape


def own_text(*documents: str) -> Callable[[str], object]:
    """Finds what of the documents a text holds; "{}" stands for the text itself, "{other}" for as long a one."""

    def read(text: str) -> object:
        other = "What a kiln is. " * (len(text) // 16)
        whole = (Counted(each.replace("{}", text).replace("{other}", other)) for each in documents)
        held = [Document(f"d{place}", each) for place, each in enumerate(whole)]
        corpus = Corpus(held)
        finder = OwnTextFinder(corpus, AnchorIndex(corpus.documents), (), "q")
        places = finder.places_in(text)
        Counted.work.done += finder.looked_at
        return places

    return read


def leaf_nodes(text: str) -> None:
    """Chunks beside the node that holds them all, as a hierarchy of nodes has them."""
    root = _placed("root", text, 0)
    merge_nodes([root, *(_placed(f"n{at}", text[at : at + 50], at) for at in range(0, len(text) - 50, 50))])


def neighbours(text: str) -> None:
    """Two chunks whose positions say that they overlap by more than half."""
    first, second = _placed("a", text, 0), _placed("b", text[1:], 1)
    second.relationships[NodeRelationship.PREVIOUS] = RelatedNodeInfo(node_id="a")
    merge_nodes([first, second])


def _placed(name: str, text: str, start: int) -> TextNode:
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="source")}
    return TextNode(
        id_=name, text=str(text), start_char_idx=start, end_char_idx=start + len(text), relationships=source
    )


def marked(text: str) -> str:
    quotes = [
        Citation(cited_text="all alike " * 100 + str(n), start_index=n, end_index=n + 5, document_id="d")
        for n in range(50)
    ]
    return mark_citations(text, quotes, [[n + 1] for n in range(len(quotes))])


def model_path(text: str) -> None:
    path = ModelPath(ScriptedModel(["r"]), "llm", None)
    messages: list[Message] = []
    for start in range(0, len(text), 5_000):
        messages.append(Message("user", text[start : start + 5_000]))
        path._sendable(tuple(messages[-1:]))  # pyright: ignore[reportPrivateUsage]


READERS: dict[str, Reader] = {
    "describe": (
        lambda text: describe(Corpus.of({"a": text, "b\n": text}), LIMITS, b"key"),
        {"lines": lambda n: "[\n" * n},
    ),
    "describe, metadata": (
        lambda text: describe(
            Corpus.of([{"text": "x" * 9_000, "year": year, text[:9]: [text]} for year in range(len(text) // 100)][:50]),
            LIMITS,
            b"key",
        ),
        {"quotes": lambda n: "'" * n},
    ),
    "read_documents": (
        lambda text: read_documents([{"text": each, "m": [[each]]} for each in text.split(" ")]),
        {"words": lambda n: "word " * (n // 5)},
    ),
    "Corpus of equal ids": (
        lambda text: Corpus.of([{"id": each, "text": "x"} for each in text.split(" ")]).by_id,
        {
            "one id": lambda n: "word " * (n // 5),
            "ids that are taken": lambda n: "word " * (n // 10) + " ".join(f"word#{k}" for k in range(n // 20)),
        },
    ),
    "OwnIds of texts under one id": (
        lambda text: [*map(OwnIds(Corpus.of(None)).of, [Document("x", each) for each in text.split(" ")])],
        {"texts": lambda n: " ".join(map(str, range(n // 8)))},
    ),
    "read_question": (
        lambda text: read_question([Message("user", text)], 2_000),
        {"spaces around": lambda n: " " + "x" * n + " ", "lines": lambda n: "\n" * n + "x"},
    ),
    "heads_in": (
        lambda text: [*heads_in(text)],
        {
            "heads in one line": lambda n: "[document " * (n // 10) + "\n",
            "heads": lambda n: "[document a]\n" * (n // 13),
            "heads that never end": lambda n: "[document a\n" * (n // 12),
            "separators": lambda n: "[document a" + " | " * (n // 3) + "]\n",
        },
    ),
    "found_lines_in": (
        lambda text: [*found_lines_in(text)],
        {
            "places": lambda n: "\na@1:x" * (n // 6),
            "places below each other": lambda n: "\na@1:\n  x" * (n // 9),
            "places that never end": lambda n: "@" + "1, " * (n // 3),
            "places in one line": lambda n: "\n " + "@1:" * (n // 3),
        },
    ),
    "own text, equal documents that hold their own heads": (
        own_text("{}", "{}"),
        {"heads": lambda n: "[document d0]\n" * (n // 14)},
    ),
    "own text, a document without words": (
        own_text("{}", "Something else."),
        {"signs": lambda n: "".join(random.Random(1).choices("-=+*/%&!?", k=n))},
    ),
    "own text, many heads of a long document": (
        own_text(" {other}"),
        {"heads": lambda n: "[document d0]\nfoo bar\n" * (n // 22)},
    ),
    "own text, a document that repeats itself": (
        own_text("A kiln that was lit. " * 500, "{}"),
        {
            "repeated": lambda n: "A kiln that was lit. " * (n // 21),
            "parts": lambda n: "that was lit. A kiln " * (n // 21),
        },
    ),
    "without_lone_surrogates": (
        without_lone_surrogates,  # it looks at 65,536 characters at once
        {"halves": lambda n: "\ud800" * 3 * n, "pairs": lambda n: "\ud83d\ude00" * (3 * n // 2)},
    ),
    "ModelPath": (model_path, {"halves of characters": lambda n: "\udfff" * n}),
    "mark_citations": (
        marked,
        {
            "what cite returned": lambda n: f"[[{'all alike ' * 100}7]] and " * (n // 1_010),
            "nearly what cite returned": lambda n: "[[all alike " * (n // 12),
            "quotes that are not": lambda n: "all alike " * (n // 10),
            "brackets": lambda n: "[" * n,
            "spaces": lambda n: " \n" * (n // 2),
        },
    ),
    "merge_nodes, a hierarchy": (leaf_nodes, {"text": lambda n: "".join(random.Random(1).choices("ab \n", k=n))}),
    "merge_nodes, neighbours": (
        neighbours,
        {
            "one character": lambda n: "a" * n,
            "nearly": lambda n: "a" * n + "z",
            "periods": lambda n: "ab" * (n // 2) + "c",
        },
    ),
    "bounded": (
        lambda text: bounded({f"{at}": text[at : at + 100] for at in range(0, len(text), 100)}),
        {"text": lambda n: "é" * n},
    ),
}


@pytest.mark.parametrize(("name", "shape"), every_shape(READERS))
def test_reading_takes_work_in_proportion_to_the_text(name: str, shape: str) -> None:
    assert_in_proportion(READERS[name], shape)
