"""User code whose types pyright and mypy check in `make check`; nothing of it is run.

A `type: ignore` is an error that a user has to be told of: a checker that finds none there complains.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
from __future__ import annotations

from typing import Any, TypedDict, assert_type

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from rlm_integrations import RLMLimits
from rlm_integrations.langchain import ChatRLM, RLMRunnable


class State(TypedDict):
    messages: list[AnyMessage]


class Ending(BaseModel):
    contracts: list[str]


async def what_comes_back(llm: BaseChatModel, state: State) -> None:
    rlm = RLMRunnable(llm=llm, sub_llm="openai:gpt-5-mini", context=["a text"], limits={"max_iterations": 3})
    assert_type(rlm.invoke("q"), AIMessage)
    assert_type(await rlm.ainvoke({"question": "q", "context": ["another"]}), AIMessage)
    assert_type(rlm.invoke(state), AIMessage)
    assert_type(rlm.batch(["q"]), list[AIMessage])
    assert_type(rlm.with_structured_output(Ending).invoke("q"), Ending)
    assert_type(rlm.with_structured_output(list[str]).invoke("q"), list[str])
    assert_type(rlm.with_structured_output({"type": "object"}).invoke("q"), dict[str, Any])
    assert_type(rlm.with_structured_output(Ending, include_raw=True).invoke("q"), dict[str, Any])
    assert_type(rlm.with_sources().invoke("q"), dict[str, Any])
    assert_type(rlm.with_structured_output(Ending).with_sources().invoke("q"), dict[str, Any])
    assert_type(rlm.with_sources().with_structured_output(Ending).invoke("q"), dict[str, Any])
    assert_type(rlm.as_tool(name="ask"), BaseTool)
    assert_type((ChatPromptTemplate.from_template("{q}") | rlm).invoke({"q": "q"}), AIMessage)

    chat = ChatRLM(llm=llm, context="a text", limits=RLMLimits(), stop=["END"], tags=["mine"])
    assert_type(chat.invoke("q"), AIMessage)
    assert_type(await chat.ainvoke("q"), AIMessage)
    assert_type(chat.with_structured_output(Ending).invoke("q"), Ending)
    assert_type(chat.with_structured_output(Ending, include_raw=True, method="json_schema").invoke("q"), dict[str, Any])


def what_is_refused(llm: BaseChatModel) -> None:
    RLMRunnable()  # type: ignore[call-arg]
    RLMRunnable(llm=llm, sub_lm=llm)  # type: ignore[call-arg]
    RLMRunnable(llm=llm, trace="all")  # type: ignore[arg-type]
    ChatRLM(llm=llm, temperature=0)  # type: ignore[call-arg]
    ChatRLM(llm=llm, limits=3)  # type: ignore[arg-type]
