"""What users and their parts get wrong: a clear error, or a stated rule. No run dies of it with its work lost."""

from __future__ import annotations

import datetime
import decimal
import enum
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.langchain import RLMRunnable

READY = 'answer["content"] = {0}\nanswer["ready"] = True'
JOIN = READY.format('" | ".join(document["text"] for document in context)')


class Shelf(BaseRetriever):
    """Gives a list of documents for each query, or raises."""

    found: dict[str, Any]

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        hits = self.found[query]
        if isinstance(hits, Exception):
            raise hits
        return hits


async def invoked(mode: str, rlm: RLMRunnable, value: Any) -> Any:
    return rlm.invoke(value) if mode == "invoke" else await rlm.ainvoke(value)


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "question: is empty; pass what is to be answered"),
        ("  \n", "question: is empty"),
        ([], "question:"),
        ({"messages": []}, "question:"),
        ({"question": ""}, "question: is empty"),
        ([SystemMessage("Be brief.")], "question:"),
        ([HumanMessage("")], "question: is empty"),
        ([ToolMessage("sunny", tool_call_id="1")], "question:"),
        (None, "input: NoneType is not a question"),
        (Path("a.txt"), "is not a question"),
        ({"question": ["a", 5]}, "input['question']"),
        ([HumanMessage([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}])], "block of type"),
        ([ToolMessage([{"type": "image", "url": "https://example.com/a.png"}], tool_call_id="1")], "block of type"),
    ],
)
async def test_an_input_that_asks_nothing_is_refused_before_any_model_is_asked(root_model, mode, value, says):
    llm = root_model("say:x")
    with pytest.raises(InvalidArgumentError) as caught:
        await invoked(mode, RLMRunnable(llm=llm), value)
    assert says in str(caught.value)
    assert llm.requests == []


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_a_retriever_that_raises_for_the_question_fails_the_run_and_says_so(root_model, mode):
    llm = root_model("say:x")
    with pytest.raises(RunError, match="context: the retriever failed for the question: ConnectionError: no store"):
        await invoked(mode, RLMRunnable(llm=llm, context=Shelf(found={"q": ConnectionError("no store")})), "q")
    assert llm.requests == []


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_a_retriever_that_raises_in_a_step_is_told_to_the_root(root_model, mode):
    code = (
        "try:\n    retrieve('more')\nexcept Exception as error:\n    "
        + 'answer = {"content": str(error), "ready": True}'
    )
    shelf = Shelf(found={"q": [Document("one")], "more": ConnectionError("no store")})
    message = await invoked(mode, RLMRunnable(llm=root_model(code), context=shelf), "q")
    assert "no store" in message.content


def test_a_retriever_that_finds_nothing_is_an_empty_context_and_may_be_asked_again(root_model):
    code = READY.format("f'{len(context)} then {len(retrieve(\"more\"))}'")
    llm = root_model(code)
    shelf = Shelf(found={"q": [], "more": [Document("one")]})
    assert RLMRunnable(llm=llm, context=shelf).invoke("q").content == "0 then 1"


def test_different_documents_with_equal_ids_stay_apart_whether_passed_or_retrieved(root_model):
    documents = [Document("first", id="same"), Document("second", id="same"), Document("third"), Document("third")]
    cite_all = "for document in context:\n    cite(document['text'], document['id'])\n"
    code = cite_all + READY.format("len({document['id'] for document in context})")
    given = RLMRunnable(llm=root_model(code), context=documents).with_sources().invoke("q")
    assert given["answer"] == "4"
    assert [id(document) for document in given["context"]] == [id(document) for document in documents]

    shelf = Shelf(found={"q": documents[:1], "more": documents[1:]})
    again = "more = retrieve('more')\ncite('second', more[0]['id'])\n" + cite_all + READY.format("more[0]['id']")
    given = RLMRunnable(llm=root_model(again), context=shelf).with_sources().invoke("q")
    assert given["answer"].startswith("same#")
    assert [document.page_content for document in given["context"][:2]] == ["second", "first"]  # cited ones first


class Kind(enum.Enum):
    DEED = "deed"


def test_metadata_that_is_no_json_reaches_the_repl_as_text_and_the_originals_stay(root_model):
    metadata = {
        "when": datetime.date(2027, 6, 1),
        "kind": Kind.DEED,
        "price": decimal.Decimal("1.50"),
        "path": Path("a/b"),
        "blob": b"\xff",
        "odd": float("nan"),
        ("a", 1): {1, 2},
        "nested": {"when": datetime.date(2027, 6, 2)},
    }
    document = Document("text", metadata=metadata)
    code = READY.format("[context[0]['metadata'][name] for name in ('when', 'path', 'nested')]") + "\ncite('text')"
    given = RLMRunnable(llm=root_model(code), context=[document]).with_sources().invoke("q")
    assert given["answer"] == '["2027-06-01", "a/b", {"when": "2027-06-02"}]'
    assert given["context"][0] is document


def test_a_chain_in_place_of_a_model_says_what_to_pass(root_model):
    llm = root_model("say:x") | RunnableLambda(lambda message: {"text": message.text})
    with pytest.raises(RunError, match="returned dict instead of a message; pass the model itself"):
        RLMRunnable(llm=llm).invoke("q")


def test_one_bad_input_of_a_batch_leaves_the_others_their_answers(root_model):
    rlm = RLMRunnable(llm=root_model("say:one", "say:two"))
    good, bad, also_good = rlm.batch(["q", "", "q"], {"max_concurrency": 1}, return_exceptions=True)
    assert (good.content, also_good.content) == ("one", "two")
    assert isinstance(bad, InvalidArgumentError)
