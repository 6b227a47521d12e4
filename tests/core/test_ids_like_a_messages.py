"""What the user named keeps its name: of an overlong message, which is a document beside it, the name gives way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pandas as pd
import pytest

from rlm_integrations import Corpus, Document, RLMEngine, RunEnded, Twice
from rlm_integrations.testing import ScriptedModel

NAMES = "```repl\nFINAL(repr([d['id'] for d in context]))\n```"
LONG = "What was the rent, of all that " + "the clerk wrote down " * 300 + "in May?"
TEXT = "The rent was seven crowns."
NAMED: dict[str, Callable[[], object]] = {
    "documents": lambda: [Document("message-1", TEXT)],
    "dicts": lambda: [{"id": "message-1", "text": TEXT}],
    "a mapping": lambda: {"message-1": TEXT},
    "an iterator": lambda: iter([Document("message-1", TEXT)]),
    "a table": lambda: pd.DataFrame({"id": ["message-1"], "text": [TEXT]}),
    "a corpus": lambda: Corpus.of([Document("message-1", TEXT)]),
}


async def streamed(engine: RLMEngine, context: object) -> Any:
    events = [event async for event in engine.astream(LONG, context)]
    assert isinstance(events[-1], RunEnded)
    return events[-1].result


async def of_many(engine: RLMEngine, context: object) -> Any:
    return (await engine.amap([LONG], context))[0]


async def in_session(engine: RLMEngine, context: object) -> Any:
    return await engine.session(context).aask(LONG)


async def blocking(engine: RLMEngine, context: object) -> Any:
    return engine.run(LONG, context)


WAYS: dict[str, Callable[[RLMEngine, object], Awaitable[Any]]] = {
    "run": blocking,
    "arun": lambda engine, context: engine.arun(LONG, context),
    "astream": streamed,
    "amap": of_many,
    "a session": in_session,
}


def engine(**options: Any) -> tuple[RLMEngine, ScriptedModel]:
    root = ScriptedModel(always=lambda _: NAMES)
    return RLMEngine(root, limits={"message_chars": 5_000}, **options), root


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", NAMED)
async def test_in_each_form_of_a_context_and_each_way_to_ask(form: str, way: str) -> None:
    whole, root = engine()
    result = await WAYS[way](whole, NAMED[form]())
    assert result.answer == "['message-1#2', 'message-1']"
    assert "in the document 'message-1#2' of `context`" in root.requests[0][-1].content
    assert "in the document 'message-1#2' of `context`" in result.trace.question


async def test_of_two_blind_runs() -> None:
    whole, _ = engine(verify=Twice())
    assert (await whole.arun(LONG, NAMED["documents"]())).answer == "['message-1#2', 'message-1']"


async def test_of_the_second_question_of_a_session() -> None:
    whole, root = engine()
    async with whole.session([Document("question-2-message-1", TEXT)]) as session:
        await session.aask("What was it?")
        result = await session.aask(LONG)
    assert "in the document 'question-2-message-1#2' of `context`" in root.requests[-1][-1].content
    assert result.answer == "['question-2-message-1#2', 'question-2-message-1']"


async def test_a_session_goes_on_after_it() -> None:
    root = ScriptedModel(["```repl\nkept = 7\nFINAL(1)\n```", "```repl\nFINAL(kept)\n```"])
    async with RLMEngine(root, limits={"message_chars": 5_000}).session([Document("message-1", TEXT)]) as session:
        await session.aask(LONG)
        assert (await session.aask("And?")).answer == "7"
