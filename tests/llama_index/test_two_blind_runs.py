"""What LlamaIndex's instrumentation says of `verify=Twice()`."""

from __future__ import annotations

from typing import Any

from llama_index.core import Document
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.event_handlers.base import BaseEventHandler

from rlm_integrations import Twice
from rlm_integrations.llama_index import RLMAgreementEvent, RLMQueryEngine
from rlm_integrations.testing.llama_index import ScriptedLLM


def final(value: object) -> str:
    return f"```repl\nFINAL({value!r})\n```"


class Hears(BaseEventHandler):
    told: list[tuple[str, int]]

    def handle(self, event: Any, **kwargs: Any) -> None:
        if isinstance(event, RLMAgreementEvent):
            self.told.append((event.agreement, event.attempt))


async def test_an_event_says_whether_they_agreed_and_whose_answer_was_taken() -> None:
    verdict = {"verdict": "second", "why": "it counts", "answer": None}
    dispatcher, hears = get_dispatcher(), Hears(told=[])
    dispatcher.add_event_handler(hears)
    try:
        for answers in (["heron", "Heron"], ["heron", "egret", verdict]):
            llm = ScriptedLLM([final(answer) for answer in answers])
            await RLMQueryEngine.from_documents([Document(text="text")], llm=llm, verify=Twice()).aquery("?")
    finally:
        dispatcher.event_handlers.remove(hears)
    assert hears.told == [("agreed", 1), ("reconciled", 2)]
