"""What a REPL in WebAssembly asks of its worker: what one side writes the other reads, and nothing else is taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rlm_integrations.wire import guest_requests, messages
from rlm_integrations.wire.calls import Retrieve
from rlm_integrations.wire.guest_requests import (
    IS_OVER,
    AskWhetherOver,
    PrintHead,
    SendCalls,
    WrongRequestError,
    read_request,
)


@pytest.mark.parametrize(("wait_s", "read_s"), [(None, None), (0.5, 0.5), (-1.0, 0.0)])
def test_requests_are_read_by_the_worker(wait_s: float | None, read_s: float | None) -> None:
    call = messages.call(9, Retrieve("whales").function, Retrieve("whales").to_payload())
    for calls in ([], [call], [call, call]):
        text = guest_requests.send_calls([json.dumps(each) for each in calls], wait_s)
        assert read_request(json.loads(text)) == SendCalls(calls, read_s)
    assert read_request(json.loads(guest_requests.print_head(json.dumps('a "head"\n')))) == PrintHead('a "head"\n')
    assert read_request(json.loads(IS_OVER)) == AskWhetherOver()


@pytest.mark.parametrize("is_over", [True, False])
def test_answers_are_read_by_the_guest(is_over: bool) -> None:
    answers = [messages.reply(3, "x"), messages.refusal(4, "budget", "no more")]
    text = guest_requests.answers_text([json.dumps(each) for each in answers], is_over=is_over)
    assert guest_requests.read_answers(json.loads(text)) == (answers, is_over)
    assert guest_requests.is_yes(guest_requests.yes_text(is_over)) == is_over


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (7, "no object"),
        (["over"], "no object"),
        ("print", "no object"),
        ({}, "calls that are no list"),
        ({"print": 7}, "something else than text"),
        ({"print": None}, "something else than text"),
        ({"calls": {"id": 1}, "wait": 0}, "calls that are no list"),
        ({"calls": "ab", "wait": 0}, "calls that are no list"),
        ({"calls": [7], "wait": 0}, "lacks its id"),
        ({"calls": [{"id": 1, "name": "x"}], "wait": 0}, "lacks its id"),
        ({"calls": [], "wait": "1"}, "no number of seconds"),
        ({"calls": [], "wait": True}, "no number of seconds"),
        ({"calls": [], "wait": float("nan")}, "no number of seconds"),
        ({"calls": [], "wait": -1}, "no number of seconds"),
    ],
)
def test_what_is_no_request_is_refused(asked: Any, words: str) -> None:
    with pytest.raises(WrongRequestError, match=words):
        read_request(asked)
