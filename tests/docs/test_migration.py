"""The tables "you have, put": each cell is code that runs, and what is put answers where the other stood."""

from __future__ import annotations

import gc
import re
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_classic.chains import ConversationalRetrievalChain, RetrievalQA, create_retrieval_chain
from langchain_classic.chains.combine_documents import create_stuff_documents_chain
from langchain_classic.chains.summarize import load_summarize_chain
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import create_retriever_tool
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI
from langgraph.graph import MessagesState, StateGraph
from llama_index.core import Document as LlamaIndexDocument
from llama_index.core import Settings, SummaryIndex
from llama_index.core.agent.workflow import CodeActAgent
from llama_index.core.query_engine import CitationQueryEngine, RouterQueryEngine, SubQuestionQueryEngine
from llama_index.core.tools import QueryEngineTool
from llama_index.llms.openai import OpenAI
from pydantic import BaseModel

from rlm_integrations.langchain import RLMMiddleware, RLMRunnable
from rlm_integrations.llama_index import RLMQueryEngine, get_code_executor, install

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings(  # of the frameworks' own ways, some of which are to be left behind
    "ignore::DeprecationWarning", "ignore::ResourceWarning"
)
QUESTION = "How many contracts end before June?"
SAID = "419 contracts end before June."
TEXTS = {f"contract-{n}": f"Contract {n} ends on 2027-{n % 12 + 1:02}-28." for n in range(1000)}


class Ending(BaseModel):
    count: int
    first: str


def rows(page: str) -> list[tuple[str, str]]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", text, flags=re.MULTILINE)


LANGCHAIN, LLAMA_INDEX = rows("docs/langchain.md"), rows("docs/llama_index.md")


def value(code: str, names: dict[str, Any]) -> Any:
    return eval(code, names)


@pytest.fixture
def langchain_names(openai_server: str) -> dict[str, Any]:
    documents = [Document(text, id=name) for name, text in TEXTS.items()]
    store = InMemoryVectorStore.from_documents(documents[:20], DeterministicFakeEmbedding(size=8))
    past = MessagesPlaceholder("chat_history", optional=True)
    return {
        **{kind.__name__: kind for kind in (ConversationalRetrievalChain, RetrievalQA, RunnableWithMessageHistory)},
        **{kind.__name__: kind for kind in (Ending, MessagesState, RLMMiddleware, RLMRunnable, StateGraph)},
        "create_agent": create_agent,
        "create_retrieval_chain": create_retrieval_chain,
        "create_retriever_tool": create_retriever_tool,
        "create_stuff_documents_chain": create_stuff_documents_chain,
        "load_summarize_chain": load_summarize_chain,
        "llm": ChatOpenAI(model="gpt-5"),
        "documents": documents,
        "retriever": store.as_retriever(),
        "history": InMemoryChatMessageHistory(),
        "prompt": ChatPromptTemplate.from_messages([past, ("human", "{question}")]),
        "rag_prompt": ChatPromptTemplate.from_template("Answer from this:\n{context}\n\nQuestion: {input}"),
    }


def answer_of(put: Any, you_have: str, documents: list[Document]) -> str:
    """Ask it as what stood there was asked."""
    if isinstance(put, StateGraph):
        return put.set_entry_point("answer").compile().invoke({"messages": [("user", QUESTION)]})["messages"][-1].text
    if "create_agent" in you_have:
        return put.invoke({"messages": [("user", QUESTION)]})["messages"][-1].text
    past = [HumanMessage("Hello."), AIMessage("Hello.")]
    asked: dict[str, Any] = {"input": QUESTION}
    if "RetrievalQA" in you_have:
        asked = {"query": QUESTION}
    elif "Conversational" in you_have:
        asked = {"question": QUESTION, "chat_history": past}
    elif "History" in you_have:
        asked = {"question": QUESTION}
    elif you_have.startswith("create_stuff"):
        asked = {"input": QUESTION, "context": documents}
    said = put.invoke(asked, {"configurable": {"session_id": "1"}})
    if isinstance(said, Ending):
        return f"{said.count} contracts end before June."
    said = said["answer"] if isinstance(said, dict) else said
    return said if isinstance(said, str) else said.text


@pytest.mark.parametrize(("you_have", "put"), LANGCHAIN)
def test_langchain(you_have: str, put: str, langchain_names: dict[str, Any]) -> None:
    assert value(you_have, langchain_names) is not None
    made = value(put, langchain_names)
    assert answer_of(made, you_have, langchain_names["documents"]) == SAID


@pytest.fixture(scope="module")
def indexed() -> tuple[list[LlamaIndexDocument], SummaryIndex]:
    """The contracts and an index of them, which no cell of the tables changes."""
    documents = [LlamaIndexDocument(text=text, doc_id=name) for name, text in TEXTS.items()]
    return documents, SummaryIndex.from_documents(documents)


@pytest.fixture
def llama_index_names(openai_server: str, indexed: tuple[list[LlamaIndexDocument], SummaryIndex]) -> Any:
    install()
    former, Settings.llm = Settings._llm, OpenAI(model="gpt-5")
    documents, index = indexed
    kinds = (CitationQueryEngine, CodeActAgent, Ending, QueryEngineTool, RLMQueryEngine, RouterQueryEngine)
    lookup = QueryEngineTool.from_defaults(index.as_query_engine(), name="lookup", description="Finds one contract.")
    rlm: Any = index.as_query_engine(engine="rlm")
    yield {
        **{kind.__name__: kind for kind in kinds},
        "SubQuestionQueryEngine": SubQuestionQueryEngine,
        "documents": documents,
        "get_code_executor": get_code_executor,
        "index": index,
        "llm": Settings.llm,
        "lookup": lookup,
        "overview": QueryEngineTool.from_defaults(rlm, name="overview", description="Counts over all contracts."),
        "run_code": lambda code: "42",
    }
    Settings._llm = former
    gc.collect()  # a chat's memory says when it is let go of that it was not closed


@pytest.mark.parametrize(("you_have", "put"), LLAMA_INDEX)
async def test_llama_index(you_have: str, put: str, llama_index_names: dict[str, Any]) -> None:
    if "SubQuestion" not in you_have:  # its default needs a package that LlamaIndex has apart
        assert value(you_have, llama_index_names) is not None
    made = value(put, llama_index_names)
    if "CodeAct" in put:
        assert str(await made.run("How many are six times seven contracts?")) == "42 contracts end."
    elif "QueryEngineTool" in put:
        assert str(made.call(QUESTION)) == SAID
    elif "chat" in put:
        assert str(made.chat(QUESTION)) == SAID
    elif "output_cls" in put:
        assert made.query(QUESTION).response == Ending(count=419, first="Contract 0")
    elif "inline_citations" in put:
        assert str(made.query(QUESTION)) == f"{SAID} [1][2][3]"
    else:
        assert str(made.query(QUESTION)) == SAID


def test_the_tables_name_what_people_have() -> None:
    had = " ".join(you_have for you_have, _ in LANGCHAIN + LLAMA_INDEX)
    named = """RetrievalQA create_retrieval_chain create_stuff_documents_chain load_summarize_chain
        create_retriever_tool ConversationalRetrievalChain RunnableWithMessageHistory StateGraph as_query_engine
        as_chat_engine CodeActAgent RouterQueryEngine SubQuestionQueryEngine QueryEngineTool CitationQueryEngine"""
    assert [name for name in named.split() if name not in had] == []
