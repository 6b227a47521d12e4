"""Exchanges with a relay: what one side writes the other reads, and what came cut short is none."""

from __future__ import annotations

import json
from zlib import crc32

import pytest

from rlm_integrations.wire.exchanges import Answer, Request, sealed_within

ANSWER = Answer(5, 2, b"\0said\xff", None, 0.25, 1 << 20, 3, 0.5)


@pytest.mark.parametrize("file", ["", "/tmp/x-1"])
def test_a_request_is_read_by_the_relay(file: str) -> None:
    asked = Request.bringing(b"\0bytes\xff", 7, "interrupt", 2, at=10, file=file, have=3, most=100, wait_s=5.0)
    assert Request.read(asked.to_text().encode()) == asked
    assert (asked.end, asked.crc, asked.data) == (17, crc32(b"\0bytes\xff"), b"" if file else b"\0bytes\xff")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"data":7}', b'{"data":"?"}', b'{"data":"","x":1}'])
def test_what_is_no_request_raises_what_the_relay_expects(text: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Request.read(text)


@pytest.mark.parametrize("status", [None, 0, -9])
def test_an_answer_is_found_among_what_a_command_printed(status: int | None) -> None:
    answer = Answer(5, 2, b"\0said\xff", status, 0.25, 1 << 20, 3, 0.5)
    body = sealed_within(f"a banner\n{answer.to_line().decode()}and more")
    assert body is not None
    assert Answer.read(json.loads(body)) == answer


def test_an_answer_that_is_not_whole_is_none() -> None:
    line = ANSWER.to_line().decode()
    for length in range(len(line) - 1):  # without the line break it is whole
        assert sealed_within(line[:length]) is None
    assert sealed_within(line.replace("got", "gut")) is None
