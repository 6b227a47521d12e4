"""The spans of `verify=Twice()`: the runs of a question stand below one span, which says whether they agreed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import StatusCode, get_current_span

from rlm_integrations import InvalidArgumentError, RLMEngine, RootModelError, Twice, Usage
from rlm_integrations.otel import instrument, uninstrument
from rlm_integrations.testing import ScriptedModel

RUN = ["  invoke_agent rlm", "    chat root", "    execute_tool python"]


def final(value: object) -> str:
    return f"```repl\nFINAL({value!r})\n```"


def verdict(said: str, answer: str | None = None) -> str:
    return final({"verdict": said, "why": "it counts", "answer": answer})


def engine(*replies: Any, **options: Any) -> RLMEngine[Any]:
    root = ScriptedModel(replies, model="root", usage=Usage(input_tokens=100, output_tokens=10))
    return RLMEngine(root, **{"verify": Twice(), **options})


def whole_and_parts(spans: Any) -> tuple[Any, list[Any]]:
    agents = sorted(spans.named("invoke_agent rlm"), key=lambda span: span.start_time)
    [whole] = [span for span in agents if span.parent is None]
    parts = [span for span in agents if span is not whole]
    assert {span.parent.span_id for span in parts} == {whole.context.span_id}
    assert [span.attributes["rlm.attempt"] for span in parts] == list(range(1, len(parts) + 1))
    return whole, parts


@pytest.mark.parametrize("way", ["run", "arun"])
async def test_runs_that_agree_stand_below_one_span_that_says_so(spans: Any, way: str) -> None:
    asked = engine(final("heron"), final("Heron"))
    if way == "run":
        await asyncio.to_thread(asked.run, "?", "text")
    else:
        await asked.arun("?", "text")
    assert spans.lines() == ["invoke_agent rlm", *RUN, *RUN]
    whole, _ = whole_and_parts(spans)
    assert (whole.attributes["rlm.agreement"], whole.attributes["rlm.answer_of_attempt"]) == ("agreed", 1)
    assert whole.attributes["gen_ai.usage.input_tokens"] == 200
    assert "heron" not in spans.all_words().lower()


@pytest.mark.parametrize(
    ("said", "agreement", "attempt"),
    [
        (verdict("first"), "reconciled", 1),
        (verdict("second"), "reconciled", 2),
        (verdict("neither", "stork"), "reconciled", 3),
        (verdict("same"), "agreed", 1),
    ],
    ids=["first", "second", "neither", "same"],
)
async def test_runs_that_differ_say_whose_answer_was_taken(spans: Any, said: str, agreement: str, attempt: int) -> None:
    result = await engine(final("heron"), final("egret"), said).arun("?", "text")
    whole, parts = whole_and_parts(spans)
    assert len(parts) == 3
    assert (whole.attributes["rlm.agreement"], whole.attributes["rlm.answer_of_attempt"]) == (agreement, attempt)
    assert (result.trace.attempt, sorted(other.attempt for other in result.trace.beside)) == (
        attempt,
        [each for each in (1, 2, 3) if each != attempt],
    )


async def test_that_nothing_says_which_is_right_is_an_event_of_it(spans: Any) -> None:
    with pytest.warns(RuntimeWarning, match="differ"):
        await engine(final("heron"), final("egret"), verify=Twice(reconcile=False)).arun("?", "text")
    whole, _ = whole_and_parts(spans)
    assert (whole.attributes["rlm.agreement"], whole.attributes["rlm.answer_of_attempt"]) == ("differed", 1)
    assert [dict(event.attributes) for event in whole.events] == [{"rlm.warning.kind": "differed"}]


async def test_with_contents_each_says_what_it_was_asked_and_answered(spans: Any) -> None:
    instrument(spans.provider, contents=True)
    await engine(final("heron"), final("egret"), verdict("second")).arun("Which bird?", "text")
    whole, parts = whole_and_parts(spans)
    assert "egret" in whole.attributes["gen_ai.output.messages"]
    assert "egret" not in whole.attributes["gen_ai.input.messages"]
    assert ["egret" in part.attributes["gen_ai.input.messages"] for part in parts] == [False, False, True]


async def test_they_stand_below_the_span_that_is_current_where_they_are_called(spans: Any) -> None:
    with spans.provider.get_tracer("user").start_as_current_span("request") as request:
        await engine(final("heron"), final("heron")).arun("?", "text")
        assert get_current_span() is request
    assert spans.lines() == ["request", "  invoke_agent rlm", *(f"  {line}" for line in [*RUN, *RUN])]


async def test_what_fails_in_the_second_run_ends_both(spans: Any) -> None:
    with pytest.raises(RootModelError):
        await engine(final("heron"), ConnectionError("cut")).arun("?", "text")
    whole, [first, second] = whole_and_parts(spans)
    statuses = [span.status.status_code for span in (whole, first, second)]
    assert statuses == [StatusCode.ERROR, StatusCode.UNSET, StatusCode.ERROR]
    assert "rlm.agreement" not in whole.attributes


async def test_a_call_that_is_refused_makes_no_span(spans: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        await engine().arun("?", [])
    assert spans.ended == []


class BreaksInTheSecond(SpanProcessor):
    def __init__(self) -> None:
        self.open: set[int] = set()

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.open.add(span.context.span_id)

    def on_end(self, span: Any) -> None:
        self.open.remove(span.context.span_id)
        if span.attributes.get("rlm.attempt") == 2:
            raise RuntimeError("no disk")


async def test_a_tracer_that_breaks_ends_no_run_and_leaves_no_span_open() -> None:
    provider, breaks = TracerProvider(), BreaksInTheSecond()
    provider.add_span_processor(breaks)
    instrument(provider)
    try:
        with pytest.warns(RuntimeWarning, match="what watches this run failed.*no disk"):
            result = await engine(final("heron"), final("heron")).arun("?", "text")
    finally:
        uninstrument()
        provider.shutdown()
    assert (result.agreement, breaks.open) == ("agreed", set())
