"""A run that fails is freed at once, with the documents that it was over, on whatever version of Python."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.outputs import ChatResult

from rlm_integrations import RLMError
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

ASKS = "```repl\nFINAL(llm_query('a'))\n```"


class Broken(BaseCallbackHandler):
    raise_error = True

    def on_tool_start(self, *args: Any, **kwargs: Any) -> None:
        raise LookupError("no tracer")


class Mute(ScriptedChatModel):
    """Its server sends no reply."""

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[])


ENDS: dict[str, tuple[dict[str, Any], Any]] = {
    "a handler that raises": ({"llm": ScriptedChatModel(always=lambda _: ASKS)}, {"callbacks": [Broken()]}),
    "a model without a reply": ({"llm": Mute()}, None),
    "an event's handler that raises": (
        {"llm": ScriptedChatModel(always=lambda _: ASKS), "on_event": lambda event: {}[event]},
        None,
    ),
}


async def ask(rlm: RLMRunnable, config: Any) -> None:
    with pytest.raises((RLMError, LookupError)):
        await rlm.ainvoke("Which?", config)


async def ask_blocking(rlm: RLMRunnable, config: Any) -> None:
    def asked() -> None:
        with pytest.raises((RLMError, LookupError)):
            rlm.invoke("Which?", config)

    await asyncio.to_thread(asked)


@pytest.mark.usefixtures("collects_nothing")
@pytest.mark.parametrize("way", [ask, ask_blocking])
@pytest.mark.parametrize("end", ENDS)
async def test_whatever_it_failed_by(end: str, way: Any, until: Any) -> None:
    letter = Document("a pineapple")
    left = weakref.ref(letter)
    options, config = ENDS[end]
    rlm = RLMRunnable(context=[letter], **options)
    await way(rlm, config)
    del rlm, letter
    await until(lambda: left() is None)
