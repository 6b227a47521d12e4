"""The trace takes what happened: each kind of event, and the ends of what a run left open."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.events import (
    CheckEnded,
    CheckStarted,
    CodeStarted,
    Event,
    HostCallEnded,
    HostCallStarted,
    IterationStarted,
    RootFailed,
    RootReplied,
    SubCallEnded,
    SubCallStarted,
)
from rlm_integrations.core.trace.recorder import Recorder
from rlm_integrations.core.usage import Usage


@pytest.mark.parametrize("kind", get_args(Event))
def test_each_kind_of_event_is_taken_into_the_trace(kind: type[Event]) -> None:
    assert kind in Recorder._TAKERS


def test_what_is_open_when_a_run_ends_is_ended_as_of_that_run_the_inner_first() -> None:
    told: dict[str, Any] = {"at": 1.0, "run": 7}
    begun = [
        IterationStarted(1, 20, model="root", **told),
        RootReplied(1, "code", Usage(), **told),
        CodeStarted(1, ("llm_query('?')",), **told),
        SubCallStarted(1, 1, "?", model="sub", **told),
        HostCallStarted(1, 1, "tool", "()", sub_call=1, **told),
        CheckStarted(1, 1, "sums", **told),
        IterationStarted(2, 20, model="root", **told),
    ]
    recorder = Recorder("?", RLMLimits())
    for event in begun:
        recorder.record(event)
    ends = [*recorder.cut_off(3.0)]
    assert [type(end) for end in ends] == [HostCallEnded, CheckEnded, SubCallEnded, RootFailed]
    assert {(end.at, end.run) for end in ends} == {(3.0, 7)}
    for end in ends:
        recorder.record(end)
    assert [*recorder.cut_off(3.0)] == []
    first, second = recorder.trace.iterations
    assert first.execution is not None
    (call,) = first.execution.sub_calls
    assert (first.call.model, second.call.model, call.model) == ("root", "root", "sub")
    for record in (second.call, call, *call.tool_calls, *first.checks):
        assert (record.error or "").startswith("CancelledError")
        assert record.seconds == 2.0
