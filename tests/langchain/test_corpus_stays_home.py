"""A long corpus reaches neither the root LM nor a tracer, in whatever form it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate

from rlm_integrations.langchain import RLMRunnable

NEEDLE = "zebra-7731"
HALF = "The quick brown fox jumps over the lazy dog. " * 34_000
TEXT = f"{HALF}\n{NEEDLE}\n{HALF}"
DOCUMENTS = [Document(HALF, id="a"), Document(NEEDLE, id="b"), Document(HALF, id="c")]
COUNT = """
texts = [context] if isinstance(context, str) else [document["text"] for document in context]
found = sum(text.count("zebra" + "-77" + "31") for text in texts)
answer = {"content": f"{found} in {sum(map(len, texts)):,} characters", "ready": True}
"""
QUESTION = "How many zebras?"
STUFFED = ChatPromptTemplate.from_messages([("system", "Use this:\n{context}"), ("human", "{question}")])

FORMS: dict[str, tuple[object, Any]] = {
    "constructor, a str": (TEXT, QUESTION),
    "constructor, documents": (DOCUMENTS, QUESTION),
    "a dict with a str": (None, {"context": TEXT, "question": QUESTION}),
    "a dict with documents": (None, {"context": DOCUMENTS, "input": QUESTION}),
    "a stuffed prompt": (None, STUFFED.invoke({"context": TEXT, "question": QUESTION})),
    "messages": (None, {"messages": [HumanMessage(TEXT), HumanMessage(QUESTION)]}),
    "a question that is the corpus": (None, f"{TEXT}\n{QUESTION}"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", ["ainvoke", "stream"])
async def test_three_megabytes_stay_in_the_repl(form: str, mode: str, root_model: Callable[..., Any], tracer: Any):
    context, value = FORMS[form]
    llm = root_model(COUNT)
    rlm = RLMRunnable(llm=llm, context=context, trace="full")
    config = {"callbacks": [tracer]}
    if mode == "ainvoke":
        answer = (await rlm.ainvoke(value, config)).content
    else:
        answer = "".join(str(chunk.content) for chunk in rlm.stream(value, config))

    assert answer.startswith("1 in 3,06")
    sent = "".join(message.content for request in llm.requests for message in request)
    assert NEEDLE not in sent
    assert len(sent) < 40_000
    payload = tracer.payload()
    assert NEEDLE not in payload
    assert len(payload) < 200_000


def test_the_view_of_the_input_says_what_it_was(root_model, tracer):
    rlm = RLMRunnable(llm=root_model(COUNT), context=DOCUMENTS)
    rlm.invoke({"query": "x" * 25_000, "context": DOCUMENTS[:2]}, {"callbacks": [tracer]})
    assert tracer.roots[0].inputs == {
        "query": "x" * 2_000 + "… [25,000 characters in all]",
        "context": {"rlm_corpus": "2 documents, 1,530,010 characters"},
    }


def test_neither_repr_nor_dump_holds_the_corpus(root_model):
    rlm = RLMRunnable(llm=root_model(COUNT), context=DOCUMENTS)
    assert NEEDLE not in repr(rlm)
    assert "context" not in rlm.model_dump()
    assert NEEDLE not in str(rlm.to_json())
