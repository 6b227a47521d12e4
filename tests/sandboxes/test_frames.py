"""Frames survive any value and any cutting of the stream."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations import RLMEngine
from rlm_integrations.sandboxes.channel import frames as frames_module
from rlm_integrations.sandboxes.channel import long_texts as long_texts_module
from rlm_integrations.sandboxes.channel import long_values
from rlm_integrations.sandboxes.channel.answers import hand_over
from rlm_integrations.sandboxes.channel.frames import (
    MAX_FRAME_BYTES,
    MAX_VALUES,
    FrameBuffer,
    FrameTooLongError,
    decode,
    encode,
    encode_short,
    read_frame,
    write_frame,
)
from rlm_integrations.sandboxes.channel.inbound import Messages
from rlm_integrations.testing import ScriptedModel

texts = st.text(st.characters(exclude_categories=()), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(st.dictionaries(texts, values, max_size=3), max_size=4), st.lists(st.integers(1, 40), min_size=1))
def test_messages_pass_unchanged_however_the_stream_is_cut(messages, lengths):
    stream = b"".join(map(encode, messages))
    buffer = FrameBuffer()
    received = []
    for length in itertools.cycle(lengths):
        received += [decode(body) for body in buffer.feed(stream[:length])]
        stream = stream[length:]
        if not stream:
            break
    assert received == messages


def test_a_frame_over_the_limit_is_refused_before_it_is_held():
    buffer = FrameBuffer(limit=100)
    assert list(buffer.feed(encode({"a": "x" * 50}))) == [b'{"a":"' + b"x" * 50 + b'"}']
    with pytest.raises(FrameTooLongError, match="4,294,967,295 bytes"):
        list(buffer.feed(b"\xff\xff\xff\xff"))


def test_what_is_not_json_is_refused():
    with pytest.raises(TypeError, match="set is not a JSON value"):
        encode({"a": {1}})
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(RecursionError):
        encode({"a": cycle})


def receive(frames: list[bytes]) -> list[object]:
    messages = Messages()
    return [message for frame in frames for message in messages.feed(frame)]


long_texts = st.builds(lambda text, times: text * times, texts, st.sampled_from([1, 300, 20_000]))
messages_of_any_length = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(long_texts | st.integers(), lambda inner: st.lists(inner, max_size=5), max_leaves=8),
    min_size=1,
)


@given(messages_of_any_length)
def test_a_message_of_any_length_passes_unchanged_in_short_frames(message):
    frames = encode_short(message)
    assert max(map(len, frames)) <= MAX_FRAME_BYTES + 4
    assert receive(frames) == [message]


MOST_BYTES = 8 << 20


@pytest.fixture
def less_text(monkeypatch):
    """The bound of a message's texts is nearer than it is: tests/contracts tries the true one."""
    for module in (frames_module, long_texts_module):
        monkeypatch.setattr(module, "MAX_TEXT_BYTES", MOST_BYTES)


@pytest.mark.usefixtures("less_text")
@pytest.mark.parametrize(
    "text",
    ["x" * (MOST_BYTES - 200_000), "[" * 3_000_000, "\ud800" * 200_000, "\1" * 200_000, "é" + "x" * 3_000_000],
)
def test_a_text_of_any_kind_passes_unchanged_in_short_frames(text):
    message = {"t": "call", "payload": {"prompt": text, "short": "", "args": [text[:300]] * 2_000}}
    if len(text) > 5_000_000:
        message["payload"]["args"] = [[]]
    frames = encode_short(message)
    assert max(map(len, frames)) <= MAX_FRAME_BYTES + 4
    assert receive(frames) == [message]


def test_a_message_that_model_code_holds_stays_as_it_is():
    held = ["x" * 1_000_000, "", {"key": "y" * 1_000_000}]
    before = [held[0], held[1], dict(held[2])]
    encode_short({"args": held})
    assert held == before


@pytest.mark.usefixtures("less_text")
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x" * MOST_BYTES, "more than 8 MB of text"),
        ("\N{GRINNING FACE}" + "x" * (MOST_BYTES // 4), "more than 8 MB of text"),
        (["x" * 1_001] * 8_500, "more than 8 MB of text"),
        ([[]] * MAX_FRAME_BYTES, "pass less, or a str of JSON"),
        ([1] * MAX_VALUES, "40,003 values"),
        ({"k" * MAX_FRAME_BYTES: 1}, "besides its texts"),
    ],
)
def test_a_message_that_no_frames_take_says_what_is_too_much(value, words):
    with pytest.raises(FrameTooLongError, match=words):
        encode_short({"a": value})


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


@given(values | st.lists(texts, max_size=9) | st.dictionaries(st.integers() | st.none() | texts, texts, max_size=9))
def test_long_values_are_written_in_pieces_as_they_would_be_at_once(value):
    with pytest.MonkeyPatch.context() as small:
        small.setattr(long_values, "_LONG_CHARS", 6)
        small.setattr(long_values, "_CHARS_OF_VALUE", 1)
        small.setattr(long_values, "_PIECE_CHARS", 3)
        small.setattr(long_values, "_PIECE_VALUES", 2)
        assert long_values.long_frame({"id": 1}, "value", value, 10_000) == encode({"id": 1, "value": value})


@pytest.mark.parametrize(
    ("value", "long"),
    [
        ("x" * 200_000, False),
        ("x" * 200_001, True),
        ([["x"] * 100] * 100, False),
        ([["x"] * 100] * 1_000, True),
        ({"a": {"b": ["x" * 300_000]}}, True),
        ({"x" * 300_000: 1}, True),
        ([1] * 20_000, True),
        (7, False),
    ],
)
async def test_what_is_long_to_write_is_answered_later_and_on_the_loop(value, long):
    answered: list[tuple[int, bytes, str]] = []
    came, here = asyncio.Event(), threading.current_thread().name

    def answer(call_id: int, frame: bytes) -> None:
        answered.append((call_id, frame, threading.current_thread().name))
        came.set()

    hand_over(asyncio.get_running_loop(), 3, value, answer)
    assert bool(answered) is not long
    await came.wait()
    assert answered == [(3, encode({"t": "reply", "id": 3, "value": value}), here)]


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        ([{1}] * 20_000, "type", "set is not a JSON value"),
        (["x" * 1_000_000] * 135, "value", "the value has more than 128 MB as JSON; ask for less at once"),
    ],
)
async def test_what_cannot_be_handed_on_is_refused_in_words(value, kind, words):
    came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    hand_over(asyncio.get_running_loop(), 3, value, lambda call_id, frame: came.set_result(frame))
    refusal = decode((await came)[4:])
    assert refusal == {
        "t": "refuse",
        "id": 3,
        "kind": kind,
        "message": f"the host's reply cannot be handed on: {words}",
    }


@pytest.mark.parametrize("value", ["x" * 300_000, {str(n): n for n in range(50_000)}])
async def test_a_long_value_of_a_tool_reaches_the_code_as_it_is(value):
    def whole() -> object:
        """All of it."""
        return value

    code = (
        "got = whole()\nanswer['content'] = repr((type(got).__name__, len(got), list(got)[-1]))\nanswer['ready'] = True"
    )
    result = await RLMEngine(ScriptedModel([f"```repl\n{code}\n```"]), tools=[whole]).arun("?", "x" * 9_000)
    assert result.text == repr((type(value).__name__, len(value), list(value)[-1]))
