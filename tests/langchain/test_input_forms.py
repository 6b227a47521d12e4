"""Questions and contexts in the forms that LangChain users have them."""

from __future__ import annotations

from langchain_classic.chains.combine_documents import create_stuff_documents_chain
from langchain_classic.chains.retrieval import create_retrieval_chain
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, RunnableLambda, RunnablePassthrough

from rlm_integrations.langchain import RLMRunnable

READY = 'answer["content"] = {0}\nanswer["ready"] = True'
JOIN = READY.format('" | ".join(document["text"] for document in context)')


def test_the_users_own_messages_reach_the_root_in_their_roles(root_model):
    llm = root_model("say:fine")
    RLMRunnable(llm=llm).invoke(
        [SystemMessage("Be brief."), HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("How?")]
    )
    roles = [(message.role, message.content) for message in llm.requests[0][1:-1]]
    assert roles == [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello")]
    assert "How?" in llm.requests[0][-1].content


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
