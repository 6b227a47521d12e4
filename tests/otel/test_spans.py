"""The spans of a run: what stands below what, what they say, and what they keep to themselves."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import StatusCode, get_current_span

from rlm_integrations import Completion, InvalidArgumentError, Message, RLMEngine, RootModelError, Usage
from rlm_integrations.core.language_model import ToolCall
from rlm_integrations.otel import instrument, is_instrumented, uninstrument
from rlm_integrations.testing import ScriptedModel

CORPUS = {"letter": "The crate came warm. " * 20, "note": "All is lovely. " * 20}
ASK = """```repl
found = search("crate")
cite("The crate came warm.", "letter")
print(weigh(3))
replies = llm_query_batched(["warm?", "lovely?"])
answer["content"] = replies[0]
answer["ready"] = True
```"""


def weigh(kilograms: int) -> str:
    return f"{kilograms} secret kilograms"


def engine(**options: Any) -> RLMEngine[Any]:
    root = ScriptedModel([ASK], model="root", usage=Usage(input_tokens=100, output_tokens=10))
    sub = ScriptedModel(always=lambda messages: f"yes, {messages[-1].content}", model="sub")
    return RLMEngine(root, sub_llm=sub, tools=[weigh], **options)


@pytest.mark.parametrize("way", ["run", "arun"])
async def test_the_tree_of_a_run(spans: Any, way: str) -> None:
    if way == "run":
        result = await asyncio.to_thread(engine().run, "Was it warm?", CORPUS)
    else:
        result = await engine().arun("Was it warm?", CORPUS)
    assert result.answer == "yes, warm?"
    lines = spans.lines()
    step = ["  execute_tool python", "    execute_tool weigh", "    chat sub", "    chat sub"]
    assert lines == ["invoke_agent rlm", "  chat root", *step]
    [run], [root] = spans.named("invoke_agent rlm"), spans.named("chat root")
    assert run.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert run.attributes["rlm.sub_calls"] == 2
    assert run.attributes["rlm.stop_reason"] == "answer"
    assert run.attributes["rlm.corpus.documents"] == 2
    assert run.attributes["gen_ai.usage.input_tokens"] == result.trace.usage.input_tokens
    assert root.attributes["gen_ai.usage.input_tokens"] == 100
    assert root.attributes["gen_ai.response.model"] == "root"
    [python] = spans.named("execute_tool python")
    [cited] = [event for event in python.events if event.name == "rlm.cited"]
    assert cited.attributes == {"rlm.start": 0, "rlm.end": 20}
    assert all(span.status.status_code is StatusCode.UNSET for span in spans.ended)


def test_what_is_no_provider_is_refused_and_leaves_things_as_they_are(spans: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="tracer_provider: str given; pass a TracerProvider"):
        instrument("http://collector:4318")  # type: ignore[arg-type]
    assert is_instrumented()


async def test_without_contents_no_words_of_anybody_leave(spans: Any) -> None:
    await engine().arun("Was it warm?", CORPUS)
    words = spans.all_words()
    for secret in ("warm", "lovely", "crate", "kilograms", "search("):
        assert secret not in words


async def test_nor_do_they_as_the_names_of_errors_and_of_tools_that_a_model_made_up(spans: Any) -> None:
    code = """```repl
class Lovely(Exception):
    pass
print(llm_query("Ask the scales."), cite("The crate came warm.", "letter"))
raise Lovely
```"""
    asks = Completion("", tool_calls=(ToolCall("warm_crate", "{}", "1"), ToolCall("weigh", '{"kilograms": 3}', "2")))
    sub = ScriptedModel([asks, "3"], model="sub")
    root = ScriptedModel([code, '```repl\nraise KeyError("crate")\n```', "```repl\nFINAL(1)\n```"], model="root")
    await RLMEngine(root, sub_llm=sub, sub_tools=[weigh]).arun("Was it warm?", CORPUS)
    words = spans.all_words()
    for secret in ("warm", "lovely", "Lovely", "crate", "letter"):
        assert secret not in words
    assert {span.name for span in spans.ended} >= {"execute_tool", "execute_tool weigh"}
    assert [span.status.description for span in spans.named("execute_tool python")] == ["an error", "KeyError", None]


async def test_with_contents_they_do(spans: Any) -> None:
    instrument(spans.provider, contents=True)
    await engine().arun("Was it warm?", CORPUS)
    [run], [python] = spans.named("invoke_agent rlm"), spans.named("execute_tool python")
    asked = json.loads(run.attributes["gen_ai.input.messages"])
    assert asked == [{"role": "user", "parts": [{"type": "text", "content": "Was it warm?"}]}]
    [said] = json.loads(run.attributes["gen_ai.output.messages"])
    assert (said["role"], said["finish_reason"]) == ("assistant", "stop")
    assert "llm_query_batched" in python.attributes["gen_ai.tool.call.arguments"]
    assert "3 secret kilograms" in python.attributes["gen_ai.tool.call.result"]
    [tool] = spans.named("execute_tool weigh")
    assert "secret" in tool.attributes["gen_ai.tool.call.result"]


async def test_it_stands_below_the_span_that_is_current_where_it_is_called(spans: Any) -> None:
    tracer = spans.provider.get_tracer("user")
    with tracer.start_as_current_span("request") as request:
        await engine().arun("Was it warm?", CORPUS)
        assert get_current_span() is request
        await asyncio.to_thread(engine().run, "Was it warm?", CORPUS)
        assert get_current_span() is request
    assert spans.lines()[:2] == ["request", "  invoke_agent rlm"]
    assert [line for line in spans.lines() if line == "  invoke_agent rlm"] == ["  invoke_agent rlm"] * 2


class Traced(ScriptedModel):
    """A model whose client makes a span for each request, as instrumented ones do."""

    def __init__(self, *args: Any, provider: TracerProvider, **options: Any) -> None:
        super().__init__(*args, **options)
        self.tracer = provider.get_tracer("client")

    def reply(self, *request: Any) -> Any:
        with self.tracer.start_as_current_span("POST"):
            return super().reply(*request)


@pytest.mark.parametrize("way", ["run", "arun"])
async def test_requests_of_models_and_work_of_tools_stand_below_their_calls(spans: Any, way: str) -> None:
    tracer = spans.provider.get_tracer("user")

    def weigh(kilograms: int) -> str:
        with tracer.start_as_current_span("scales"):
            return str(kilograms)

    root = Traced([ASK], model="root", provider=spans.provider)
    sub = Traced(always=lambda messages: "yes", model="sub", provider=spans.provider)
    engine = RLMEngine(root, sub_llm=sub, tools=[weigh])
    if way == "run":
        await asyncio.to_thread(engine.run, "Was it warm?", CORPUS)
    else:
        await engine.arun("Was it warm?", CORPUS)
    tool = ["    execute_tool weigh", "      scales"]
    subs = ["    chat sub", "      POST"]
    head = ["invoke_agent rlm", "  chat root", "    POST", "  execute_tool python"]
    assert spans.lines() == [*head, *tool, *subs, *subs]


async def test_a_child_is_an_agent_below_its_step(spans: Any) -> None:
    root = '```repl\nFINAL(rlm_query("Which?", "letter"))\n```'
    child = '```repl\nFINAL(llm_query("Warm?"))\n```'

    def sub(messages: Sequence[Message]) -> str:
        return child if "```repl" in messages[0].content else "yes"

    models = ScriptedModel([root], model="root"), ScriptedModel(always=sub, model="sub")
    await RLMEngine(models[0], sub_llm=models[1], limits={"max_depth": 2}).arun("Was it warm?", CORPUS)
    below = ["    invoke_agent rlm", "      chat sub", "      execute_tool python", "        chat sub"]
    assert spans.lines() == ["invoke_agent rlm", "  chat root", "  execute_tool python", *below]


async def test_runs_beside_each_other_keep_apart(spans: Any) -> None:
    await asyncio.gather(*[engine().arun("Was it warm?", CORPUS) for _ in range(5)])
    assert len({span.context.trace_id for span in spans.ended}) == 5
    step = ["  execute_tool python", "    execute_tool weigh", "    chat sub", "    chat sub"]
    assert sorted(spans.lines()) == sorted(["invoke_agent rlm", "  chat root", *step] * 5)


async def test_a_run_that_fails_says_so_and_leaves_no_span_open(spans: Any) -> None:
    def fail(messages: Sequence[Message]) -> str:
        raise RuntimeError("the server quoted: crate")

    with pytest.raises(RootModelError):
        await RLMEngine(ScriptedModel(always=fail)).arun("Was it warm?", CORPUS)
    [run], calls = spans.named("invoke_agent rlm"), spans.named("chat scripted")
    assert run.status.status_code is StatusCode.ERROR
    assert run.attributes["rlm.stop_reason"] == "failed"
    assert calls
    assert all(call.status.status_code is StatusCode.ERROR for call in calls)
    assert all(call.attributes["gen_ai.request.model"] == "scripted" for call in calls)
    assert not any("gen_ai.response.model" in call.attributes for call in calls)
    assert "crate" not in spans.all_words()


async def test_a_run_that_is_cancelled_leaves_no_span_open(spans: Any) -> None:
    both = asyncio.Barrier(3)

    class Hangs(ScriptedModel):
        async def complete(self, messages: Sequence[Message]) -> Any:
            await both.wait()
            await asyncio.Event().wait()

    hanging = RLMEngine(ScriptedModel([ASK], model="root"), sub_llm=Hangs(), tools=[weigh])
    task = asyncio.ensure_future(hanging.arun("Was it warm?", CORPUS))
    await both.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    step = ["  execute_tool python", "    execute_tool weigh", *["    chat scripted"] * 2]
    assert spans.lines() == ["invoke_agent rlm", "  chat root", *step]
    [run] = spans.named("invoke_agent rlm")
    assert run.status.status_code is StatusCode.ERROR


async def test_a_call_that_is_refused_is_no_run_and_leaves_no_span_open() -> None:
    provider, open_spans = TracerProvider(), Open()
    provider.add_span_processor(open_spans)
    instrument(provider)
    try:
        with pytest.raises(InvalidArgumentError):
            await engine().arun("Was it warm?", {"letter": 5})
    finally:
        uninstrument()
        provider.shutdown()
    assert (open_spans.begun, open_spans.open) == (0, set())


async def test_tools_that_children_call_at_once_keep_apart(spans: Any) -> None:
    both = threading.Barrier(3)

    def weigh(kilograms: int) -> str:
        both.wait(30)
        return str(kilograms)

    root = '```repl\nFINAL(rlm_query_batched([("1", "letter"), ("2", "note"), ("3", "note")]))\n```'
    sub = ScriptedModel(always=lambda messages: "```repl\nFINAL(weigh(1))\n```", model="sub")
    llm = ScriptedModel([root], model="root")
    await RLMEngine(llm, sub_llm=sub, tools=[weigh], limits={"max_depth": 2}).arun("Was it warm?", CORPUS)
    child = ["    invoke_agent rlm", "      chat sub", "      execute_tool python", "        execute_tool weigh"]
    assert spans.lines() == ["invoke_agent rlm", "  chat root", "  execute_tool python", *child * 3]


async def test_what_no_exporter_can_send_is_made_fit(spans: Any) -> None:
    instrument(spans.provider, contents=True)

    def weigh(half: str) -> str:
        return f"\udfff{half}"

    code = [
        "print(weigh(chr(0xd800)), llm_query(chr(0xd800)))\ncite(context[0]['text'][:30], context[0]['id'])",
        "raise ValueError(chr(0xd800))",
        "FINAL(chr(0xdc00))",
    ]
    llm = ScriptedModel([f"\ud800\n```repl\n{each}\n```" for each in code], model="a\ud800" + "b" * 100_000)
    sub = ScriptedModel(["\ud800"], model="c\ud800")
    corpus = {"\ud801": "\udc01 came warm. " * 500}
    await RLMEngine(llm, sub_llm=sub, tools=[weigh]).arun("Was it \ud800?", corpus)
    words = spans.all_words()
    assert len(spans.ended) == 9
    for span in spans.ended:
        assert len(span.name) < 17_000
        said = [*span.attributes.values(), *(value for event in span.events for value in event.attributes.values())]
        for text in (each for each in [*said, span.status.description] if isinstance(each, str)):
            text.encode()
    assert words.count("\\ufffd") > 10


async def test_kinds_of_errors_are_told_by_the_names_that_conventions_have(spans: Any) -> None:
    code = ["raise KeyError('crate')", "class Lovely(Exception): pass\nraise Lovely", "FINAL(1)"]
    llm = ScriptedModel([f"```repl\n{each}\n```" for each in code])
    await RLMEngine(llm).arun("Was it warm?", CORPUS)
    told = [span.attributes.get("error.type") for span in spans.named("execute_tool python")]
    assert told == ["KeyError", "_OTHER", None]


class Open(SpanProcessor):
    """Knows which spans are open."""

    def __init__(self) -> None:
        self.begun = 0
        self.open: set[int] = set()

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.begun += 1
        self.open.add(span.context.span_id)

    def on_end(self, span: Any) -> None:
        self.open.remove(span.context.span_id)


class BreaksOnce(SpanProcessor):
    def on_end(self, span: Any) -> None:
        if span.name == "execute_tool weigh":
            raise RuntimeError("no disk")


async def test_a_tracer_that_breaks_amid_a_run_leaves_no_span_open_and_none_current() -> None:
    provider, open_spans = TracerProvider(), Open()
    provider.add_span_processor(open_spans)
    provider.add_span_processor(BreaksOnce())
    instrument(provider)
    try:
        before = get_current_span()
        with pytest.warns(RuntimeWarning, match="what watches this run failed.*no disk"):
            result = await engine().arun("Was it warm?", CORPUS)
        assert get_current_span() is before
    finally:
        uninstrument()
        provider.shutdown()
    assert result.answer == "yes, warm?"
    assert open_spans.begun == 4
    assert open_spans.open == set()


class Broken(SpanProcessor):
    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("no disk")


async def test_a_tracer_that_breaks_ends_no_run() -> None:
    provider = TracerProvider()
    provider.add_span_processor(Broken())
    instrument(provider)
    try:
        with pytest.warns(RuntimeWarning, match="what watches this run failed.*no disk"):
            result = await engine().arun("Was it warm?", CORPUS)
    finally:
        uninstrument()
        provider.shutdown()
    assert result.answer == "yes, warm?"


async def test_switched_off_there_are_no_spans(spans: Any) -> None:
    assert is_instrumented()
    uninstrument()
    assert not is_instrumented()
    await engine().arun("Was it warm?", CORPUS)
    assert spans.ended == []


async def test_a_summary_of_older_iterations_is_a_call_of_its_own(spans: Any) -> None:
    def reply(messages: Sequence[Message]) -> str:
        if "sum it up" in messages[-1].content:
            return "The secret is plover."
        steps = len(spans.named("execute_tool python"))
        return "```repl\nFINAL('done')\n```" if steps == 20 else "```repl\nprint(context[:2_000])\n```"

    llm = ScriptedModel(always=reply, model="root", max_input_tokens=8_000, usage=Usage(input_tokens=1))
    result = await RLMEngine(llm, limits={"max_iterations": 30}).arun("?", "a line of words\n" * 2_000)
    chats = spans.named("chat root")
    folds = [span for span in chats if span.attributes.get("rlm.fold")]
    assert len(chats) - len(folds) == result.trace.iteration_count
    assert len(folds) == result.trace.fold_count > 0
    [run] = spans.named("invoke_agent rlm")
    assert all(span.parent.span_id == run.context.span_id for span in chats)
    assert [event.name for event in run.events].count("rlm.folded") == len(folds)
    assert "plover" not in spans.all_words()


@pytest.mark.parametrize("contents", [False, True])
async def test_what_checks_said_is_told(spans: Any, contents: bool) -> None:
    instrument(spans.provider, contents=contents)

    def in_numbers(answer: str, result: object) -> str | None:
        return None if answer == "42" else "say it in numbers"

    root = ScriptedModel(["```repl\nFINAL('many')\n```", "```repl\nFINAL('42')\n```"], model="root")
    await RLMEngine(root, verify=in_numbers).arun("How many?", CORPUS)
    [run] = spans.named("invoke_agent rlm")
    told = [dict(event.attributes) for event in run.events if event.name == "rlm.checked"]
    first = {"rlm.check": "in_numbers", "rlm.iteration": 1, "rlm.check.taken": False}
    assert told[0] == (first | ({"rlm.check.objection": "say it in numbers"} if contents else {}))
    assert told[1] == {"rlm.check": "in_numbers", "rlm.iteration": 2, "rlm.check.taken": True}


async def test_what_came_from_the_journal_is_marked_and_never_counted(spans: Any, tmp_path: Path) -> None:
    """Ended by a root LM that fails in its second iteration, then gone on with, then made again."""
    spent = Usage(input_tokens=100, output_tokens=10, cost_usd=0.5)
    code = "```repl\nprint(weigh(3), llm_query('warm?'))\n```"
    root = ScriptedModel([code, ConnectionError("cut"), 'FINAL("yes")'], model="root", usage=spent)
    sub = ScriptedModel(always=lambda messages: "yes", model="sub", usage=spent)
    made = RLMEngine(root, sub_llm=sub, tools=[weigh], journal=tmp_path / "runs.sqlite")
    with pytest.raises(ConnectionError):
        await made.arun("Was it warm?", CORPUS)
    assert "rlm.replayed" not in spans.all_words()
    spans.exporter.clear()
    await made.arun("Was it warm?", CORPUS)
    usages = {"rlm.replayed_usage.input_tokens": 100, "rlm.replayed_usage.output_tokens": 10}
    replayed, paid = spans.named("chat root")
    for span in (replayed, *spans.named("chat sub")):
        assert {**span.attributes, **usages, "rlm.replayed": True} == dict(span.attributes)
        assert (span.attributes["gen_ai.usage.input_tokens"], span.attributes["gen_ai.usage.output_tokens"]) == (0, 0)
    assert "rlm.replayed" not in paid.attributes
    assert paid.attributes["gen_ai.usage.input_tokens"] == 100
    assert spans.named("execute_tool weigh")[0].attributes["rlm.replayed"] is True
    [run] = spans.named("invoke_agent rlm")
    assert run.attributes["rlm.journal"] == "resumed"
    assert run.attributes["gen_ai.usage.input_tokens"] == 100
    assert run.attributes["rlm.usage.cost_usd"] == 0.5
    assert run.attributes["rlm.replayed_usage.input_tokens"] == 200
    spans.exporter.clear()
    await made.arun("Was it warm?", CORPUS)
    [run] = spans.ended
    assert (run.attributes["rlm.journal"], run.attributes["gen_ai.usage.input_tokens"]) == ("finished", 0)
    assert run.attributes["rlm.replayed_usage.input_tokens"] == 300
