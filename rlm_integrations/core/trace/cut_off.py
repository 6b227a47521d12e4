"""The ends of what had started when a run ended: nothing in a trace stays open."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rlm_integrations.core.trace.call_records import AnswerCheck, Fold, HostFunctionCall, ModelCall
from rlm_integrations.core.trace.events import (
    CheckEnded,
    CheckStarted,
    Event,
    FoldEnded,
    FoldStarted,
    HostCallEnded,
    HostCallStarted,
    IterationStarted,
    RootFailed,
    SubCallContinued,
    SubCallEnded,
    SubCallStarted,
)
from rlm_integrations.core.trace.records import SubCall
from rlm_integrations.core.usage import Usage

Started = IterationStarted | FoldStarted | SubCallStarted | HostCallStarted | CheckStarted
"""What ends with an event of its own."""

CUT_OFF = "CancelledError: the run ended first"
"""The error of what was open when its run ended."""


@dataclass(slots=True)
class Continued:
    """What came of a sub-call before the reply that it ends with."""

    replies: int = 0
    usage: Usage = field(default_factory=Usage)
    tool_calls: list[HostFunctionCall] = field(default_factory=list[HostFunctionCall])

    def take(self, event: SubCallContinued) -> None:
        self.replies += 1
        self.usage += event.usage


def cut_off(
    opened: Collection[Started], continued: Mapping[tuple[tuple[int, ...], int], Continued], at: float
) -> Iterator[Event]:
    """The ends of what is open when the run ends, children's first.

    Args:
        opened: What has started and not ended.
        continued: What is known of open sub-calls, by node and number.
        at: When the run ends, in its seconds.
    """
    calling = {(each.node, each.sub_call) for each in opened if isinstance(each, HostCallStarted)}
    for started in sorted(opened, key=_inner_first):
        seconds = at - started.at
        match started:
            case IterationStarted():
                yield RootFailed(started.iteration, CUT_OFF, node=started.node, at=at, run=started.run)
            case FoldStarted():
                call = ModelCall(
                    prompt_chars=started.prompt_chars,
                    model=started.model,
                    error=CUT_OFF,
                    start=started.at,
                    seconds=seconds,
                )
                fold = Fold(call=call, up_to=started.up_to)
                yield FoldEnded(started.iteration, fold, node=started.node, at=at, run=started.run)
            case SubCallStarted():
                call = SubCall(
                    number=started.number,
                    batch=started.batch,
                    index=started.index,
                    prompt=started.prompt,
                    model=started.model,
                    error=CUT_OFF,
                    start=started.at,
                    seconds=seconds,
                    **_so_far(started, calling, continued),
                )
                yield SubCallEnded(started.iteration, call, node=started.node, at=at, run=started.run)
            case HostCallStarted():
                record = HostFunctionCall(
                    name=started.name,
                    arguments=started.arguments,
                    error=CUT_OFF,
                    start=started.at,
                    seconds=seconds,
                )
                number, sub_call = started.number, started.sub_call
                yield HostCallEnded(
                    started.iteration, number, record, sub_call, node=started.node, at=at, run=started.run
                )
            case CheckStarted():
                check = AnswerCheck(name=started.name, error=CUT_OFF, start=started.at, seconds=seconds)
                yield CheckEnded(started.iteration, started.number, check, node=started.node, at=at, run=started.run)


def _so_far(
    started: SubCallStarted,
    calling: Collection[tuple[tuple[int, ...], int | None]],
    continued: Mapping[tuple[tuple[int, ...], int], Continued],
) -> dict[str, Any]:
    """What a sub-call that is cut off has consumed, for its record; `calling` are those that wait for tools."""
    place = started.node, started.number
    known = continued.get(place)
    if known is None:
        return {}
    return {"usage": known.usage, "requests": known.replies + (place not in calling)}


def _inner_first(started: Started) -> tuple[int, bool]:
    """Children end before their parents, calls of a sub-LM's tools before its sub-call, and a fold before the call that
    it is made amid."""
    return -len(started.node), isinstance(started, (SubCallStarted, IterationStarted))
