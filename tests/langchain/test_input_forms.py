"""Questions and contexts in the forms that LangChain users have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_classic.chains.combine_documents import create_stuff_documents_chain
from langchain_classic.chains.retrieval import create_retrieval_chain
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import ConfigurableField, RunnableLambda, RunnablePassthrough
from rank_bm25 import BM25Okapi

from rlm_integrations.langchain import RLMRunnable

READY = 'answer["content"] = {0}\nanswer["ready"] = True'
JOIN = READY.format('" | ".join(document["text"] for document in context)')
NOTES = ("On Monday the kiln was lit.", "Ada baked bread.", "Nothing else happened that week.")


class Bm25(BaseRetriever):
    """One hit of BM25 over some texts."""

    texts: list[str]

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        ranked = BM25Okapi([text.lower().strip(".").split() for text in self.texts])
        (best,) = ranked.get_top_n(query.lower().strip("?").split(), self.texts, n=1)
        return [Document(best)]


def test_the_users_own_messages_reach_the_root_in_their_roles(root_model):
    llm = root_model("say:fine")
    RLMRunnable(llm=llm).invoke(
        [SystemMessage("Be brief."), HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("How?")]
    )
    system, *history, question = llm.requests[0]
    assert system.role == "system"
    assert system.content.endswith("\n\nBe brief.")
    assert [(message.role, message.content) for message in history] == [("user", "Hi"), ("assistant", "Hello")]
    assert "How?" in question.content


def test_what_a_call_brings_goes_before_the_constructors_context(root_model):
    rlm = RLMRunnable(llm=root_model(JOIN, JOIN), context=["kept"])
    assert rlm.invoke({"context": [Document("brought")], "question": "q"}).content == "brought | kept"
    assert rlm.invoke("q").content == "kept"


def test_a_lazy_context_is_read_once_and_shared_by_a_rebuilt_runnable(root_model):
    texts = (text for text in ["one", "two"])
    rlm = RLMRunnable(llm=root_model(JOIN, JOIN, JOIN), context=texts)
    named = rlm.configurable_fields(instructions=ConfigurableField(id="instructions"))
    assert rlm.invoke("q").content == "one | two"
    assert named.invoke("q", {"configurable": {"instructions": "Be brief."}}).content == "one | two"
    other = rlm.configurable_fields(context=ConfigurableField(id="corpus"))
    assert other.invoke("q", {"configurable": {"corpus": ["three"]}}).content == "three"


def test_a_classic_lcel_rag_chain_swaps_its_model(root_model):
    prompt = ChatPromptTemplate.from_template("Use: {context}\n\nQuestion: {question}")
    retriever = RunnableLambda(lambda question: [Document("Rome is the capital.")])
    chain = {"context": retriever, "question": RunnablePassthrough()} | prompt | RLMRunnable(llm=root_model("say:Rome"))
    assert (chain | StrOutputParser()).invoke("Which city?") == "Rome"


def test_a_retriever_dict_straight_into_the_runnable_brings_documents(root_model):
    retriever = RunnableLambda(lambda question: [Document("Rome"), Document("Paris")])
    chain = {"context": retriever, "question": RunnablePassthrough()} | RLMRunnable(llm=root_model(JOIN))
    assert chain.invoke("Which?").content == "Rome | Paris"


def test_the_classic_document_chains_take_it_for_a_model(root_model):
    prompt = ChatPromptTemplate.from_template("{context}\n\n{input}")
    documents = [Document("first " * 4_000), Document("second " * 4_000)]
    count = READY.format('sum(document["text"].count("second") for document in context)')
    stuffed = create_stuff_documents_chain(RLMRunnable(llm=root_model(count)), prompt)
    assert stuffed.invoke({"context": documents, "input": "How many?"}) == "4000"

    chain = create_retrieval_chain(RunnableLambda(lambda _: documents), RLMRunnable(llm=root_model(count)))
    given = chain.invoke({"input": "How many?"})
    assert given["answer"].content == "4000"
    assert given["context"] == documents


class Pages(BaseLoader):
    """Says which pages have been read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def lazy_load(self) -> Iterator[Document]:
        for page in (1, 2, 3):
            self.read.append(page)
            yield Document(f"page {page}", metadata={"page": page})


@pytest.mark.parametrize("brought", [lambda: Pages(), lambda: Pages().lazy_load(), lambda: Pages().load()])
async def test_loaders_and_lazy_iterators_are_the_context_of_a_runnable_or_of_a_call(root_model, brought):
    pages = "page 1 | page 2 | page 3"
    assert RLMRunnable(llm=root_model(JOIN), context=brought()).invoke("q").content == pages
    asked = {"context": brought(), "question": "q"}
    assert (await RLMRunnable(llm=root_model(JOIN)).ainvoke(asked)).content == pages


def test_a_loader_is_read_once_for_all_runs(root_model):
    pages = Pages()
    rlm = RLMRunnable(llm=root_model(JOIN, JOIN), context=pages)
    assert rlm.batch(["q", "q"])[0].content == "page 1 | page 2 | page 3"
    assert pages.read == [1, 2, 3]


@pytest.mark.parametrize(
    "prompt",
    [
        ChatPromptTemplate.from_template("Use this:\n{context}\n\nQuestion: {question}"),
        ChatPromptTemplate.from_messages([("system", "Answer from this:\n{context}"), ("human", "{question}")]),
    ],
)
async def test_a_stuffed_message_of_any_size_becomes_a_document_and_the_prompt_works_unchanged(root_model, prompt):
    count = READY.format('sum(document["text"].count("a whale ") for document in context)')
    llm = root_model(count)
    chain = {"context": lambda _: "a whale " * 50_000, "question": RunnablePassthrough()} | prompt
    answer = await (chain | RLMRunnable(llm=llm) | StrOutputParser()).ainvoke("How many whales?")
    assert answer == "50000"
    assert "How many whales?" in llm.requests[0][-1].content
    assert sum(len(message.content) for message in llm.requests[0]) < 30_000


def test_a_retrieval_chain_gives_a_message_as_its_answer_and_a_str_behind_a_parser(root_model):
    documents = [Document("Rome")]
    chain = create_retrieval_chain(RunnableLambda(lambda _: documents), RLMRunnable(llm=root_model(JOIN)))
    given = chain.invoke({"input": "Which?"})
    assert isinstance(given["answer"], AIMessage)
    parsed = create_retrieval_chain(
        RunnableLambda(lambda _: documents), RLMRunnable(llm=root_model(JOIN)) | StrOutputParser()
    )
    assert parsed.invoke({"input": "Which?"}) == {"input": "Which?", "context": documents, "answer": "Rome"}


def test_a_follow_up_with_its_history_through_a_prompt_and_in_a_dict(root_model):
    history = [HumanMessage("Which is the capital?"), AIMessage("Rome.")]
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("placeholder", "{chat_history}"), "{input}"])
    llm = root_model("say:2.7 million", "say:2.7 million")
    rlm = RLMRunnable(llm=llm, context=["Rome has 2.7 million."])
    asked = {"chat_history": history, "input": "How many live there?"}
    (prompt | rlm).invoke(asked)
    rlm.invoke(asked)
    with_prompt, with_dict = ([(m.role, m.content) for m in request[1:-1]] for request in llm.requests)
    assert with_prompt == with_dict == [("user", "Which is the capital?"), ("assistant", "Rome.")]
    assert [request[0].content.endswith("\n\nBe brief.") for request in llm.requests] == [True, False]


async def test_the_state_of_an_agent_with_tool_calls_in_it(root_model):
    call = {"name": "lookup", "args": {"city": "Rome"}, "id": "1"}
    state = {
        "messages": [
            HumanMessage("Where?"),
            AIMessage("", tool_calls=[call]),
            ToolMessage("Italy", tool_call_id="1", name="lookup"),
            AIMessage("In Italy."),
            HumanMessage("How many live there?"),
        ],
        "remaining_steps": 5,
    }
    llm = root_model("say:2.7 million")
    assert (await RLMRunnable(llm=llm).ainvoke(state)).content == "2.7 million"
    _, asked, called, question = [message.content for message in llm.requests[0]]
    assert asked == "Where?"
    assert called == '[called lookup({"city": "Rome"})]\n\n[lookup returned]\nItaly\n\nIn Italy.'
    assert "How many live there?" in question


def test_a_bm25_retriever_is_asked_for_the_question_and_again_in_the_run(root_model, tracer):
    code = 'more = retrieve("kiln")\ncite("On Monday", more[0]["id"])\n' + READY.format(
        '" | ".join([context[0]["text"], more[0]["text"]])'
    )
    rlm = RLMRunnable(llm=root_model(code), context=Bm25(texts=list(NOTES)))
    given = rlm.with_sources().invoke("Who baked the bread?", {"callbacks": [tracer]})
    assert given["answer"] == "Ada baked bread. | On Monday the kiln was lit."
    assert given["context"][0].page_content == "On Monday the kiln was lit."
    assert [line for line in tracer.lines() if "Bm25" in line] == ["  Bm25 [retriever]", "    Bm25 [retriever]"]
