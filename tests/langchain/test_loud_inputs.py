"""What a run would not read is said, and what is nearly a corpus is one."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langgraph.graph import START, MessagesState, StateGraph

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain import RLMRunnable

READY = "answer['content'] = repr({0})\nanswer['ready'] = True"
DOCUMENTS = [Document("pineapple")]


class Search(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return DOCUMENTS


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
@pytest.mark.parametrize(
    "brought",
    [{"documents": DOCUMENTS}, {"docs": []}, {"text": "pineapple"}, {"found": DOCUMENTS}, {"search": Search()}],
)
async def test_a_corpus_under_another_name_is_refused_and_context_named(brought, mode, root_model):
    llm = root_model()
    rlm, asked = RLMRunnable(llm=llm), {"question": "q", **brought}
    with pytest.raises(InvalidArgumentError, match=f"input: {next(iter(brought))!r} is not read.*'context'"):
        rlm.invoke(asked) if mode == "invoke" else await rlm.ainvoke(asked)
    assert not llm.requests


def test_a_retriever_piped_under_another_name_is_refused(root_model):
    chain = {"docs": Search(), "question": RunnablePassthrough()} | RLMRunnable(llm=root_model())
    with pytest.raises(InvalidArgumentError, match="input: 'docs' is not read"):
        chain.invoke("q")


def test_other_keys_are_warned_of_where_there_is_no_corpus(root_model):
    rlm = RLMRunnable(llm=root_model("say:x", "say:x"))
    with pytest.warns(UserWarning, match="input: 'language' not read, and there is no corpus") as caught:
        rlm.invoke({"question": "q", "language": "en", "chat_history": [], "tone": None})
    assert caught[0].filename == __file__
    with_corpus = RLMRunnable(llm=root_model("say:x"), context="c")
    assert with_corpus.invoke({"question": "q", "language": "en"}).content == "x"


@pytest.mark.parametrize("context", ["c", Search()])
@pytest.mark.parametrize("brought", [{"documents": DOCUMENTS}, {"found": DOCUMENTS}, {"text": "pineapple"}])
def test_a_corpus_under_another_name_is_warned_of_beside_one_of_the_runnables_own(brought, context, root_model):
    rlm = RLMRunnable(llm=root_model(READY.format("'x'"), READY.format("'x'")), context=context)
    told = f"input: {next(iter(brought))!r} is not read, .* own context alone; pass it as 'context'"
    with pytest.warns(UserWarning, match=told) as caught:
        assert rlm.invoke({"question": "q", **brought}).content == "'x'"
    assert caught[0].filename == __file__
    assert rlm.invoke({"question": "q", "context": "more", **brought}).content == "'x'"


def test_documents_in_the_state_of_a_graph_are_warned_of(root_model):
    class State(MessagesState):
        documents: list[Document]

    def graph_of(rlm: RLMRunnable) -> Any:
        graph = StateGraph(State)
        graph.add_node("rlm", rlm.as_node())
        graph.add_edge(START, "rlm")
        return graph.compile()

    value = {"messages": [HumanMessage("q")], "documents": DOCUMENTS}
    with pytest.warns(UserWarning, match="input: 'documents' is not read, and there is no corpus"):
        graph_of(RLMRunnable(llm=root_model("say:x"))).invoke(value)
    assert graph_of(RLMRunnable(llm=root_model("say:x"), context="c")).invoke(value)["messages"][-1].content == "x"


@pytest.mark.parametrize("nothing", ["", "\n\n"])
def test_a_formatted_search_without_hits_is_an_empty_list(nothing, root_model):
    chain = {
        "context": RunnableLambda(lambda _: [])
        | (lambda found: nothing.join(each.page_content for each in found) or nothing),
        "question": RunnablePassthrough(),
    } | RLMRunnable(llm=root_model(READY.format("context")))
    assert chain.invoke("q").content == "[]"


def test_a_data_frame_is_a_document_a_row_from_the_constructor_and_the_call(root_model):
    frame = pd.DataFrame({"text": ["a", "b"], "n": [1, 2]})
    code = READY.format("[(d['id'], d['text'], d['metadata']) for d in context]")
    expected = repr([("row-0", "a", {"n": 1}), ("row-1", "b", {"n": 2})])
    assert RLMRunnable(llm=root_model(code), context=frame).invoke("q").content == expected
    assert RLMRunnable(llm=root_model(code)).invoke({"question": "q", "context": frame}).content == expected
