"""What is seen of a run: its events, its trace, and what wraps its steps."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest

from rlm_integrations import RLMEngine, RLMTrace, SandboxError, Usage, collect_rlm_traces
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.trace.events import (
    CheckEnded,
    CodeEnded,
    Event,
    HostCallEnded,
    IterationStarted,
    RunEnded,
    RunStarted,
    SubCallEnded,
    SubCallsReserved,
)
from rlm_integrations.core.trace.run_errors import RootModelError, RunError
from rlm_integrations.core.trace.watching import watch_runs
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox
from rlm_integrations.testing import ScriptedModel

LONG = "".join(f"line {n}: nothing to see\n" for n in range(2_000))


def repl(code: str) -> str:
    return f"Some thought.\n\n```repl\n{code}\n```"


def finish(expression: str) -> str:
    return repl(f'answer["content"] = {expression}\nanswer["ready"] = True')


def test_events_tell_the_run_in_order() -> None:
    events: list[object] = []
    root = ScriptedModel([repl("r = llm_query_batched(['a', 'b'])"), finish("'x'")])
    RLMEngine(root, sub_llm=ScriptedModel(always=lambda messages: "y"), on_event=events.append).run("?", LONG)
    kinds = [type(event) for event in events]
    assert kinds[0] is RunStarted
    assert kinds[-1] is RunEnded
    assert kinds.count(IterationStarted) == 2
    assert kinds.count(SubCallEnded) == 2
    assert kinds.index(SubCallsReserved) < kinds.index(SubCallEnded) < kinds.index(CodeEnded)


def test_who_watches_all_runs_sees_what_a_handler_is_told() -> None:
    def run(on_event: Callable[[Event], None] | None = None) -> None:
        root = ScriptedModel([repl("r = llm_query('a')\nr = llm_query_batched(['b', 'c'])"), finish("'x'")])
        RLMEngine(root, sub_llm=ScriptedModel(always=lambda messages: "y"), on_event=on_event).run("?", LONG)

    told: list[Event] = []
    watched: list[Event] = []
    run(told.append)

    class Watch:
        see = watched.append

        def of_part(self, question: str) -> Watch:
            raise AssertionError("there is one run")

    stop = watch_runs(lambda question: Watch())
    try:
        run()
    finally:
        stop()
    reserved = [event.count for event in watched if isinstance(event, SubCallsReserved)]
    assert reserved == [1, 2]
    assert Counter(map(type, watched)) == Counter(map(type, told))


def test_what_a_handler_changes_in_a_record_is_nothing_to_the_run() -> None:
    """As one that withholds words from a log does, before it writes it."""

    def secret() -> str:
        """The word that is kept."""
        return "Sesame"

    def withhold(event: Event) -> None:
        withheld.append(type(event))
        match event:
            case SubCallEnded(call=call):
                call.prompt = call.reply = "[withheld]"
            case HostCallEnded(call=call):
                call.result = "[withheld]"
            case CodeEnded(execution=execution):
                execution.output = "[withheld]"
            case CheckEnded(check=check):
                check.objection = "[withheld]"
            case _:
                withheld.pop()

    withheld: list[type] = []
    root = ScriptedModel([finish("llm_query('Who?') + ', ' + llm_query_batched(['Who?'])[0] + ', ' + secret()")])
    result = RLMEngine(
        root,
        sub_llm=ScriptedModel(always=lambda messages: "Alice"),
        tools=[secret],
        verify=lambda answer, result: None,
        on_event=withhold,
    ).run("?", LONG)
    assert withheld == [SubCallEnded, SubCallEnded, HostCallEnded, CodeEnded, CheckEnded]
    assert result.answer == "Alice, Alice, Sesame"
    assert "[withheld]" not in result.trace.model_dump_json()


async def test_astream_gives_events_and_last_the_result() -> None:
    llm = ScriptedModel([repl("x = 1"), finish("x")])
    events = [event async for event in RLMEngine(llm).astream("?", LONG)]
    assert isinstance(events[-1], RunEnded)
    assert events[-1].result.text == "1"


async def test_the_async_trace_equals_the_sync_one() -> None:
    def script() -> ScriptedModel:
        return ScriptedModel([repl("r = llm_query('a')\nprint(r)"), finish("r")], usage=Usage(input_tokens=3))

    def facts(trace: RLMTrace) -> dict[str, object]:
        def without_times(value: object) -> object:
            if isinstance(value, dict):
                return {key: without_times(inner) for key, inner in value.items() if key not in ("start", "seconds")}
            return [without_times(inner) for inner in value] if isinstance(value, list) else value

        return without_times(trace.model_dump(mode="json"))  # type: ignore[return-value]

    sub = ScriptedModel(always=lambda messages: "b")
    corpus = Corpus.of(LONG)
    awaited = await RLMEngine(script(), sub_llm=sub).arun("?", corpus)
    blocking = RLMEngine(script(), sub_llm=sub).run("?", corpus)
    assert facts(awaited.trace) == facts(blocking.trace)
    assert RLMTrace.model_validate_json(awaited.trace.model_dump_json()) == awaited.trace


def test_a_failed_root_call_hands_back_the_trace_and_what_was_paid() -> None:
    llm = ScriptedModel(
        [repl("x = 1\nanswer['content'] = 'draft'"), ConnectionError("gone")], usage=Usage(input_tokens=7)
    )
    with pytest.raises(RootModelError, match="iteration 2: ConnectionError: gone") as caught:
        RLMEngine(llm).run("?", LONG)
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert caught.value.result is not None
    assert caught.value.result.usage.input_tokens == 7
    assert caught.value.result.answer == "draft"
    first, failed = caught.value.result.trace.iterations
    assert first.call.error is None
    assert (failed.call.error, failed.reply, failed.execution) == ("ConnectionError: gone", "", None)


class Closed(ProcessSandbox):
    """Opens no REPL."""

    async def open(self, *arguments: Any, **options: Any) -> Any:
        raise SandboxError("there is no room for another one")


@pytest.mark.parametrize("sync", [True, False])
def test_a_repl_that_cannot_be_opened_hands_back_the_trace_and_what_was_paid(sync: bool) -> None:
    engine = RLMEngine(ScriptedModel([finish("1")], usage=Usage(input_tokens=7)), sandbox=Closed())
    with collect_rlm_traces() as traces, pytest.raises(SandboxError, match="no room for another one") as caught:
        engine.run("?", LONG) if sync else asyncio.run(engine.arun("?", LONG))
    assert caught.value.result is not None
    assert caught.value.result.usage.input_tokens == 7
    assert traces == [caught.value.result.trace]
    assert traces[0].iterations[0].reply == finish("1")


@pytest.mark.parametrize("kind", [IterationStarted, CodeEnded, SubCallsReserved, SubCallEnded])
def test_an_observer_that_raises_ends_the_run_with_its_trace(kind: type) -> None:
    def watch(event: object) -> None:
        if isinstance(event, kind):
            raise KeyError("broken observer")

    root = ScriptedModel([repl("r = llm_query_batched(['a', 'b'])"), finish("r")])
    sub = ScriptedModel(always=lambda messages: "ok")
    with pytest.raises(RunError, match="on_event: it raised KeyError") as caught:
        RLMEngine(root, sub_llm=sub, on_event=watch).run("?", LONG)
    assert caught.value.result is not None


def test_what_confined_the_code_is_in_the_trace() -> None:
    result = RLMEngine(ScriptedModel([finish("1")])).run("?", LONG)
    assert result.trace.sandbox == "process"
    assert result.trace.isolation == resolve_sandbox("auto").capabilities().layers
    assert result.trace.isolation["seccomp"].startswith("allow-list of ")
    assert RLMEngine(ScriptedModel(["4"])).run("2 + 2?").trace.sandbox == ""


async def test_calls_of_the_code_see_the_context_variables_of_their_step() -> None:
    step: ContextVar[str] = ContextVar("step", default="none")

    async def around(iteration: int, code: str, execute: Callable[[], Awaitable[str]]) -> str:
        step.set(f"step {iteration}")
        return await execute()

    def reply(messages: object) -> str:
        seen = step.get()
        step.set("of another call")
        return seen

    root = ScriptedModel([repl("first = llm_query('a')"), finish("[first, llm_query('b'), llm_query('c')]")])
    engine = RLMEngine(root, sub_llm=ScriptedModel(always=reply), around_step=around)
    assert (await engine.arun("?", LONG)).text == '["step 1", "step 2", "step 2"]'


async def test_what_a_handler_returns_is_of_no_account() -> None:
    seen: list[object] = []

    def count(event: object) -> int:
        seen.append(event)
        return len(seen)

    engine = RLMEngine(ScriptedModel([finish("1")]), on_event=count)  # type: ignore[arg-type]
    assert [event async for event in engine.astream("?", LONG)] == seen
