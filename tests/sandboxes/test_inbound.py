"""Whatever bytes come from a worker, in whatever pieces: well-formed messages, or one ProtocolError."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_integrations.sandboxes.channel.frames import MAX_FRAME_BYTES, encode, encode_short
from rlm_integrations.sandboxes.channel.inbound import Messages
from rlm_integrations.sandboxes.channel.long_texts import MAX_TEXT_BYTES
from rlm_integrations.wire.calls import HostCall, Retrieve
from rlm_integrations.wire.inbound import Finished, Inbound, PrintedHead, ProtocolError, read_inbound
from rlm_integrations.wire.steps import AnswerState, CodeError

BLOCKS, MAX_OUTPUT_CHARS, LARGEST = 2, 50, 1 << 53

texts = st.text(st.characters(exclude_categories=()), max_size=8)
small = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    small, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)

DONE: dict[str, Any] = {
    "t": "done",
    "step": 1,
    "output": {"tail": "tail", "cut_chars": 0},
    "error": {"block": 1, "line": 3, "source": "x", "message": "KeyError: 'x'", "kind": "raised"},
    "answer": {"ready": False, "content": "draft", "is_json": False, "refused": None},
    "variables": ["x: int"],
}
CONVERSATION: list[dict[str, Any]] = [
    {"t": "output", "text": "printed"},
    {"t": "call", "id": 1, "name": "reserve", "payload": {"n": 2, "chars": 9}},
    {"t": "call", "id": 2, "name": "llm_query", "payload": {"prompt": "p" * 300, "batch": 1, "index": 0, "images": []}},
    {"t": "call", "id": 3, "name": "retrieve", "payload": {"query": "q"}},
    {"t": "call", "id": 4, "name": "cite", "payload": {"document_id": "d", "start": 0, "end": 1, "text": "t"}},
    {"t": "call", "id": 5, "name": "tool", "payload": {"name": "f", "args": [1, "", {}], "kwargs": {"k": [None]}}},
    {"t": "texts", "texts": ["of the ", "next"]},
    {"t": "call", "id": 6, "name": "retrieve", "payload": {"query": ""}, "pieces": [2]},
    DONE,
]


def read(pieces: list[bytes]) -> tuple[list[Inbound], ProtocolError | None]:
    """What the host makes of a stream that arrives in these pieces. Any other error is the test's failure."""
    messages, events = Messages(), list[Inbound]()
    try:
        for piece in pieces:
            for frame in messages.feed(piece):
                event = read_inbound(frame, BLOCKS, MAX_OUTPUT_CHARS)
                assert_well_formed(event)
                events.append(event)
    except ProtocolError as error:
        return events, error
    return events, None


def assert_well_formed(event: Inbound) -> None:
    if isinstance(event, PrintedHead):
        assert type(event.text) is str
    elif isinstance(event, HostCall):
        assert_count(event.id)
        assert_payload(event.call.function, event.call.to_payload())
    else:
        assert_finished(event)


def assert_count(value: object, most: int = LARGEST) -> None:
    assert type(value) is int
    assert 0 <= value <= most


def assert_payload(name: str, payload: dict[str, Any]) -> None:
    kinds: dict[str, dict[str, tuple[type, ...]]] = {
        "reserve": {"n": (int,), "chars": (int,)},
        "llm_query": {"prompt": (str,), "batch": (int, type(None)), "index": (int, type(None)), "images": (list,)},
        "retrieve": {"query": (str,)},
        "cite": {"document_id": (str,), "start": (int,), "end": (int,), "text": (str,)},
        "tool": {"name": (str,), "args": (list,), "kwargs": (dict,)},
    }
    assert payload.keys() == kinds[name].keys()
    for field, value in payload.items():
        assert type(value) in kinds[name][field]
        if type(value) is int:
            assert_count(value)


def assert_finished(end: Finished) -> None:
    assert_count(end.step)
    done = end.done
    assert_count(done.output.cut_chars)
    assert len(done.output.tail) <= MAX_OUTPUT_CHARS
    assert len(done.variables) <= 20
    assert all(type(line) is str and len(line) <= 200 for line in done.variables)
    answer, error = done.answer, done.error
    assert isinstance(answer, AnswerState)
    assert (type(answer.ready), type(answer.content), type(answer.is_json)) == (bool, str, bool)
    assert answer.refused is None or len(answer.refused) <= 2_000
    if error is not None:
        assert isinstance(error, CodeError)
        assert_count(error.block, BLOCKS)
        assert error.kind in ("raised", "syntax", "interrupted")
        assert max(len(error.source), len(error.message)) <= 2_000


@st.composite
def pieces_of(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def framed(value: object) -> bytes:
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return struct.pack(">I", len(body)) + body


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """The value with something in it replaced, left out or added."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(list(value)))
        rest = {other: inner for other, inner in value.items() if other != key}
        match draw(st.integers(0, 4)):
            case 0:
                return rest
            case 1:
                return {**value, draw(texts): draw(values)}
            case _:
                return {**rest, key: draw(changed(value[key]))}
    if isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(changed(value[place])), *value[place + 1 :]]
    return draw(values)


def test_a_conversation_is_read_whole():
    events, error = read([b"".join(map(framed, CONVERSATION))])
    assert error is None
    assert len(events) == len(CONVERSATION) - 1
    assert events[-2] == HostCall(6, Retrieve("of the next"))


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes(pieces):
    read(pieces)


@given(st.lists(st.binary(max_size=30), max_size=4), st.data())
def test_any_bytes_in_frames(bodies, data):
    stream = b"".join(struct.pack(">I", len(body)) + body for body in bodies)
    read(data.draw(pieces_of(stream)))


@given(st.lists(values | st.dictionaries(st.sampled_from(["t", "pieces", "texts"]), values), max_size=4), st.data())
def test_any_json(frames, data):
    read(data.draw(pieces_of(b"".join(map(framed, frames)))))


@settings(max_examples=100)
@given(st.data())
def test_a_conversation_with_messages_changed(data):
    place = data.draw(st.integers(0, len(CONVERSATION) - 1))
    stream = [*CONVERSATION[:place], data.draw(changed(CONVERSATION[place])), *CONVERSATION[place:]]
    events, error = read(data.draw(pieces_of(b"".join(map(framed, stream)))))
    before = sum(1 for frame in CONVERSATION[:place] if frame["t"] != "texts")
    assert len(events) >= before, "what came before the change is read"
    assert error is None or len(str(error)) < 200, "it is shown to the root LM"


@settings(max_examples=100)
@given(st.data())
def test_a_conversation_with_bytes_changed(data):
    stream = bytearray(b"".join(map(framed, CONVERSATION)))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(stream)))
        stream[start : start + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    read(data.draw(pieces_of(bytes(stream))))


@given(st.data())
def test_however_it_is_cut_the_same_is_read(data):
    stream = b"".join(map(framed, CONVERSATION[: data.draw(st.integers(1, len(CONVERSATION)))]))
    assert read(data.draw(pieces_of(stream))) == read([stream])


ONE_TEXT = {"t": "texts", "texts": ["x"]}
UNFITTING = {
    "texts that are no list": [{"t": "texts", "texts": "x"}],
    "something else where a text should be": [{"t": "texts", "texts": ["x", 1]}],
    "pieces that are no list": [ONE_TEXT, {"t": "output", "text": "", "pieces": 1}],
    "pieces that are no counts": [ONE_TEXT, {"t": "output", "text": "", "pieces": [True]}],
    "other texts than those that came": [ONE_TEXT, {"t": "output", "text": "x"}],
    "of other texts than": [ONE_TEXT, {"t": "output", "text": "", "pieces": [1, 0]}],
    "message of other texts": [ONE_TEXT, ONE_TEXT, {"t": "output", "text": "", "pieces": [1]}],
    "other texts than those that": [{"t": "output", "text": "", "pieces": [1 << 60]}],
}


@pytest.mark.parametrize("words", UNFITTING)
def test_texts_that_belong_to_no_message_are_refused(words):
    events, error = read([b"".join(map(framed, UNFITTING[words]))])
    assert events == []
    assert words in str(error)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([{"t": "texts", "texts": ["x" * 30_000]}] * (MAX_TEXT_BYTES // 30_000 + 1), "more than 64 MB of text"),
        ([{"t": "texts", "texts": [""] * 30_000}] * 20, "too many pieces of texts"),
        (
            [
                *[{"t": "texts", "texts": ["x" * 30_000]}] * (MAX_TEXT_BYTES // 2 // 30_000),
                {"t": "texts", "texts": ["\N{GRINNING FACE}"]},
                {"t": "output", "text": "", "pieces": [MAX_TEXT_BYTES // 2 // 30_000 + 1]},
            ],
            "more than 64 MB of text",
        ),
    ],
    ids=["many texts", "many empty texts", "a wide character at the end"],
)
def test_texts_without_end_are_refused_before_they_fill_the_memory(frames, words):
    events, error = read([framed(frame) for frame in frames])
    assert events == []
    assert words in str(error)


def test_a_frame_that_comes_byte_by_byte_is_read_once():
    message = {"t": "output", "text": "x" * (MAX_FRAME_BYTES - 30)}
    stream = encode(message)
    events, error = read([stream[place : place + 1] for place in range(len(stream))])
    assert (events, error) == ([PrintedHead(message["text"])], None)


def test_nothing_is_held_of_what_was_read():
    messages = Messages()
    for _ in range(30):
        for frame in encode_short({"t": "output", "text": "x" * 1_000_000}):
            assert all(message["t"] == "output" for message in messages.feed(frame))
    assert list(messages.feed(b"\0\0\0\2{")) == []
    assert len(messages._frames._bytes) == 5
    assert messages._texts._pieces == []
