"""What code printed and sent is read in linear time, and so is what others see of a run written."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from rlm_integrations.core.loop.happenings import CodeRan
from rlm_integrations.core.loop.observation import StepContext, observe
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.wording import one_line
from rlm_integrations.langchain.response import to_message
from rlm_integrations.repl.bounded_repr import bounded_repr
from rlm_integrations.sandboxes.channel.inbound import Messages
from rlm_integrations.sandboxes.channel.long_texts import ReceivedTexts
from rlm_integrations.sandboxes.channel.open_calls import held_bytes
from rlm_integrations.sandboxes.shell.exchange import read_answer
from rlm_integrations.sandboxes.shell.machine import Said
from rlm_integrations.terminal import printable
from rlm_integrations.trace_page.card import card
from rlm_integrations.trace_page.page import page_of
from rlm_integrations.wire.calls import HostCall
from rlm_integrations.wire.exchanges import seal
from rlm_integrations.wire.inbound import read_inbound
from rlm_integrations.wire.steps import AnswerState, CodeError, Output, StepDone

from .work import LIMITS, Reader, assert_in_proportion, every_shape, result_of, trace_of


def step(output: str = "", error: str | None = None, variables: tuple[str, ...] = ()) -> StepDone:
    failure = None if error is None else CodeError(1, 1, error, error)
    return StepDone(Output(output), failure, AnswerState(refused=error), variables)


def observed(done: StepDone) -> str:
    return observe(CodeRan(done), StepContext(8, 20, "q" * 1_000, 1, 1, False, "tag", misfit=done.output.head))


def frames_of(text: str) -> Iterator[bytes]:
    """The text as the frames of a worker that prints it in pieces of some bytes each."""
    for start in range(0, len(text), 20):
        body = json.dumps({"t": "output", "text": text[start : start + 20]}).encode()
        yield struct.pack(">I", len(body)) + body


def read_frames(text: str) -> None:
    messages = Messages()
    for frame in messages.feed(b"".join(frames_of(text))):
        read_inbound(frame, 1, 8_192)


def read_tool_call(text: str) -> None:
    args = [text[start : start + 10] for start in range(0, len(text), 10)]
    payload = {"name": "t", "args": args, "kwargs": {}}
    call = read_inbound({"t": "call", "id": 1, "name": "tool", "payload": payload}, 1, 1)
    assert isinstance(call, HostCall)
    held_bytes(call.call.to_payload())


def read_texts(text: str) -> None:
    texts = ReceivedTexts()
    pieces = [*str(text)]
    for start in range(0, len(pieces), 1_000):
        texts.add(pieces[start : start + 1_000])
    texts.put_back({"text": "", "pieces": [len(pieces)]})


READERS: dict[str, Reader] = {
    "observe, an output": (lambda text: observed(step(text)), {"lines": lambda n: "\n" * n}),
    "observe, an error": (
        lambda text: observed(step(error=text, variables=(text,))),
        {"lines": lambda n: "\n" * n, "line ends of all kinds": lambda n: "\x85\u2028\r" * (n // 3)},
    ),
    "page_of": (
        lambda text: page_of({"question": text, "iterations": [{"reply": text + "x", "n": each} for each in range(3)]}),
        {"ends of scripts": lambda n: "</script>\u2028" * (n // 10), "texts": lambda n: "x" * n},
    ),
    "card": (
        lambda text: card(RLMTrace(question=text, answer=text, context="", error=text, limits=LIMITS), text),
        {"markup": lambda n: "<\u202e\r\n" * (n // 4)},
    ),
    "read_answer": (
        lambda text: read_answer(Said(text, cut=False), 0, 1_000),
        {
            "marks": lambda n: "rlm:" * (n // 4),
            "a line": lambda n: "rlm:" + "0" * n,
            "brackets": lambda n: seal(b"[" * n).decode(),
            "data": lambda n: seal(b'{"got":0,"start":0,"data":"' + b"A" * n + b'"}').decode(),
        },
    ),
    "RLMResult.report": (
        lambda text: result_of(trace_of(str(text), calls=len(text) // 50)).report(),
        {"text": lambda n: "é" * n},
    ),
    "to_message": (
        lambda text: to_message(result_of(trace_of(str(text))), SimpleNamespace(), "full", typed=False),  # pyright: ignore
        {"halves of characters": lambda n: "\ud800" * n},
    ),
    "bounded_repr": (lambda text: bounded_repr([text] * 10_000, 2_000), {"quotes": lambda n: "'" * n}),
    "Messages": (read_frames, {"small frames": lambda n: "x" * n, "escapes": lambda n: "\0" * n}),
    "read_call": (read_tool_call, {"small values": lambda n: "x" * n}),
    "ReceivedTexts": (read_texts, {"pieces of a character": lambda n: "x" * (n // 2)}),
    "printable": (
        printable.printable,
        {"directions": lambda n: "\u202e" * n, "joiners": lambda n: "é\u200d" * (n // 2)},
    ),
    "printable.one_line": (printable.one_line, {"lines": lambda n: "\r\n\t" * (n // 3)}),
    "printable.one_sentence": (printable.one_sentence, {"words": lambda n: "a " * (n // 2)}),
    "printable.printable_json": (printable.printable_json, {"directions": lambda n: "\u202e" * n}),
    "one_line": (one_line, {"lines": lambda n: "\n" * n}),
}


@pytest.mark.parametrize(("name", "shape"), every_shape(READERS))
def test_reading_takes_work_in_proportion_to_the_text(name: str, shape: str) -> None:
    assert_in_proportion(READERS[name], shape)
