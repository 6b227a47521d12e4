"""What a trace without contents says, and what it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from rlm_integrations import Completion, Message, RLMEngine, RLMTrace
from rlm_integrations.core.language_model import Finish
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.records import CodeExecution, Iteration, SubCall
from rlm_integrations.core.trace.redaction import error_name
from rlm_integrations.core.trace.summary import summarise
from rlm_integrations.terminal.trace_lines import trace_lines
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.trace_page.page import page_of

KEY = b"of this test"
ENUMS: dict[str, Sequence[Any]] = {
    "finish": [None, *get_args(Finish)],
    "role": ["user"],
    "route": ["rlm", "direct"],
    "detail": ["full"],
    "agreement": [None, "agreed"],
    "journal": [None, "new"],
    "stop_reason": [None, "answer"],
}
TOLD = {"model": "gpt-5", "sandbox": "process", "isolation": {"seccomp": "on"}, "version": 1}
"""What may be told, of these fields."""


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from (*strings(name), *strings(each))
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


def planted(model: type[BaseModel], draw: Any, secrets: Iterator[int], depth: int = 0) -> BaseModel:
    """A record with a secret of its own in each of its texts."""
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if name in ENUMS:
            values[name] = draw(st.sampled_from(ENUMS[name]))
        elif name == "child" and model is Citation:
            values[name] = "2.1"
        elif name in TOLD:
            values[name] = TOLD[name]
        else:
            found = _planted(field.annotation, field.metadata, draw, secrets, depth)
            if found is not None:
                values[name] = found
    return model.model_validate(values)


def _planted(kind: Any, metadata: Any, draw: Any, secrets: Iterator[int], depth: int) -> Any:
    arguments = get_args(kind)
    if kind is str:
        secret = f"hush{next(secrets)}"
        return draw(
            st.sampled_from([secret, f"ValueError: {secret}", f"{secret}Error: no", f"3 documents, 4 {secret}"])
        )
    if kind is int:
        return 1
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind.__name__ not in ("RLMLimits", "Usage"):
        return None if depth > 4 else planted(kind, draw, secrets, depth + 1)
    if getattr(kind, "__origin__", None) is list:
        [of] = arguments
        many = 0 if depth > 4 else draw(st.integers(0, 2))
        made = [_planted(of, (), draw, secrets, depth + 1) for _ in range(many)]
        return [each for each in made if each is not None]
    if arguments:
        return _planted(arguments[0], (), draw, secrets, depth)  # of "Text | None"
    return {} if kind.__name__ == "RLMLimits" else None


@given(st.data())
def test_nothing_that_was_planted_in_any_text_of_any_record_is_left(data: st.DataObject) -> None:
    secrets = count(1000)
    trace = planted(RLMTrace, data.draw, secrets)
    assert isinstance(trace, RLMTrace)
    clean = trace.redacted()
    dump = clean.model_dump(mode="json")
    tools = {call.name for each in trace.tree() for run in each.executions for call in run.host_calls}
    left = [each for each in strings(dump) if "hush" in each and each not in tools]
    checks = {check.name for each in trace.tree() for step in each.iterations for check in step.checks}
    assert [each for each in left if each not in checks] == []
    assert "hush" not in json.dumps(dump["opening"]) + json.dumps(dump["citations"]) + json.dumps(dump["context"])
    again = RLMTrace.model_validate(dump)
    assert (again.usage, again.sub_call_count) == (trace.usage, trace.sub_call_count)
    assert clean.redacted(b"another") == clean


@pytest.fixture(scope="module")
def trace() -> RLMTrace:
    """Of a run in which everything has a secret: documents, their ids and metadata, prompts, code, tools, errors."""

    def sub_reply(messages: Sequence[Message]) -> Completion:
        if "hush-2" in messages[-1].content:
            raise ValueError("the server quotes hush-error")
        return Completion("hush-reply", thoughts="hush-thought", model="small")

    def weather(day: str) -> str:
        """What the weather was."""
        return f"hush-rain on {day}"

    replies = [
        "hush-prose\n```repl\nhush_it = [llm_query(d['text']) if n != 2 else None for n, d in enumerate(context)]\n"
        "print('hush-output', weather('hush-day'), hush_it)\n```",
        "```repl\nclass HushError(Exception): pass\nraise HushError('hush-raised')\n```",
        "```repl\nprint(llm_query_batched(['hush-2', 'hush-1']))\n```",
        "```repl\ncite('hush-text', context[0]['id'])\nFINAL('hush-answer')\n```",
    ]
    documents = [
        {"id": f"hush-id-{n}", "text": f"hush-text {n}", "metadata": {"hush-key": "hush-value"}} for n in range(4)
    ]
    engine = RLMEngine(
        ScriptedModel(replies, model="large"), sub_llm=ScriptedModel(always=sub_reply, model="small"), tools=[weather]
    )
    return engine.run("hush-question?", documents).trace


def test_a_real_run_is_told_in_sizes_and_hashes(trace: RLMTrace) -> None:
    assert "hush" in json.dumps(trace.model_dump(mode="json")).lower()
    clean = trace.redacted(KEY)
    assert "hush" not in json.dumps(clean.model_dump(mode="json")).lower()
    assert clean.contents is False
    assert clean.context == "4 documents, 44 characters"
    assert clean.question.startswith("[14 characters, hash ")
    assert clean.citations[0].start_index == 0
    first = clean.iterations[0]
    assert first.execution is not None
    assert first.execution.host_calls[0].name == "weather"
    calls = first.execution.sub_calls
    assert len({call.reply for call in calls}) == 1  # equal texts have equal hashes
    assert len({call.prompt for call in calls}) == len(calls)
    failed = [call.error for step in clean.executions for call in step.sub_calls if call.error]
    assert [error.partition(" [")[0] for error in failed] == ["ValueError"]
    assert clean.redacted(b"another") == clean
    assert trace.redacted(KEY) == clean
    assert trace.redacted().question != trace.redacted().question  # a short text cannot be found out by trying


def test_it_still_sums_up_and_is_drawn(trace: RLMTrace, tmp_path: Path) -> None:
    clean = trace.redacted()
    assert (clean.usage, clean.sub_call_count, clean.failed_sub_call_count) == (
        trace.usage,
        trace.sub_call_count,
        trace.failed_sub_call_count,
    )
    page = tmp_path / "page.html"
    clean.to_html(page, documents={f"hush-id-{n}": f"hush-text {n}" for n in range(4)})
    assert "hush" not in page.read_text().lower()
    shown = "\n".join(line.plain for line in trace_lines(clean, in_full=True))
    assert "hush" not in shown.lower()
    assert "4 iterations, 5 sub-calls (1 failed: ValueError [" in shown
    assert "hush" not in json.dumps(summarise(clean).model_dump(mode="json")).lower()
    assert "hush" not in repr(clean).lower() + clean._repr_html_().lower()
    assert page_of(clean.model_dump(mode="json"))


def test_a_tool_that_a_model_made_up_has_no_name() -> None:
    lost = {"name": "hush_tool", "arguments": "", "error": "LookupError: there is no hush_tool"}
    call = SubCall.model_validate({"number": 1, "prompt": "p", "tool_calls": [lost]})
    step = Iteration.model_validate(
        {"number": 1, "reply": "", "call": {"prompt_chars": 1}, "execution": CodeExecution(blocks=[], sub_calls=[call])}
    )
    trace = RLMTrace.model_validate({"question": "", "context": "", "limits": {}, "iterations": [step]})
    assert "hush" not in trace.redacted().model_dump_json()


@pytest.mark.parametrize(
    ("error", "name"),
    [
        ("block 2, line 3: KeyError: 'plot'", "KeyError"),
        ("the root LM failed in iteration 1: RateLimitError: Error code: 429", "RateLimitError"),
        ("block 1, line 2: HushError: plot", None),
        ("the prompt of 300 characters is too long for the sub-LM", None),
        ("", None),
    ],
)
def test_of_an_error_the_name_is_told_where_no_document_can_have_made_it(error: str, name: str | None) -> None:
    assert error_name(error) == name
