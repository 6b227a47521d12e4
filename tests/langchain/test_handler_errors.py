"""Callback handlers with `raise_error=True`: what they raise ends the run, as it is, and nothing else has failed."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from rlm_integrations import RLMResult
from rlm_integrations.langchain import RLMRunnable

CODE = "answer['content'] = llm_query('hi')\nanswer['ready'] = True"
TOLD = {
    "on_chat_model_start of the root LM": "rlm:root",
    "on_llm_end of the root LM": "rlm:root",
    "on_chat_model_start of a sub-call": "rlm:sub",
    "on_llm_end of a sub-call": "rlm:sub",
    "on_tool_start": None,
    "on_tool_end": None,
    "on_custom_event": None,
    "on_retriever_end": None,
}


class Refused(Exception):  # noqa: N818 - as a guard's is called
    pass


class Search(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document("found")]


def guard(event: str, tag: str | None, base: type[Any]) -> Any:
    """A handler that refuses what it is told of, if that has the tag."""

    def refuse(tags: Any) -> None:
        if tag is None or tag in (tags or ()):
            raise Refused("not this one")

    class Guard(base):
        raise_error = True

    def told(self: Any, *args: Any, **kwargs: Any) -> None:
        refuse(kwargs.get("tags"))

    async def atold(self: Any, *args: Any, **kwargs: Any) -> None:
        refuse(kwargs.get("tags"))

    setattr(Guard, event, told if base is BaseCallbackHandler else atold)
    return Guard()


@pytest.mark.parametrize("mode", ["invoke", "ainvoke", "ainvoke with an async handler"])
@pytest.mark.parametrize("kind", TOLD)
async def test_the_error_is_the_handlers(kind: str, mode: str, root_model: Any, sub_model: Any) -> None:
    event = kind.partition(" ")[0]
    rlm = RLMRunnable(llm=root_model(CODE), sub_llm=sub_model, context=Search())
    base = AsyncCallbackHandler if "async" in mode else BaseCallbackHandler
    config: Any = {"callbacks": [guard(event, TOLD[kind], base)]}
    with pytest.raises(Refused, match="not this one") as raised:
        rlm.invoke("q?", config) if mode == "invoke" else await rlm.ainvoke("q?", config)
    (note,) = raised.value.__notes__
    assert note.startswith(f"The callback handler's Guard.{event} raised it")
    result = raised.value.result  # type: ignore[attr-defined]
    assert isinstance(result, RLMResult)
    assert "root LM failed" not in str(result.trace.error)


async def test_one_without_stops_nothing(root_model: Any, sub_model: Any) -> None:
    quiet = guard("on_llm_end", None, BaseCallbackHandler)
    quiet.raise_error = False
    rlm = RLMRunnable(llm=root_model(CODE), sub_llm=sub_model, context="c")
    assert rlm.invoke("q?", {"callbacks": [quiet]}).content == "len=2"
