"""The messages between host and worker: what one side writes, the other reads, and nobody else knows their form."""

from __future__ import annotations

import ast
from math import inf
from pathlib import Path
from typing import Any

import pytest

import rlm_integrations.sandboxes
from rlm_integrations.sandboxes.channel.frames import decode, encode
from rlm_integrations.wire import messages
from rlm_integrations.wire.calls import HostCall, Retrieve
from rlm_integrations.wire.inbound import (
    Failed,
    Finished,
    PrintedHead,
    ProtocolError,
    Ready,
    pieces_ahead,
    read_beginning,
    read_inbound,
)
from rlm_integrations.wire.steps import AnswerState, Output, StepDone


def sent(message: messages.Message) -> messages.Message:
    """As it arrives on the other side."""
    return decode(encode(message)[4:])


def test_what_a_worker_says_is_read_by_its_host() -> None:
    end = StepDone(Output("", "tail", 3), None, AnswerState(True, "42"), ("x: int",))
    call = Retrieve("whales")
    assert read_beginning(sent(messages.ready({"seccomp": "on"}))) == Ready({"seccomp": "on"})
    assert read_beginning(sent(messages.failed("no mseal"))) == Failed("no mseal")
    assert read_inbound(sent(messages.printed("head")), 1, 100) == PrintedHead("head")
    assert read_inbound(sent(messages.done(7, end.to_json())), 1, 100) == Finished(7, end)
    assert read_inbound(sent(messages.call(9, call.function, call.to_payload())), 1, 100) == HostCall(9, call)
    assert pieces_ahead(sent(messages.texts(["a", "b"]))) == ["a", "b"]
    assert pieces_ahead(sent(messages.printed("head"))) is None


@pytest.mark.parametrize("seconds_left", [2.5, inf])
def test_a_step_is_read_by_the_worker(seconds_left: float) -> None:
    step = messages.BeginStep(7, ["x = 1"], seconds_left)
    assert messages.BeginStep.read(sent(step.to_message())) == step
    assert messages.BeginStep.read(sent(messages.interrupt(7))) is None
    assert messages.interrupted_step(sent(messages.interrupt(7))) == 7
    assert messages.interrupted_step(sent(step.to_message())) is None


def test_answers_are_read_by_the_worker() -> None:
    replied = sent(messages.reply(3, {"kind": "a reply that names a kind"}))
    assert (messages.answered_calls(replied), messages.refused(replied)) == ((3,), None)
    assert replied[messages.VALUE] == {"kind": "a reply that names a kind"}
    refusal = sent(messages.refusal(3, "budget", "no more"))
    assert (messages.answered_calls(refusal), messages.refused(refusal)) == ((3,), ("budget", "no more"))
    of_all = sent(messages.refusal_of_all([3, 4], "failed", "over"))
    assert (messages.answered_calls(of_all), messages.refused(of_all)) == ([3, 4], ("failed", "over"))


def test_a_worker_that_waits_for_steps_says_so() -> None:
    for message, waits in [(messages.ready({}), True), (messages.done(1, {}), True), (messages.printed("done"), False)]:
        assert messages.waits_for_steps(message) == waits
        assert messages.may_wait_for_steps(encode(message)) or not waits


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({}, "unknown kind"),
        ({"t": ["ready"]}, "unknown kind"),
        ({"t": "done"}, "unknown kind"),
        ({"t": "ready"}, "layers that are no object"),
        ({"t": "ready", "layers": [["seccomp", "on"]]}, "layers that are no object"),
        ({"t": "ready", "layers": {"seccomp": 3}}, "something else where a text should be"),
        ({"t": "failed", "message": None}, "something else where a text should be"),
    ],
)
def test_a_beginning_of_another_form_is_refused(message: dict[str, Any], words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        read_beginning(message)


def test_no_sandbox_knows_the_form_of_a_message_by_itself() -> None:
    found = [
        f"{path.name}:{node.lineno}"
        for path in Path(rlm_integrations.sandboxes.__path__[0]).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and node.value == messages.KIND
    ]
    assert found == []
