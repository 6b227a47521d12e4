"""The demo's first question, put through each framework the way a user would, and through plain retrieval.

Needs every framework: importing it without them is an ImportError. The demo prints the source of the two
`ask_` functions, so what is shown is what ran.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from langchain_core.documents import Document as LangChainDocument
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from llama_index.core import Document as LlamaIndexDocument
from llama_index.core import SummaryIndex
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.llms import LLM
from rank_bm25 import BM25Okapi  # pyright: ignore[reportMissingTypeStubs]

from rlm_integrations.core.run.plan import OnEvent
from rlm_integrations.demo.messages import SupportMessage
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.llama_index import install
from rlm_integrations.testing import ReplayingModel
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM

if TYPE_CHECKING:
    from rlm_integrations.openai import OpenAIModel


def ask_langchain(
    llm: BaseChatModel, sub_llm: BaseChatModel, documents: list[LangChainDocument], question: str, on_event: OnEvent
) -> AIMessage:
    prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
    chain = prompt | RLMRunnable(
        llm=llm,
        sub_llm=sub_llm,
        context=documents,
        on_event=on_event,
    )
    return chain.invoke({"question": question})


def ask_llama_index(
    llm: LLM, sub_llm: LLM, documents: list[LlamaIndexDocument], question: str, on_event: OnEvent
) -> RESPONSE_TYPE:
    install()  # teaches every index engine="rlm"
    index = SummaryIndex.from_documents(documents)
    query_engine = index.as_query_engine(  # pyright: ignore[reportUnknownMemberType]
        engine="rlm",
        llm=llm,
        sub_llm=sub_llm,
        on_event=on_event,
    )
    return query_engine.query(question)


def langchain_model(llm: ReplayingModel | OpenAIModel) -> BaseChatModel:
    """A chat model of LangChain that asks the given one, so that the demo needs no provider package."""
    return ScriptedChatModel(always=llm.complete_sync)


def llama_index_model(llm: ReplayingModel | OpenAIModel) -> LLM:
    """The same as an LLM of LlamaIndex."""
    return ScriptedLLM(always=llm.complete_sync)


def shown_lines(function: Callable[..., Any]) -> str:
    """The body of one of the functions above, as it stands here, less `return` and notes to the type checker."""
    body = inspect.getsource(function).partition(":\n")[2]
    return textwrap.dedent(re.sub(r" *# pyright:.*|(?<=^    )return ", "", body, flags=re.MULTILINE)).rstrip()


def langchain_documents(messages: Sequence[SupportMessage]) -> list[LangChainDocument]:
    return [LangChainDocument(page_content=m.text, metadata=m.metadata, id=m.id) for m in messages]


def llama_index_documents(messages: Sequence[SupportMessage]) -> list[LlamaIndexDocument]:
    return [LlamaIndexDocument(text=m.text, metadata=m.metadata, id_=m.id) for m in messages]


def retrieve(messages: Sequence[SupportMessage], query: str, top_k: int) -> list[SupportMessage]:
    """What keyword retrieval finds: the `top_k` messages that BM25 ranks highest for the query."""
    ranking = BM25Okapi([_words(message.text) for message in messages])
    scores = cast(Sequence[float], ranking.get_scores(_words(query)))  # pyright: ignore[reportUnknownMemberType]
    ranked = sorted(range(len(messages)), key=lambda place: -scores[place])
    return [messages[place] for place in ranked[:top_k]]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
