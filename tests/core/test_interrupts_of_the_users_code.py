"""A KeyboardInterrupt that comes of the user's own code, on the caller's loop, ends the run and carries its result.

Most of that code is called in tasks of ours, and asyncio ends its loop where a task raises one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rlm_integrations import (
    Completion,
    Document,
    Event,
    Message,
    RLMEngine,
    RLMResult,
    RunEnded,
    RunError,
    SubCallEnded,
    ToolCall,
    Twice,
    Usage,
)
from rlm_integrations.testing import ScriptedModel

CORPUS = "a line\n" * 5_000
SPENT = Usage(input_tokens=100, output_tokens=10)
WORDS = "the run was ended by KeyboardInterrupt"


async def interrupt(*_: object) -> Any:
    """Raises."""
    raise KeyboardInterrupt


def stop(messages: Sequence[Message]) -> str:
    raise KeyboardInterrupt


class Interrupts:
    """A model, and a retriever."""

    async def complete(self, messages: Sequence[Message]) -> Completion:
        raise KeyboardInterrupt

    async def retrieve(self, query: str) -> Sequence[Document]:
        raise KeyboardInterrupt


CALLS = Completion("", SPENT, tool_calls=(ToolCall("lookup", "{}", "1"),))


async def lookup() -> str:
    """Raises."""
    raise KeyboardInterrupt


async def check(answer: object, result: object) -> None:
    raise KeyboardInterrupt


def root(*codes: str) -> ScriptedModel:
    return ScriptedModel([f"```repl\n{code}\n```" for code in codes], usage=SPENT)


def on_sub_call(event: Event) -> None:
    if isinstance(event, SubCallEnded):
        raise KeyboardInterrupt


SUB = ScriptedModel(always=lambda messages: "ok", usage=SPENT)
ENGINES: dict[str, tuple[Callable[[], RLMEngine[Any]], int]] = {
    "root LM": (lambda: RLMEngine(Interrupts()), 0),
    "sub-LM": (lambda: RLMEngine(root("llm_query('a')"), sub_llm=Interrupts()), 1),
    "sub-LM of a batch": (lambda: RLMEngine(root("llm_query_batched(['a', 'b'])"), sub_llm=Interrupts()), 1),
    "sub-LM of a typed map": (
        lambda: RLMEngine(root("llm_map('n', ['a', 'b'], {'type': 'integer'})"), sub_llm=Interrupts()),
        1,
    ),
    "child RLM": (
        lambda: RLMEngine(root("rlm_query('a', context)"), sub_llm=Interrupts(), limits={"max_depth": 2}),
        1,
    ),
    "tool": (lambda: RLMEngine(root("lookup()"), tools=[lookup]), 1),
    "sub-LM's tool": (lambda: RLMEngine(root("llm_query('a')"), sub_llm=ScriptedModel([CALLS]), sub_tools=[lookup]), 2),
    "check": (lambda: RLMEngine(root("FINAL(1)"), verify=check), 1),
    "on_event": (lambda: RLMEngine(root("llm_query('a')"), sub_llm=SUB, on_event=on_sub_call), 2),
    "around_step": (lambda: RLMEngine(root("x = 1"), around_step=interrupt), 1),
}


@pytest.mark.parametrize("place", ENGINES)
async def test_it_is_raised_where_the_run_was_called(place: str) -> None:
    make, paid = ENGINES[place]
    with pytest.raises(KeyboardInterrupt) as caught:
        await make().arun("?", CORPUS)
    result: RLMResult[Any] = caught.value.result  # type: ignore[attr-defined]
    assert (result.trace.error, result.usage.total_tokens) == (WORDS, 110 * paid)


async def test_of_a_retriever_too() -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        await RLMEngine(root("retrieve('a')")).arun("?", Interrupts())
    assert caught.value.result.trace.error == WORDS  # type: ignore[attr-defined]


class Retriever:
    async def retrieve(self, query: str) -> Sequence[Document]:
        if query == "more":
            raise KeyboardInterrupt
        return [Document("a", CORPUS)]


async def test_of_a_retriever_that_code_asks() -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        await RLMEngine(root("retrieve('more')")).arun("?", Retriever())
    assert caught.value.result.usage.total_tokens == 110  # type: ignore[attr-defined]


@pytest.mark.parametrize("verify", [None, Twice()], ids=["one run", "two blind runs"])
async def test_a_handler_that_raises_it_over_the_last_event_leaves_the_answer(verify: Twice | None) -> None:
    def on_event(event: Event) -> None:
        if isinstance(event, RunEnded):
            raise KeyboardInterrupt

    engine = RLMEngine(root("FINAL(1)", "FINAL(1)"), on_event=on_event, verify=verify)
    with pytest.raises(KeyboardInterrupt) as caught:
        await engine.arun("?", CORPUS)
    result: RLMResult[Any] = caught.value.result  # type: ignore[attr-defined]
    assert (result.answer, result.trace.error) == ("1", None)


async def test_in_the_second_of_two_blind_runs_the_first_is_kept() -> None:
    sub = ScriptedModel(["ok", stop], usage=SPENT)
    engine = RLMEngine(root("FINAL(llm_query('a'))", "FINAL(llm_query('a'))"), sub_llm=sub, verify=Twice())
    with pytest.raises(KeyboardInterrupt) as caught:
        await engine.arun("?", CORPUS)
    assert caught.value.result.usage.total_tokens == 330  # type: ignore[attr-defined]


@pytest.mark.parametrize("where", ["sub-LM", "on_result"])
async def test_of_many_questions_each_has_its_result(where: str) -> None:
    def replies(messages: Sequence[Message]) -> str:
        if where == "sub-LM" and "stop" in messages[-1].content:
            raise KeyboardInterrupt
        return "ok"

    def on_result(place: int, outcome: object) -> None:
        if where == "on_result" and place == 1:
            raise KeyboardInterrupt

    sub = ScriptedModel(always=replies, usage=SPENT)
    engine = RLMEngine(root("FINAL(llm_query('go on'))", "FINAL(llm_query('stop'))"), sub_llm=sub)
    with pytest.raises(KeyboardInterrupt) as caught:
        await engine.amap(["?", "!"], CORPUS, concurrency=1, on_result=on_result)
    first, second = caught.value.results  # type: ignore[attr-defined]
    assert first.answer == "ok"
    if where == "on_result":
        assert second.answer == "ok"
    else:
        assert isinstance(second, RunError)
        assert second.result is not None
        assert (str(second), second.result.usage.total_tokens) == (WORDS, 110)


def test_the_loop_that_asyncio_runs_goes_on_until_the_run_has_ended() -> None:
    """Else whatever the caller does at its end (`finally`, closing of clients) comes after the loop was given up."""

    async def asked() -> object:
        try:
            return await RLMEngine(root("llm_query('a')"), sub_llm=Interrupts()).arun("?", CORPUS)
        except KeyboardInterrupt as end:
            await asyncio.sleep(0)
            return end.result  # type: ignore[attr-defined]

    result: Any = asyncio.run(asked())
    assert result.trace.error == WORDS


def test_the_other_calls_of_its_step_are_given_up() -> None:
    began, ended = list[str](), list[str]()
    both = asyncio.Barrier(2)

    class Sub:
        async def complete(self, messages: Sequence[Message]) -> Completion:
            began.append(prompt := messages[-1].content)
            try:
                await both.wait()
                await (interrupt() if prompt == "a" else asyncio.Event().wait())
            finally:
                ended.append(prompt)
            raise AssertionError

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(RLMEngine(root("llm_query_batched(['a', 'b'])"), sub_llm=Sub()).arun("?", CORPUS))
    assert sorted(began) == sorted(ended) == ["a", "b"]
