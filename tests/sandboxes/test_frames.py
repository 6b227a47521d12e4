"""Frames survive any value and any cutting of the stream."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.sandboxes.channel.frames import (
    FrameBuffer,
    FrameTooLongError,
    decode,
    encode,
    read_frame,
    write_frame,
)

texts = st.text(st.characters(exclude_categories=()))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(st.dictionaries(texts, values, max_size=3), max_size=4), st.data())
def test_messages_pass_unchanged_however_the_stream_is_cut(messages, data):
    stream = b"".join(map(encode, messages))
    buffer = FrameBuffer()
    received = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        received += [decode(body) for body in buffer.feed(stream[:cut])]
        stream = stream[cut:]
    assert received == messages


def test_a_frame_over_the_limit_is_refused_before_it_is_held():
    buffer = FrameBuffer(limit=100)
    assert list(buffer.feed(encode({"a": "x" * 50}))) == [b'{"a":"' + b"x" * 50 + b'"}']
    with pytest.raises(FrameTooLongError, match="4,295 MB"):
        list(buffer.feed(b"\xff\xff\xff\xff"))


def test_what_is_not_json_is_refused():
    with pytest.raises(TypeError, match="set is not a JSON value"):
        encode({"a": {1}})
    with pytest.raises(FrameTooLongError):
        encode({"a": "x" * 100}, limit=100)
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(RecursionError):
        encode({"a": cycle})


def test_a_blocking_descriptor_carries_long_frames_and_ends():
    reader, writer = os.pipe()
    frame = encode({"text": "é" * 3_000_000})

    def send() -> None:
        write_frame(writer, frame)
        os.write(writer, b"\0\0\0\5half")
        os.close(writer)

    thread = threading.Thread(target=send)
    thread.start()
    body = read_frame(reader)
    assert body is not None
    assert decode(body) == {"text": "é" * 3_000_000}
    assert read_frame(reader) is None
    thread.join()
    os.close(reader)
