"""LangChain documents with metadata that cannot be written: refused by name, wherever they come in."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda

from rlm_integrations import InvalidArgumentError, RunError
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.langchain.documents import prepare_context
from rlm_integrations.testing.langchain import ScriptedChatModel

from ..odd_values import ODD, Mute  # noqa: TID252 - of the tests, which are no package


class Terse(Mute):
    def __str__(self) -> str:
        return "terse"


def odd(value: object, **metadata: Any) -> Document:
    document = Document("the text of a letter", id="d7")
    document.metadata.update(metadata, a=value)
    return document


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_a_document_is_refused_by_its_id_and_the_key(value: object) -> None:
    words = "the metadata of document 'd7' holds .* under 'a'"
    llm = ScriptedChatModel()
    splits = [odd(value, start_index=0, source="s"), odd(value, start_index=4, source="s")]
    for context in ([odd(value)], [odd(value), odd(value)], splits):
        with pytest.raises(InvalidArgumentError, match=words):
            RLMRunnable(llm=llm, context=context)
        with pytest.raises(InvalidArgumentError, match=words):
            RLMRunnable(llm=llm, context="a corpus").invoke({"question": "What is it?", "context": context})
    found = RunnableLambda(lambda _: [odd(value)])
    with pytest.raises(RunError, match=f"the retriever failed .*{words}"):
        RLMRunnable(llm=llm, context=found).invoke("What is it?")


@pytest.mark.parametrize("value", [numpy.arange(3), Terse(), math.nan], ids=["array", "terse", "nan"])
def test_documents_that_are_given_again_count_once_whatever_their_metadata_hold(value: object) -> None:
    again = Document("the text of a letter", id="d7", metadata={"a": value, "page": 1})
    other = Document("the text of a letter", id="d7", metadata={"a": value, "page": 2})
    documents = [again, Document("another"), again.model_copy(deep=True), other, other]
    corpus = prepare_context(documents).corpus
    assert [(each.id, each.metadata.get("page")) for each in corpus.documents] == [
        ("d7", 1),
        ("doc-2", None),
        ("d7#2", 2),
    ]


def test_arrays_as_sources_of_neighbours_are_compared() -> None:
    words = "so that they overlap by a dozen words and more of the same letter"
    before, after = f"It begins {words}", f"{words}, and ends"
    documents = [Document(text, metadata={"source": numpy.arange(3)}) for text in (before, after)]
    with pytest.warns(UserWarning, match="begin with the end of the one before them"):
        prepare_context(documents)


async def test_a_hit_of_a_retriever_has_one_id_each_time_whatever_its_metadata_hold(root_model: Any) -> None:
    found = RunnableLambda(lambda _: [Document("a letter", metadata={"a": Terse()})])
    code = "```repl\nFINAL(str(len({d['id'] for d in [*context, *retrieve('letters'), *retrieve('more')]})))\n```"
    assert (await RLMRunnable(llm=root_model(code), context=found).ainvoke("How many?")).content == "1"
