"""A query engine that nobody holds is freed at once, and with it the nodes that it was made over."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from llama_index.core.schema import QueryBundle, TextNode

from rlm_integrations.llama_index import RLMChatEngine, RLMQueryEngine
from rlm_integrations.testing.llama_index import ScriptedLLM


async def _idle(engine: RLMQueryEngine) -> None:
    pass


async def _query(engine: RLMQueryEngine) -> None:
    assert str(engine.query("Which?")) == "1"


async def _aquery(engine: RLMQueryEngine) -> None:
    assert str(await engine.aquery("Which?")) == "1"


async def _synthesize(engine: RLMQueryEngine) -> None:
    assert str(await engine.asynthesize(QueryBundle("Which?"), engine.retrieve(QueryBundle("Which?")))) == "1"


async def _update_prompts(engine: RLMQueryEngine) -> None:
    engine.update_prompts(engine.get_prompts())
    await _aquery(engine)


async def _chat(engine: RLMQueryEngine) -> None:
    assert str(await RLMChatEngine(engine).achat("Which?")) == "1"


@pytest.mark.usefixtures("collects_nothing")
@pytest.mark.parametrize("use", [_idle, _query, _aquery, _synthesize, _update_prompts, _chat])
async def test_whatever_it_was_asked(
    use: Callable[[RLMQueryEngine], Awaitable[None]], until: Callable[[Callable[[], bool]], Any]
) -> None:
    node = TextNode(text="The rent was seven crowns.")
    left = weakref.ref(node)
    engine = RLMQueryEngine(ScriptedLLM(always=lambda _: "```repl\nFINAL(1)\n```"), context=[node])
    await use(engine)
    del engine, node
    await until(lambda: left() is None)
